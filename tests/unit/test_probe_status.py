"""``poolmeter probe status``: what is unread, lost, set aside; jobs against runs."""

import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from poolmeter.cli import Settings, poolmeter
from poolmeter.config import Config
from probe.run import run_probe
from probe.run_reconciliation import RunReconciliation, reconcile_runs
from probe.status import SourceLag, status_of
from probe.status_text import status_lines
from tests.ads import END_S, NOW, SCHEDD, banner, job, jobs, run
from tests.pool.namespaces import REPOSITORY
from tests.runs import run_record
from tests.unit.reports_ledger import job as job_row
from tests.unit.reports_ledger import write_ledger
from tests.unit.runs_ledger import run_row, write_runs

POOL = REPOSITORY / "tests/data/pool-23.9.6"
THEN = dt.datetime.fromtimestamp(END_S, dt.UTC) + dt.timedelta(days=1)
OCTOBER = dt.date(2026, 10, 1), dt.date(2026, 10, 31)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A history of three jobs that was read at NOW."""
    path = tmp_path / "spool" / "history"
    path.parent.mkdir()
    path.write_text(jobs(1, 3))
    run(tmp_path / "ledger", path)
    return path


def test_nothing_is_unread_after_a_run(tmp_path: Path, live: Path) -> None:
    (schedd,) = status_of(tmp_path / "ledger", now=NOW).schedds
    assert (schedd.schedd, schedd.last_run_at, schedd.lag_s) == (SCHEDD, NOW, 0)
    assert schedd.sources == (SourceLag(str(live), 1, 0, 0),)


def test_what_is_unread_is_counted_in_all_files(tmp_path: Path, live: Path) -> None:
    with live.open("a") as out:
        out.write(job(4) + "half of a record\n")
    live.rename(live.with_name("history.20261122T120000"))
    live.write_text(jobs(5, 6))
    later = NOW + dt.timedelta(minutes=5)
    (schedd,) = status_of(tmp_path / "ledger", now=later).schedds
    unread_bytes = len(jobs(4, 6))
    assert schedd.sources == (SourceLag(str(live), 2, 3, unread_bytes),)
    assert schedd.lag_s == 300


def test_gaps_and_what_was_set_aside_are_counted(tmp_path: Path, live: Path) -> None:
    live.write_text(job(20) + "no ad\n" + banner())
    run(tmp_path / "ledger", live)
    found = status_of(tmp_path / "ledger", now=NOW)
    assert (len(found.gaps), found.set_aside) == (1, 1)
    text = "\n".join(status_lines(found))
    assert "live file lost" in text
    assert "set aside: 1" in text


def test_trust_is_that_of_the_last_days_jobs(tmp_path: Path, live: Path) -> None:
    assert live.exists()
    assert status_of(tmp_path / "ledger", now=NOW).jobs == 0
    found = status_of(tmp_path / "ledger", now=THEN)
    assert found.jobs == found.network_trust["missing"] == 3
    assert found.time_trust == {"consistent": 3}
    assert found.runs is None


def test_the_jobs_of_a_real_pool_agree_with_their_runs(tmp_path: Path) -> None:
    now = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    run_probe(
        tmp_path,
        SCHEDD,
        [POOL / "history"],
        Config(),
        now=now,
        epoch_histories=[POOL / "epoch_history"],
    )
    found = status_of(tmp_path, now=now).runs
    assert found is not None
    assert (found.jobs_with_all_runs, found.jobs_beyond_a_second) == (7, 0)
    assert found.jobs_without_runs == found.jobs - found.jobs_with_all_runs
    assert abs(found.difference_s) <= 9


def test_what_jobs_and_runs_do_not_tell_alike_is_counted(tmp_path: Path) -> None:
    jobs_of = [job_row() for _ in range(4)] + [job_row(wall_s=0, runs=0)]
    ledger = write_ledger(tmp_path, *jobs_of)
    write_runs(
        ledger,
        run_row(proc_id=0),
        run_row(proc_id=1, run=1),
        run_row(proc_id=2, hours=0.5),
        run_row(proc_id=9),
    )
    assert reconcile_runs(ledger, *OCTOBER) == RunReconciliation(
        jobs=4,
        jobs_without_runs=1,
        jobs_with_missing_runs=1,
        jobs_with_all_runs=2,
        jobs_beyond_a_second=1,
        difference_s=1800,
        runs_of_queued_jobs=1,
    )


def test_the_command_says_it_as_lines_and_as_data(tmp_path: Path, live: Path) -> None:
    words = ["probe", "status", "--ledger", str(tmp_path / "ledger")]
    text = CliRunner().invoke(poolmeter, words, obj=Settings())
    assert text.exit_code == 0
    assert f"{live}: 1 files, 0 records (0 bytes) unread" in text.stdout
    words += ["--format", "json"]
    data = json.loads(CliRunner().invoke(poolmeter, words, obj=Settings()).stdout)
    assert data["schedds"][0]["schedd"] == SCHEDD
    assert data["gaps"] == []


def test_of_an_epoch_history_the_runs_are_counted(tmp_path: Path) -> None:
    epochs = tmp_path / "epoch_history"
    epochs.write_text(run_record(1, 0, END_S, END_S + 60))
    now, ledger = NOW, tmp_path / "ledger"
    run_probe(ledger, SCHEDD, [], Config(), now=now, epoch_histories=[epochs])
    with epochs.open("a") as out:
        out.write(run_record(1, 1, END_S, END_S + 60))
    (schedd,) = status_of(ledger, now=now).schedds
    assert schedd.sources[0].unread_records == 1
