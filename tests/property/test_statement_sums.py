"""Whatever the jobs: every way to divide a month gives the same totals."""

import dataclasses
import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
import pyarrow as pa
from hypothesis import given, settings

from poolmeter.ledger.merge import merge_jobs
from poolmeter.record import NETWORK_COLUMNS
from reports.facts import read_facts
from reports.month_sums import charge_sums
from reports.price_book_file import PriceBook
from reports.question import Pricing, ask
from reports.statement import statement
from reports.statement_data import By, Line, Statement
from tests.unit.reports_ledger import GIB, book, job, table, utc, write_ledger

_WAYS: tuple[By, ...] = get_args(By)
_MONTHS = ("2026-08", "2026-09", "2026-10", "2026-11", "2026-12")
_NAMES = st.sampled_from(["ann", "bob", "cid", "dan", None])
_COUNT = st.none() | st.integers(0, 10**16)


@st.composite
def _jobs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a job around October 2026, sometimes without price, sometimes garbage."""
    is_billable = draw(st.booleans() | st.just(value=True))
    ended_after = dt.timedelta(seconds=draw(st.integers(0, 70 * 86_400)))
    return job(
        owner=draw(_NAMES),
        payload_user=draw(_NAMES),
        project=draw(_NAMES),
        execute_site=draw(st.sampled_from(["t2", "elsewhere", None])),
        execute_pool=draw(st.sampled_from(["osg", None, None])),
        last_remote_host=draw(st.sampled_from(["n1", None])),
        job_status=draw(st.sampled_from(["completed", "removed"])),
        exit_code=draw(st.sampled_from([None, 0, 1])),
        exit_signal=draw(st.sampled_from([None, None, 9])),
        holds=draw(st.sampled_from([None, 0, 2])),
        hold_reason_code=draw(st.sampled_from([None, None, 34])),
        hold_reason=draw(_NAMES),
        gpus=draw(st.sampled_from([None, 0, -1])),
        memory_peak_bytes=draw(_COUNT),
        benchmark_scaling=draw(st.none() | st.floats(allow_infinity=True)),
        vo=draw(st.sampled_from(["cms", "atlas", "unknown", "ann"])),
        site=draw(st.sampled_from(["t2", "t3", None])),
        ended_at=utc("2026-09-20") + ended_after,
        last_started_at=draw(st.none() | st.just(utc("2026-10-01 12:00:00"))),
        wall_s=draw(st.none() | st.integers(-1, 10**6) | st.just(10**18)),
        last_run_wall_s=draw(st.none() | st.integers(0, 10**6)),
        runs=draw(st.integers(0, 4)),
        billable=is_billable,
        unbilled_reason=None if is_billable else "universe 7",
        cpus_milli=draw(st.sampled_from([None, 500, 1000, 2000, 9000])),
        memory_provisioned_bytes=draw(st.none() | st.integers(0, 9 * GIB)),
        core_ms=draw(_COUNT),
        cpu_user_ms=draw(_COUNT),
        network_trust=draw(st.sampled_from(["signed", "partial", "missing"])),
        **{name: draw(_COUNT) for name in NETWORK_COLUMNS},
    )


def _statements(jobs: list[dict[str, Any]], prices: PriceBook) -> dict[By, Statement]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = write_ledger(Path(folder), *jobs)
        return {by: statement(ledger, "2026-10", by=by, book=prices) for by in _WAYS}


def _sums(result: Statement) -> Mapping[str, Any]:
    """Return the sums over the lines as they are printed."""
    lines = [line.to_json() for line in result.lines]
    return {
        name: sum((Decimal(line[name] or 0) for line in lines), Decimal(0))
        for name in result.totals.to_json()
        if name != "key"
    }


@settings(max_examples=15, deadline=None)
@given(
    jobs=st.lists(_jobs(), min_size=1, max_size=12),
    scope=st.sampled_from(["payer", "pool", "site"]),
)
def test_sums_over_owners_are_sums_over_vos_are_the_totals(
    jobs: list[dict[str, Any]], scope: str
) -> None:
    """To the second, the byte and the cent; and the ledger's own count agrees."""
    results = _statements(jobs, book(('scope = "payer"', f'scope = "{scope}"')))

    totals = [result.totals for result in results.values()]
    assert totals[0] == totals[1] == totals[2]
    printed = {k: Decimal(v or 0) for k, v in totals[0].to_json().items() if k != "key"}
    for result in results.values():
        assert _sums(result) == printed
        assert result.difference == 0
        _check_use(result)


def _check_use(result: Statement) -> None:
    """Kinds add up to the totals, blocks to the lines: second, byte and cent."""
    use, totals = result.use, result.totals
    assert use is not None
    assert sum(kind.wall_s for kind in use.kinds) == totals.wall_s
    assert sum(kind.gpu_s for kind in use.kinds) == totals.gpu_s
    assert sum((k.compute_cost for k in use.kinds), Decimal(0)) == totals.compute_cost
    assert use.waste.wall_s <= totals.wall_s
    together: dict[str, Line] = {}
    for line in (line for block in use.blocks for line in block.lines):
        known = together.get(line.key)
        together[line.key] = line if known is None else known + line
    assert {key: _without_cpu(line) for key, line in together.items()} == {
        line.key: _without_cpu(line) for line in result.lines
    }


def _without_cpu(line: Line) -> Line:
    """Return *line* as a block tells it."""
    return dataclasses.replace(line, cpu_s=None, core_s_with_cpu=None)


