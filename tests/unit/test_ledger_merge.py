"""Day files: rows are only inserted, whole files are replaced, nobody sees a part."""

import dataclasses
import datetime as dt
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import poolmeter.ledger.merge
from poolmeter.errors import LedgerBusyError, LedgerMismatchError
from poolmeter.ledger.gaps import Gap, add_gaps, read_gaps
from poolmeter.ledger.layout import day_file, day_lock, state_folder
from poolmeter.ledger.merge import MergeResult, merge_jobs
from poolmeter.ledger.scan import job_batches, refuse_other_version
from poolmeter.ledger.schema import jobs_schema, marked, table_of
from poolmeter.locks import locked
from poolmeter.record import JobRecord
from tests.ads import (
    END_S,
    NOW,
    SCHEDD,
    clusters,
    completed,
    folder_state,
    job,
    record_of,
    rows,
    run,
)

DAY = dt.date(2025, 11, 10)


def record(number: int, *, hours: float = 0, **changes: object) -> JobRecord:
    """Return the record of a job that ended so many hours after 2025-11-10 12:00."""
    end_s = END_S + int(3600 * hours)
    made = record_of(
        completed(
            ClusterId=number,
            CompletionDate=end_s,
            EnteredCurrentStatus=end_s,
            JobStartDate=end_s - 7200,
            JobCurrentStartDate=end_s - 7200,
            GlobalJobId=None,
        )
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def insert(ledger: Path, *records: JobRecord) -> MergeResult:
    """Insert *records* into *ledger*."""
    return merge_jobs(ledger, SCHEDD, table_of(records))


def test_rows_go_to_the_day_on_which_their_jobs_ended_in_utc(tmp_path: Path) -> None:
    insert(tmp_path, record(1), record(2, hours=11.9997), record(3, hours=12))
    found = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")
    )
    assert found == [
        f"jobs/date=2025-11-10/{SCHEDD}.parquet",
        f"jobs/date=2025-11-11/{SCHEDD}.parquet",
    ]
    assert pq.read_metadata(tmp_path / found[0]).num_rows == 2


def test_inserting_again_changes_no_byte(tmp_path: Path) -> None:
    records = [record(n, hours=6 * n) for n in range(5)]
    assert insert(tmp_path, *records) == MergeResult(inserted=5)
    before = folder_state(tmp_path / "jobs")
    assert insert(tmp_path, *records) == MergeResult(repeated=5)
    assert folder_state(tmp_path / "jobs") == before


def test_a_row_that_is_there_stays_and_a_differing_one_is_a_conflict(
    tmp_path: Path,
) -> None:
    insert(tmp_path, record(1, wall_s=10), record(2))
    result = insert(tmp_path, record(1, wall_s=99), record(2), record(3))
    assert result == MergeResult(inserted=1, repeated=1, conflicts=("1.0",))
    assert [row["wall_s"] for row in rows(tmp_path)] == [10, 7200, 7200]


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_key_in_a_neighbouring_day_is_known(tmp_path: Path, hours: int) -> None:
    insert(tmp_path, record(1))
    result = insert(tmp_path, record(1, hours=hours), record(2, hours=hours))
    assert result == MergeResult(inserted=1, conflicts=("1.0",))
    assert clusters(tmp_path) == [1, 2]


def test_the_same_id_queued_at_another_time_is_another_job(tmp_path: Path) -> None:
    """A schedd whose queue was reset counts from 1 again."""
    later = record(1).queued_at
    assert later is not None
    insert(tmp_path, record(1))
    again = record(1, queued_at=later + dt.timedelta(hours=1))
    assert insert(tmp_path, again) == MergeResult(inserted=1)
    assert insert(tmp_path, record(1, queued_at=None)) == MergeResult(inserted=1)
    assert insert(tmp_path, record(1, queued_at=None)) == MergeResult(repeated=1)


