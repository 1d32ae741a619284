"""Runs that are known charge in the months in which they were, once."""

import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from poolmeter.config import Config
from poolmeter.demo.run import demo_config
from poolmeter.units import SECONDS_PER_HOUR
from probe.run import run_probe
from reports.closing import close_month
from reports.question import Pricing
from reports.statement import statement
from reports.statement_data import Statement
from tests.ads import NOW
from tests.pool.namespaces import REPOSITORY
from tests.unit.reports_ledger import book, job, utc, write_ledger
from tests.unit.runs_ledger import run_row, write_runs

POOL = REPOSITORY / "tests/data/pool-23.9.6"
HOUR_S = SECONDS_PER_HOUR


def of_month(ledger: Path, month: str) -> Statement:
    """Return the statement of *month*; it agrees with the ledger and with itself."""
    made = statement(ledger, month, book=book())
    assert made.difference == 0
    return made


def hours(ledger: Path, *months: str) -> list[float]:
    """Return the wall hours of each month."""
    return [of_month(ledger, month).totals.wall_s / HOUR_S for month in months]


def kinds(made: Statement) -> dict[str, int]:
    """Return the seconds of each kind of use."""
    assert made.use is not None
    return {kind.kind: kind.wall_s for kind in made.use.kinds if kind.wall_s}


#: Two hours in September, held for a week, three hours in October.
EVICTED = run_row("2026-09-30 20:00", hours=2)
LAST = run_row("2026-10-07 20:00", hours=3, run=1)
ENDED: dict[str, Any] = {
    "queued_at": utc("2026-10-01 00:00"),
    "runs": 2,
    "wall_s": 5 * HOUR_S,
    "last_run_wall_s": 3 * HOUR_S,
    "last_started_at": utc("2026-10-07 17:00"),
    "ended_at": utc("2026-10-07 20:00"),
    "core_ms": 5 * HOUR_S * 1000,
    "network_outgoing_external_bytes": None,
}


def test_each_run_is_charged_in_its_own_month(tmp_path: Path) -> None:
    """The job's row alone puts all five hours into October."""
    ledger = write_ledger(tmp_path, job(**ENDED))
    assert hours(ledger, "2026-09", "2026-10") == [0, 5]
    write_runs(ledger, EVICTED, LAST)
    assert hours(ledger, "2026-09", "2026-10") == [2, 3]
    made = of_month(ledger, "2026-10")
    assert made.totals.jobs == 1
    assert made.interval_source == {"runs": 1, "job": 0}
    assert kinds(made) == {"good": 3 * HOUR_S}
    assert kinds(of_month(ledger, "2026-09")) == {"evicted": 2 * HOUR_S}


def test_an_eviction_of_a_queued_job_is_charged_once_and_not_again_at_its_end(
    tmp_path: Path,
) -> None:
    ledger = write_runs(tmp_path, EVICTED)
    before = of_month(ledger, "2026-09")
    assert (before.totals.jobs, before.totals.wall_s) == (0, 2 * HOUR_S)
    assert before.totals.compute_cost == Decimal("0.10")
    assert before.interval_source == {"runs": 1, "job": 0}
    write_runs(ledger, LAST)
    write_ledger(ledger, job(**ENDED))
    after = of_month(ledger, "2026-09")
    assert (after.totals.wall_s, after.totals.compute_cost) == (
        before.totals.wall_s,
        before.totals.compute_cost,
    )
    assert hours(ledger, "2026-10", "2026-11") == [3, 0]


def test_a_closed_month_has_no_correction_when_the_job_ends(tmp_path: Path) -> None:
    ledger = write_runs(tmp_path, EVICTED)
    pricing = Pricing(book=book())
    closed = close_month(ledger, "2026-09", pricing, now=NOW)
    assert closed is not None
    write_runs(ledger, LAST)
    write_ledger(ledger, job(**ENDED))
    assert of_month(ledger, "2026-09").lines == closed.lines_of("vo", None)


def test_the_bytes_of_a_run_belong_to_the_month_of_its_end(tmp_path: Path) -> None:
    counted = {"network_outgoing_external_sum_bytes": 100}
    both = {"network_outgoing_external_sum_bytes": 700}
    ledger = write_runs(tmp_path, EVICTED | counted)
    assert of_month(ledger, "2026-09").totals.network[1] == 100
    write_runs(ledger, LAST | both)
    write_ledger(ledger, job(**ENDED | {"network_outgoing_external_bytes": 750}))
    months = [of_month(ledger, month) for month in ("2026-09", "2026-10")]
    assert [month.totals.network[1] for month in months] == [100, 650]
    assert [month.coverage.jobs for month in months] == [0, 1]


def test_a_run_that_began_with_the_month_before_is_divided(tmp_path: Path) -> None:
    ledger = write_runs(tmp_path, run_row("2026-10-01 01:00", hours=4))
    assert hours(ledger, "2026-09", "2026-10", "2026-11") == [3, 1, 0]


