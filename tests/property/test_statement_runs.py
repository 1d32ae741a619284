"""Statements of ledgers with runs: every second once, and our own sums agree."""

import datetime as dt
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
from hypothesis import given, settings

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_intervals import JobTimes, charge_intervals, overlap_s
from reports.facts import read_facts
from reports.month_sums import charge_sums
from reports.months import Month, parse_month
from reports.question import Pricing, ask
from reports.statement import statement
from reports.statement_data import By
from tests.conftest import is_soak
from tests.property.test_statement_sums import _check_use, _jobs
from tests.unit.reports_ledger import book, utc, write_ledger
from tests.unit.runs_ledger import run_row, write_runs

_WAYS: tuple[By, ...] = get_args(By)
_MONTHS = ("2026-07", "2026-08", "2026-09", "2026-10", "2026-11", "2026-12")
_START = utc("2026-09-01")
#: What takes half of the cheapest type.
_HALF = {"cpus_milli": 1000, "billable": True, "unbilled_reason": None, "gpus": 0}
_COUNT = st.none() | st.integers(0, 10**6)


@st.composite
def _runs(draw: st.DrawFn, jobs: int) -> list[dict[str, Any]]:
    """Draw runs of some of so many jobs, and of others that are still queued."""
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for _ in range(draw(st.integers(0, 8))):
        number = draw(st.integers(0, jobs + 2))
        run = draw(st.integers(0, 3))
        start = _START + dt.timedelta(seconds=draw(st.integers(0, 70 * 86_400)))
        wall_s = draw(st.integers(0, 10**6))
        rows[number, run] = run_row(
            proc_id=number,
            run=run,
            started_at=start,
            ended_at=start + dt.timedelta(seconds=wall_s),
            wall_s=wall_s,
            ending=draw(st.sampled_from(["exited", "evicted", "held", "lost"])),
            vo=draw(st.sampled_from(["cms", "atlas"])),
            owner=draw(st.sampled_from(["ann", "bob", None])),
            cpus_milli=draw(st.sampled_from([None, 500, 1000, 9000])),
            memory_provisioned_bytes=draw(st.none() | st.integers(0, 2**33)),
            network_outgoing_external_sum_bytes=draw(_COUNT),
            network_incoming_external_sum_bytes=draw(_COUNT),
        )
    return list(rows.values())


_LEDGERS = st.lists(_jobs(), min_size=1, max_size=6).flatmap(
    lambda jobs: st.tuples(st.just(jobs), _runs(len(jobs)))
)
_Ledger = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _written(folder: str, made: _Ledger) -> Path:
    ledger = write_ledger(Path(folder), *made[0])
    return write_runs(ledger, *made[1]) if made[1] else ledger


@settings(max_examples=60 if is_soak() else 5, deadline=None)
@given(made=_LEDGERS)
def test_every_way_to_divide_a_month_agrees_with_the_ledger(made: _Ledger) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = _written(folder, made)
        for by in _WAYS:
            result = statement(ledger, "2026-10", by=by, book=book())
            assert result.difference == 0
            _check_use(result)


@settings(max_examples=60 if is_soak() else 3, deadline=None)
@given(made=_LEDGERS)
def test_the_months_lose_no_second_and_no_byte_and_double_none(made: _Ledger) -> None:
    """Jobs are charged their wall time, runs of queued jobs theirs."""
    jobs, runs = made
    with tempfile.TemporaryDirectory() as folder:
        ledger = _written(folder, made)
        months = [statement(ledger, month, book=book()) for month in _MONTHS]
        sums = [_billed(ledger, month) for month in _MONTHS]

    def found(name: str) -> int:
        told = [month.reconciliation for month in months]
        sides = [(r.priced, r.unbilled, r.unpriced) for r in told]
        return sum(side[name] for of_month in sides for side in of_month)

    timely = [job for job in jobs if (job["wall_s"] or 0) < 10**7]
    queued = [run for run in runs if run["proc_id"] >= len(jobs)]
    assert found("jobs") == len(jobs)
    if timely == jobs:
        wall_s = sum(max(job["wall_s"] or 0, 0) for job in jobs)
        assert found("wall_s") == wall_s + sum(run["wall_s"] for run in queued)
    for name in NETWORK_COLUMNS[1], NETWORK_COLUMNS[4]:
        known = sum(job[name] or 0 for job in jobs)
        assert found(name) >= known
    assert all(by_lines == by_use for by_lines, by_use in sums)


@settings(max_examples=60 if is_soak() else 5, deadline=None)
@given(made=_LEDGERS)
def test_the_engine_charges_each_job_by_its_intervals(made: _Ledger) -> None:
    """Seconds and billed seconds of each month, as the definition has them."""
    jobs = [
        row | {"owner": str(number), "memory_provisioned_bytes": None, **_HALF}
        for number, row in enumerate(made[0])
    ]
    runs = [row for row in made[1] if row["proc_id"] < len(jobs)]
    expected = {
        (month, number): _expected(row, _of(runs, number), parse_month(month))
        for month in _MONTHS
        for number, row in enumerate(jobs)
    }
    with tempfile.TemporaryDirectory() as folder:
        ledger = _written(folder, (jobs, runs))
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for month in _MONTHS:
            question = ask(ledger, month, Pricing(book=book()), "vo", None)
            (half,) = {
                kind.share_denominator // 2
                for kind in question.periods[0].types
                if kind.name == "c5.large"
            }
            for charge in charge_sums(question):
                key = (month, int(charge.owner or -1))
                wall_s, billed_s = found.get(key, (0, 0))
                share = (charge.billed_share_s or 0) // half
                found[key] = (wall_s + charge.wall_s, billed_s + share)
    assert {key: value for key, value in found.items() if any(value)} == {
        key: value for key, value in expected.items() if any(value)
    }


def _of(runs: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Return the runs of one job."""
    return [run for run in runs if run["proc_id"] == number]


def _expected(
    row: dict[str, Any], runs: list[dict[str, Any]], month: Month
) -> tuple[int, int]:
    """Return seconds and billed seconds of a job in *month*, by the definition."""
    if row["wall_s"] is None or row["wall_s"] < 0:
        return 0, 0
    known = [
        (int(run["started_at"].timestamp()), int(run["ended_at"].timestamp()))
        for run in runs
    ]
    started = row["last_started_at"]
    times = JobTimes(
        int(row["ended_at"].timestamp()),
        None if started is None else int(started.timestamp()),
        row["wall_s"],
        row["last_run_wall_s"],
        row["runs"],
    )
    wall_s = billed_s = 0
    for part in charge_intervals(times, known):
        inside = overlap_s(part.start_s, part.end_s, month.start_s, month.end_s)
        wall_s += inside
        billed_s += inside
        if month.start_s <= part.start_s < month.end_s:
            length_s = part.end_s - part.start_s
            billed_s += max(0, 60 * part.runs - length_s)
    return wall_s, billed_s


def _billed(ledger: Path, month: str) -> tuple[Fraction, Fraction]:
    """Return the billed seconds x shares by the engine's sums and by those of use."""
    question = ask(ledger, month, Pricing(book=book()), "vo", None)
    priced = [c for c in charge_sums(question) if c.instance_type]
    use = read_facts(question).use.use
    by_lines = sum((Fraction(c.billed_share_s or 0) for c in priced), Fraction(0))
    return by_lines, sum((Fraction(u.billed_share_s) for u in use), Fraction(0))