def test_a_key_twice_in_one_insertion_is_one_row(tmp_path: Path) -> None:
    result = insert(tmp_path, record(1), record(1), record(1, wall_s=9), record(2))
    assert result == MergeResult(inserted=2, repeated=1, conflicts=("1.0",))
    assert [row["wall_s"] for row in rows(tmp_path)] == [7200, 7200]


def test_a_row_that_was_revised_differs_by_right(tmp_path: Path) -> None:
    insert(tmp_path, record(1, revision=1, wall_s=5))
    assert insert(tmp_path, record(1)) == MergeResult(repeated=1)
    assert [row["wall_s"] for row in rows(tmp_path)] == [5]


def test_a_key_in_two_neighbouring_days_is_counted_once(tmp_path: Path) -> None:
    for days, name in ((0, "2025-11-10"), (1, "2025-11-11")):
        path = tmp_path / "jobs" / f"date={name}" / f"{SCHEDD}.parquet"
        path.parent.mkdir(parents=True)
        table = table_of([record(1, hours=24 * days)])
        pq.write_table(table.cast(marked(jobs_schema(), SCHEDD)), path)
    result = insert(tmp_path, record(1))
    assert (result.inserted, result.repeated + len(result.conflicts)) == (0, 1)


def test_every_column_survives_a_merge(tmp_path: Path) -> None:
    full = record(
        1,
        extra={"A": '"b"', "C": "1"},
        network_other_bytes={"N": 2**63 - 1},
        contradictions=("a", "b"),
        payload_at=NOW,
        benchmark_scaling=1.5,
    )
    insert(tmp_path, full)
    insert(tmp_path, record(2))
    expected = table_of([full, record(2)]).to_pylist()
    assert rows(tmp_path) == expected


def test_frequent_small_insertions_leave_full_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poolmeter.ledger.merge, "ROW_GROUP_ROWS", 10)
    for n in range(23):
        insert(tmp_path, record(n))
    file = pq.ParquetFile(day_file(tmp_path, "jobs", DAY, SCHEDD))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [10, 10, 3]
    assert clusters(tmp_path) == list(range(23))


def test_readers_take_no_leftover_temporary_file_for_data(tmp_path: Path) -> None:
    insert(tmp_path, record(1))
    path = day_file(tmp_path, "jobs", DAY, SCHEDD)
    for name in (f".{path.name}.tmp", ".other.parquet", "note.txt"):
        path.with_name(name).write_bytes(b"half a file")
    assert clusters(tmp_path) == [1]
    insert(tmp_path, record(2))
    assert clusters(tmp_path) == [1, 2]
    assert not path.with_name(f".{path.name}.tmp").exists()


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """A reader that has begun goes on with the file that it opened."""
    insert(tmp_path, *(record(n) for n in range(5)))
    batches = job_batches(tmp_path, columns=["cluster_id"])
    first = next(batches)
    insert(tmp_path, *(record(n) for n in range(5, 9)))
    seen = pa.Table.from_batches([first, *batches])["cluster_id"].to_pylist()
    assert seen == [0, 1, 2, 3, 4]
    assert clusters(tmp_path) == list(range(9))


def test_another_schema_version_is_refused_and_unharmed(tmp_path: Path) -> None:
    insert(tmp_path, record(1))
    path = day_file(tmp_path, "jobs", DAY, SCHEDD)
    rewrite_mark(path, b"poolmeter.schema_version", b"2")
    before = folder_state(tmp_path)
    for attempt in (
        lambda: refuse_other_version(tmp_path),
        lambda: insert(tmp_path, record(2)),
        lambda: rows(tmp_path),
    ):
        with pytest.raises(LedgerMismatchError, match="schema version 1, found 2"):
            attempt()
    assert folder_state(tmp_path) == before