_TIMELY = st.builds(
    lambda row, hours: row
    | {"wall_s": hours * 3600, "last_run_wall_s": hours * 1800, "gpus": 0,
       "last_started_at": None},
    _jobs(),
    st.integers(0, 24 * 20),
)  # fmt: skip


@settings(max_examples=8)
@given(
    mine=st.lists(_jobs(), min_size=1, max_size=8),
    theirs=st.lists(_jobs(), min_size=1, max_size=8),
)
def test_the_sums_of_a_merged_ledger_are_the_merged_sums(
    mine: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> None:
    """Two schedds' files in one ledger, and each alone."""
    with tempfile.TemporaryDirectory() as folder:
        one = write_ledger(Path(folder) / "one", *mine)
        other = write_ledger(Path(folder) / "other", *theirs)
        both = write_ledger(Path(folder) / "both", *mine)
        merge_jobs(both, "ap2", _of_schedd(theirs, "ap2"))
        lines = [_integers(ledger) for ledger in (one, other, both)]

    assert lines[0] + lines[1] == lines[2]


def _of_schedd(rows: list[dict[str, Any]], schedd: str) -> pa.Table:
    return table(*(row | {"schedd": schedd} for row in rows))


def _integers(ledger: Path) -> Counter[tuple[str, str]]:
    """Return every whole number of the lines and kinds that is a plain sum."""
    made = statement(ledger, "2026-10", by="owner", book=book())
    assert made.use is not None
    sums: Counter[tuple[str, str]] = Counter()
    for line in made.lines:
        values = {"jobs": line.jobs, "wall_s": line.wall_s, "gpu_s": line.gpu_s}
        values |= {
            name: count or 0
            for name, count in zip(NETWORK_COLUMNS, line.network, strict=True)
        }
        sums.update({(line.key, name): value for name, value in values.items()})
    for kind in made.use.kinds:
        sums[kind.kind, "wall_s"] += kind.wall_s
        sums[kind.kind, "jobs"] += kind.jobs
    return Counter({name: value for name, value in sums.items() if value})


@settings(max_examples=5)
@given(jobs=st.lists(_TIMELY, min_size=1, max_size=8))
def test_the_months_of_a_statement_lose_no_second_and_no_cent(
    jobs: list[dict[str, Any]],
) -> None:
    """The months together are the jobs, and cost what they cost before rounding."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = write_ledger(Path(folder), *jobs)
        months = [statement(ledger, month, book=book()) for month in _MONTHS]
        costs = [_exact_costs(ledger, month) for month in _MONTHS]

    def found(name: str) -> int:
        told = [month.reconciliation for month in months]
        sides = [(r.priced, r.unbilled, r.unpriced) for r in told]
        return sum(side[name] for of_month in sides for side in of_month)

    assert found("jobs") == len(jobs)
    assert found("wall_s") == sum(job["wall_s"] for job in jobs)
    for name in NETWORK_COLUMNS:
        assert found(name) == sum(job[name] or 0 for job in jobs)
    exact = sum((_exact_cost(job) for job in jobs), Fraction(0))
    assert sum(by_lines for by_lines, _ in costs) == exact
    assert sum(by_use for _, by_use in costs) == exact
    assert all(by_lines == by_use for by_lines, by_use in costs)


def _exact_costs(ledger: Path, month: str) -> tuple[Fraction, Fraction]:
    """Return the unrounded compute cost by the engine's sums and by those of use."""
    question = ask(ledger, month, Pricing(book=book()), "vo", None)
    (period,) = question.periods
    rates = {
        kind.name: kind.per_hour / (3600 * kind.share_denominator)
        for kind in period.types
    }
    charges = charge_sums(question)
    use = read_facts(question).use.use
    by_lines = [
        (c.billed_share_s or 0) * rates[c.instance_type]
        for c in charges
        if c.instance_type
    ]
    by_use = [u.billed_share_s * rates[u.instance_type] for u in use]
    return sum(by_lines, Fraction(0)), sum(by_use, Fraction(0))


def _exact_cost(row: dict[str, Any]) -> Fraction:
    """Return what a job costs by the rule in words, once the minimum for each run."""
    memory = row["memory_provisioned_bytes"]
    if not row["billable"] or row["cpus_milli"] in (None, 9000):
        return Fraction(0)
    prices = []
    for gib, rate in ((4, "0.085"), (8, "0.096"), (16, "0.126")):
        share = max(Fraction(row["cpus_milli"], 2000), Fraction(memory or 0, gib * GIB))
        if share <= 1:
            prices.append(share * Fraction(rate))
    runs = row["runs"]
    if row["wall_s"] == 0 and runs == 0:
        return Fraction(0)
    last = row["last_run_wall_s"] if runs > 1 else row["wall_s"]
    billed = max(last, 60)
    if runs > 1:
        billed += max(row["wall_s"] - last, 60 * (runs - 1))
    return Fraction(billed, 3600) * min(prices)


@settings(max_examples=8, deadline=None)
@given(jobs=st.lists(_jobs(), min_size=1, max_size=12))
def test_the_statements_of_single_vos_are_the_statement_of_all(
    jobs: list[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = write_ledger(Path(folder), *jobs)
        of_all = statement(ledger, "2026-10", book=book())
        for line in of_all.lines:
            alone = statement(ledger, "2026-10", vo=line.key, book=book())
            assert alone.lines == (line,)
            assert alone.reconciliation.difference == 0