@pytest.mark.parametrize(
    ("ending", "code", "kind"),
    [
        ("evicted", None, "evicted"),
        ("held", None, "held"),
        ("lost", None, "evicted"),
        ("exited", 0, "good"),
        ("exited", 7, "failed"),
    ],
)
def test_what_a_run_of_a_queued_job_came_to(
    tmp_path: Path, ending: str, code: int | None, kind: str
) -> None:
    """A job that has ended may stay in the queue for days."""
    row = run_row(ending=ending, exit_code=code)
    assert kinds(of_month(write_runs(tmp_path, row), "2026-10")) == {kind: HOUR_S}


def test_missing_runs_are_a_residual_with_its_minima(tmp_path: Path) -> None:
    """Four starts, one known run: what is left stands for two and the last."""
    ledger = write_runs(tmp_path, run_row("2026-10-07 16:00", hours=1, run=2))
    ended = ENDED | {"runs": 4, "wall_s": 4 * HOUR_S + 10}
    write_ledger(ledger, job(**ended))
    made = of_month(ledger, "2026-10")
    assert made.totals.wall_s == 4 * HOUR_S + 10
    assert kinds(made) == {"evicted": HOUR_S + 10, "good": 3 * HOUR_S}
    assert made.use is not None
    # 14,410 s and 110 s of the minima that the residual's two runs lack, at 0.048.
    assert made.totals.compute_cost == Decimal("0.19")
    (evicted,) = (k for k in made.use.kinds if k.kind == "evicted")
    assert evicted.compute_cost + Decimal("0.14") == made.totals.compute_cost


def test_a_queue_date_that_was_edited_makes_no_second_job(tmp_path: Path) -> None:
    ledger = write_runs(tmp_path, EVICTED, LAST)
    write_ledger(ledger, job(**ENDED | {"queued_at": utc("2026-01-01")}))
    assert hours(ledger, "2026-09", "2026-10") == [2, 3]


def test_a_number_that_is_used_again_is_another_job(tmp_path: Path) -> None:
    """A schedd that lost its queue counts from 1 again."""
    again = run_row("2026-10-21 20:00", hours=1, queued_at=utc("2026-10-20"))
    ledger = write_runs(tmp_path, EVICTED, LAST, again)
    write_ledger(ledger, job(**ENDED))
    assert hours(ledger, "2026-09", "2026-10") == [2, 4]
    made = of_month(ledger, "2026-10")
    assert made.interval_source == {"runs": 2, "job": 0}


def test_the_end_of_a_month_between_job_and_run_doubles_nothing(tmp_path: Path) -> None:
    """The shadow writes its run down a second after the schedd ended the job."""
    ledger = write_runs(
        tmp_path,
        run_row("2026-09-29 20:00", hours=2),
        run_row("2026-10-01 00:00:02", hours=1, run=1),
    )
    ended = utc("2026-09-30 23:59:59")
    write_ledger(
        ledger,
        job(
            runs=2,
            wall_s=3 * HOUR_S,
            last_run_wall_s=HOUR_S,
            last_started_at=ended - dt.timedelta(hours=1, seconds=-3),
            ended_at=ended,
            network_outgoing_external_bytes=5,
        ),
    )
    assert hours(ledger, "2026-09", "2026-10") == [3, 0]
    months = [of_month(ledger, month) for month in ("2026-09", "2026-10")]
    assert [month.totals.network[1] for month in months] == [5, None]


def test_an_unbillable_job_with_runs_is_not_priced(tmp_path: Path) -> None:
    ledger = write_runs(tmp_path, EVICTED, LAST)
    write_ledger(
        ledger, job(**ENDED, billable=False, unbilled_reason="scheduler_universe")
    )
    made = of_month(ledger, "2026-09")
    assert made.totals.wall_s == 0
    assert made.unbilled[0].wall_s == 2 * HOUR_S


def test_a_real_pools_statement_is_the_same_with_and_without_its_runs(
    tmp_path: Path,
) -> None:
    """Minutes of one month: the same seconds, and now it is said of which runs."""
    epochs = shutil.copy(POOL / "epoch_history", tmp_path)
    config = demo_config()
    assert config != Config()
    made = []
    for number, sources in enumerate([(), (Path(epochs),)]):
        ledger = tmp_path / str(number)
        run_probe(
            ledger,
            "ap1",
            [POOL / "history"],
            config,
            now=dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
            epoch_histories=sources,
        )
        made.append(of_month(ledger, "2026-11"))
    assert made[0].lines == made[1].lines
    assert [m.interval_source for m in made] == [
        {"runs": 0, "job": 8},
        {"runs": 2, "job": 7},
    ]
    assert kinds(made[1])["evicted"] == 15