def rewrite_mark(path: Path, key: bytes, value: bytes) -> None:
    """Write *path* again with another mark."""
    table = pq.read_table(path)
    metadata = {**(table.schema.metadata or {}), key: value}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_a_run_refuses_another_schema_version_before_it_does_anything(
    tmp_path: Path,
) -> None:
    ledger, history = tmp_path / "ledger", tmp_path / "history"
    history.write_text(job(1))
    run(ledger, history)
    rewrite_mark(
        next((ledger / "jobs").rglob("*.parquet")), b"poolmeter.schema_version", b"0"
    )
    history.write_text(job(1) + job(200))
    before = folder_state(ledger)
    with pytest.raises(LedgerMismatchError, match="found 0"):
        run(ledger, history)
    assert folder_state(ledger) == before


def test_a_file_of_another_schedd_is_refused_and_unharmed(tmp_path: Path) -> None:
    insert(tmp_path, record(1))
    rewrite_mark(day_file(tmp_path, "jobs", DAY, SCHEDD), b"poolmeter.schedd", b"b")
    before = folder_state(tmp_path / "jobs")
    with pytest.raises(LedgerMismatchError, match="found one of schedd b"):
        insert(tmp_path, record(2))
    assert folder_state(tmp_path / "jobs") == before


def test_two_schedds_have_files_of_their_own(tmp_path: Path) -> None:
    names = ("ap.example.org", "CE@ap.example.org", "../../etc/x", ".hidden", "a b/ü")
    for name in names:
        table = table_of([dataclasses.replace(record(1), schedd=name)])
        assert merge_jobs(tmp_path, name, table) == MergeResult(inserted=1)
    assert sorted(row["schedd"] for row in rows(tmp_path)) == sorted(names)
    assert {path.parent.name for path in tmp_path.rglob("*.parquet")} == {
        "date=2025-11-10"
    }


def test_a_day_that_another_run_rewrites_is_busy(tmp_path: Path) -> None:
    insert(tmp_path, record(1))
    before = folder_state(tmp_path / "jobs")
    with (
        locked(day_lock(tmp_path, DAY, SCHEDD), what="the test"),
        pytest.raises(LedgerBusyError, match="locked by another run"),
    ):
        insert(tmp_path, record(2))
    assert folder_state(tmp_path / "jobs") == before


def test_folders_and_files_are_closed_to_others(tmp_path: Path) -> None:
    """Ads hold environments, which hold secrets: quarantine is the owner's alone."""
    ledger, history = tmp_path / "ledger", tmp_path / "history"
    history.write_text(job(1) + "no ad\n*** ClusterId = 1\n")
    umask = os.umask(0)
    try:
        run(ledger, history)
        add_gaps(ledger, [Gap(SCHEDD, "s", "r", NOW, NOW)])
    finally:
        os.umask(umask)
    modes = {
        str(path.relative_to(ledger)): stat.S_IMODE(path.stat().st_mode)
        for path in [ledger, *ledger.rglob("*")]
    }
    folders = {mode for path, mode in modes.items() if (ledger / path).is_dir()}
    quarantine = {mode for p, mode in modes.items() if "quarantine/" in p}
    files = {
        mode
        for path, mode in modes.items()
        if (ledger / path).is_file() and "quarantine/" not in path
    }
    assert (folders, files, quarantine) == ({0o750}, {0o640}, {0o600})


def test_a_gap_is_noted_once(tmp_path: Path) -> None:
    gap = Gap(SCHEDD, "/history", "live file lost", NOW, NOW + dt.timedelta(hours=1))
    later = dataclasses.replace(gap, to_at=NOW + dt.timedelta(days=2))
    other = dataclasses.replace(gap, from_at=NOW - dt.timedelta(days=9))
    add_gaps(tmp_path, [gap])
    add_gaps(tmp_path, [later, other])
    assert read_gaps(tmp_path) == [other, gap]


def test_the_state_of_the_probe_is_no_part_of_the_tables(tmp_path: Path) -> None:
    insert(tmp_path, record(1))
    assert state_folder(tmp_path).name.startswith(".")
