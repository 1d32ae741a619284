"""Whatever the jobs: every way to divide a month gives the same totals."""

import datetime as dt
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from poolmeter.record import NETWORK_COLUMNS
from reports.price_book_file import PriceBook
from reports.statement import statement
from reports.statement_data import By, Statement
from tests.unit.reports_ledger import GIB, book, job, utc, write_ledger

_WAYS: tuple[By, ...] = ("vo", "owner", "payload-user")
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
        assert result.reconciliation.difference == 0


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
