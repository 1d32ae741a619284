"""The source ``epoch``: runs into the table ``runs``, once, whatever stands beside."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from poolmeter.config import Config
from poolmeter.errors import ExitCode, NotHistoryError, UsageError
from poolmeter.ledger.gaps import read_gaps
from poolmeter.ledger.scan import read_table
from poolmeter.ledger.tables import runs_schema
from probe.run import RunReport, run_probe
from tests.ads import DAY_S, END_S, HOUR_S, NOW, SCHEDD, folder_state, jobs
from tests.runs import run_banner, run_record


def run(ledger: Path, *epochs: Path, histories: tuple[Path, ...] = ()) -> RunReport:
    """Run the probe over epoch histories."""
    return run_probe(
        ledger, SCHEDD, histories, Config(), now=NOW, epoch_histories=epochs
    )


def runs_in(ledger: Path) -> list[tuple[int, int, int]]:
    """Return cluster, number and seconds of every run, in order."""
    found: list[dict[str, Any]] = read_table(ledger, "runs", runs_schema()).to_pylist()
    return sorted((row["cluster_id"], row["run"], row["wall_s"]) for row in found)


def evicted_twice(cluster: int) -> str:
    """Return two runs of a job, of one and of three hours, on two days."""
    return run_record(cluster, 0, END_S - HOUR_S, END_S) + run_record(
        cluster, 1, END_S + DAY_S, END_S + DAY_S + 3 * HOUR_S
    )


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """An epoch history with two runs each of two jobs."""
    path = tmp_path / "spool" / "epoch_history"
    path.parent.mkdir()
    path.write_text(evicted_twice(7) + evicted_twice(8))
    return path


EXPECTED = [
    (cluster, n, hours * HOUR_S) for cluster in (7, 8) for n, hours in ((0, 1), (1, 3))
]


def test_each_run_is_a_row_of_the_day_on_which_it_ended(
    tmp_path: Path, live: Path
) -> None:
    report = run(tmp_path / "ledger", live)
    assert (report.exit_code, report.read) == (ExitCode.DONE, 4)
    assert (report.runs_merged.inserted, report.merged.inserted) == (4, 0)
    assert runs_in(tmp_path / "ledger") == EXPECTED
    files = sorted((tmp_path / "ledger" / "runs").rglob("*.parquet"))
    assert [path.parent.name for path in files] == [
        "date=2025-11-10",
        "date=2025-11-11",
    ]


def test_reading_again_changes_nothing(tmp_path: Path, live: Path) -> None:
    ledger = tmp_path / "ledger"
    run(ledger, live)
    before = folder_state(ledger / "runs")
    assert run(ledger, live).read == 0
    (ledger / ".state" / "checkpoints" / f"{SCHEDD}.jsonl").unlink()
    again = run(ledger, live)
    assert (again.runs_merged.repeated, again.exit_code) == (4, ExitCode.DONE)
    assert folder_state(ledger / "runs") == before


def test_a_rotated_file_that_still_grows_is_read_on(tmp_path: Path, live: Path) -> None:
    """Shadows hold it open; then it is compressed."""
    ledger = tmp_path / "ledger"
    run(ledger, live)
    rotated = live.rename(live.with_name("epoch_history.20251111T120000"))
    live.write_text(run_record(9, 0, END_S, END_S + 60))
    with rotated.open("a") as out:
        out.write(run_record(7, 2, END_S, END_S + 30))
    assert run(ledger, live).exit_code == ExitCode.DONE
    compressed = rotated.with_name(f"{rotated.name}.gz")
    with rotated.open("a") as out:
        out.write(run_record(7, 3, END_S, END_S + 40))
    compressed.write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    assert run(ledger, live).exit_code == ExitCode.DONE
    assert sorted([*EXPECTED, (7, 2, 30), (7, 3, 40), (9, 0, 60)]) == runs_in(ledger)


def test_records_of_other_kinds_are_counted_by_name_and_skipped(
    tmp_path: Path, live: Path
) -> None:
    kinds = ("INPUT", "OUTPUT", "CHECKPOINT", "COMMON", "STARTD", "SPAWN", "NEW_ONE")
    others = "".join(
        f'A = "x"\n{run_banner(7, 0, end_s=END_S, kind=kind)}' for kind in kinds
    )
    live.write_text(others + live.read_text() + others)
    report = run(tmp_path / "ledger", live)
    assert dict(report.skipped) == dict.fromkeys(kinds, 2)
    assert report.exit_code == ExitCode.DONE
    assert runs_in(tmp_path / "ledger") == EXPECTED


def test_a_damaged_run_is_set_aside_and_the_others_stay(
    tmp_path: Path, live: Path
) -> None:
    bad = run_record(9, 0, END_S, END_S + 60).replace("EpochWriteDate = ", "X = ")
    torn = "Owner = \n" + run_record(9, 1, END_S, END_S + 60)
    live.write_text(evicted_twice(7) + bad + torn + evicted_twice(8))
    report = run(tmp_path / "ledger", live)
    assert dict(report.set_aside) == {"no record of a run": 1, "unreadable ad": 1}
    assert report.exit_code == ExitCode.SET_ASIDE
    assert runs_in(tmp_path / "ledger") == EXPECTED


def test_the_same_number_with_other_content_is_a_conflict(
    tmp_path: Path, live: Path
) -> None:
    """As where the owner has edited NumShadowStarts between two runs."""
    live.write_text(live.read_text() + run_record(7, 0, END_S - 60, END_S))
    report = run(tmp_path / "ledger", live)
    assert (report.runs_merged.conflicts, report.exit_code) == (
        ("7.0",),
        ExitCode.SET_ASIDE,
    )
    assert runs_in(tmp_path / "ledger") == EXPECTED


def test_what_is_half_written_is_left_for_the_next_run(
    tmp_path: Path, live: Path
) -> None:
    whole = live.read_text()
    for cut in (100, len(evicted_twice(7)) // 2 - 5, len(whole) - 1):
        live.write_text(whole[:cut])
        assert run(tmp_path / "ledger", live).exit_code == ExitCode.DONE
    live.write_text(whole)
    assert run(tmp_path / "ledger", live).exit_code == ExitCode.DONE
    assert runs_in(tmp_path / "ledger") == EXPECTED


def test_a_lost_epoch_history_is_a_gap(tmp_path: Path, live: Path) -> None:
    run(tmp_path / "ledger", live)
    live.write_text(run_record(9, 0, END_S, END_S + 60))
    assert run(tmp_path / "ledger", live).exit_code == ExitCode.SET_ASIDE
    (gap,) = read_gaps(tmp_path / "ledger")
    assert gap.source == str(live)


def test_a_history_of_jobs_is_no_epoch_history_and_the_other_way_round(
    tmp_path: Path, live: Path
) -> None:
    history = tmp_path / "history"
    history.write_text(jobs(1, 3))
    with pytest.raises(NotHistoryError, match="JOB_EPOCH_HISTORY"):
        run(tmp_path / "ledger", history)
    with pytest.raises(NotHistoryError, match="HISTORY"):
        run(tmp_path / "ledger", histories=(live,))
    assert not (tmp_path / "ledger" / "runs").exists()


def test_an_epoch_history_that_never_was_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="JOB_EPOCH_HISTORY"):
        run(tmp_path / "ledger", tmp_path / "epoch_history")


def test_jobs_and_runs_are_read_in_one_run(tmp_path: Path, live: Path) -> None:
    history = tmp_path / "spool" / "history"
    history.write_text(jobs(1, 3))
    report = run(tmp_path / "ledger", live, histories=(history,))
    assert (report.runs_merged.inserted, report.merged.inserted) == (4, 3)
