"""A real pool's history (HTCondor 23.9.6): every fact of it, and every cell."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poolmeter.config import Config, ProbeConfig
from poolmeter.errors import ExitCode, NotHistoryError
from poolmeter.record import NETWORK_COLUMNS
from tests.ads import NOW, rows, run

POOL = Path(__file__).parents[1] / "data" / "pool-23.9.6"
EXPECTED = Path(__file__).parent / "expected" / "probe-pool-23.9.6.json"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All rows that a run makes of the pool's history."""
    ledger = tmp_path_factory.mktemp("ledger")
    report = run(ledger, POOL / "history")
    assert report.exit_code == ExitCode.DONE
    return rows(ledger)


def cells(table: list[dict[str, Any]], *columns: str) -> dict[str, list[Any]]:
    """Return the cells of *columns* by job."""
    return {
        f"{row['cluster_id']}.{row['proc_id']}": [row[name] for name in columns]
        for row in table
    }


def test_the_history_gives_twelve_jobs(table: list[dict[str, Any]]) -> None:
    expected = [
        "1.0",
        "1.1",
        "2.0",
        "3.0",
        "4.0",
        "5.0",
        "6.0",
        "7.0",
        "8.0",
        "9.0",
        "10.0",
        "11.0",
    ]
    assert expected == list(cells(table))


def test_scheduler_local_and_never_started_jobs_are_not_billable(
    table: list[dict[str, Any]],
) -> None:
    expected = {
        "6.0": ["never_started"],
        "7.0": ["never_started"],
        "8.0": ["local_universe"],
        "9.0": ["scheduler_universe"],
    }
    unbilled = [row for row in table if not row["billable"]]
    assert expected == cells(unbilled, "unbilled_reason")


def test_an_evicted_job_has_the_wall_and_cpu_time_of_all_its_runs(
    table: list[dict[str, Any]],
) -> None:
    """Its ExitSignal is left over from the first run."""
    found = cells(
        table,
        "wall_s",
        "last_run_wall_s",
        "runs",
        "cpu_user_ms",
        "cpu_system_ms",
        "cpu_scope",
        "exit_signal",
    )
    assert found["4.0"] == [41, 26, 2, 6000, 0, "all_runs", None]


def test_a_job_that_asked_for_less_than_its_slot_occupies_the_slot(
    table: list[dict[str, Any]],
) -> None:
    found = cells(table, "cpus_milli", "cpus_requested_milli", "core_ms")
    assert found["11.0"] == [2000, 1000, 18_000]


def test_only_what_was_counted_has_network_bytes(table: list[dict[str, Any]]) -> None:
    unknown = dict.fromkeys(NETWORK_COLUMNS)
    sent = {**unknown, "network_outgoing_external_bytes": 3_000_000_000}
    for job_id, found in cells(table, *NETWORK_COLUMNS).items():
        expected = sent if job_id in ("1.0", "1.1") else unknown
        assert list(expected.values()) == found, job_id


def test_removed_jobs_end_when_they_entered_that_status(
    table: list[dict[str, Any]],
) -> None:
    removed = [row for row in table if row["job_status"] == "removed"]
    at = dt.datetime(2026, 11, 22, 9, 8, 17, tzinfo=dt.UTC)
    expected = {"5.0": [at], "6.0": [at], "7.0": [at]}
    assert expected == cells(removed, "ended_at")


def test_nothing_contradicts_itself(table: list[dict[str, Any]]) -> None:
    assert [row["contradictions"] for row in table] == [[]] * 12


def test_every_string_of_a_job_full_of_odd_characters_is_intact(
    tmp_path: Path,
) -> None:
    """Old ClassAd strings know one escape, the quotation mark; all else is itself."""
    names = ("Arguments", "ProjectName", "Requirements", "UserLog")
    config = Config(probe=ProbeConfig(extra_attributes=names))
    run(tmp_path, POOL / "history", config=config)
    (row,) = (row for row in rows(tmp_path) if row["cluster_id"] == 2)
    text = (POOL / "history").read_text("utf-8").split("***")[2]
    written = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert {name: written[name] for name in names} == dict(row["extra"])
    assert row["project"] == 'O\'Brien, <b>&amp; "x" naïve'


def test_every_cell_is_what_it_was(
    table: list[dict[str, Any]], golden: Callable[[Path, str], None]
) -> None:
    text = json.dumps(table, indent=1, default=dt.datetime.isoformat)
    golden(EXPECTED, text + "\n")


def test_reading_it_again_changes_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    run(ledger, POOL / "history")
    before = rows(ledger)
    (ledger / ".state" / "checkpoints" / "ap.example.org.jsonl").unlink()
    report = run(ledger, POOL / "history", now=NOW + dt.timedelta(days=400))
    assert (
        report.read,
        report.merged.inserted,
        report.merged.repeated,
    ) == (12, 0, 12)
    assert before == rows(ledger)


def test_an_epoch_history_is_no_job_history(tmp_path: Path) -> None:
    with pytest.raises(NotHistoryError, match="EPOCH"):
        run(tmp_path / "ledger", POOL / "epoch_history")
