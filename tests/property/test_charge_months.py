"""Dividing jobs among months loses nothing and doubles nothing."""

import datetime as dt
from typing import Any

import hypothesis.strategies as st
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_sums import sum_charges
from reports.engine import engine_over
from reports.months import Month
from reports.price_periods import price_periods
from tests.conftest import is_soak
from tests.unit.reports_ledger import book, job, table, utc

_ONE_RATE = 'rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]'
_TWO_RATES = (
    'rates = [{ from = 2020-01-01, to = 2026-10-15, per_hour = "0.096", source = "s" },'
    ' { from = 2026-10-15, per_hour = "0.2", source = "s" }]'
)
_MONTHS = [Month(2026, month) for month in range(7, 13)]
_FIRST, _LAST = utc("2026-10-01"), utc("2026-12-31 23:59:59")
_TIMES = st.datetimes(
    _FIRST.replace(tzinfo=None), _LAST.replace(tzinfo=None), timezones=st.just(dt.UTC)
)
_COUNT = st.none() | st.integers(0, 2**40)


@st.composite
def _jobs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a job that held its slot between July and December 2026."""
    wall_s = draw(st.integers(0, 40 * 86_400))
    return job(
        ended_at=draw(_TIMES),
        last_started_at=draw(st.none() | _TIMES),
        wall_s=wall_s,
        last_run_wall_s=draw(st.none() | st.integers(0, wall_s)),
        runs=draw(st.integers(0, 3)),
        core_ms=draw(_COUNT),
        cpu_user_ms=draw(_COUNT),
        gpus=draw(st.none() | st.integers(0, 2)),
        **{name: draw(_COUNT) for name in NETWORK_COLUMNS},
    )


@settings(max_examples=25 if is_soak() else 8)
@given(jobs=st.lists(_jobs(), min_size=1, max_size=8))
def test_the_months_add_up_to_the_jobs(
    jobs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With a change of rates inside one of the months."""
    path = tmp_path_factory.mktemp("ledger") / "jobs.parquet"
    pq.write_table(table(*jobs), path)
    terms = book((_ONE_RATE, _TWO_RATES)).terms
    with engine_over("duckdb", [path]) as engine:
        charges = [
            charge
            for month in _MONTHS
            for charge in sum_charges(engine, month, price_periods(terms, month), 1)
        ]

    def charged(name: str) -> int:
        return sum(getattr(charge, name) or 0 for charge in charges)

    def held(name: str) -> int:
        return sum(row[name] or 0 for row in jobs)

    assert charged("jobs") == charged("jobs_network") == len(jobs)
    assert charged("wall_s") == held("wall_s")
    assert charged("core_ms") == held("core_ms")
    assert charged("cpu_ms") == held("cpu_user_ms")
    assert charged("gpu_s") == sum(row["wall_s"] * (row["gpus"] or 0) for row in jobs)
    for index, name in enumerate(NETWORK_COLUMNS):
        assert sum(charge.network[index] or 0 for charge in charges) == held(name)
