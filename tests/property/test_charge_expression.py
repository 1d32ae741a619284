"""The engine's closed form against the definition, job by job, garbage included."""

import datetime as dt
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from poolmeter.record import NETWORK_COLUMNS
from reports import charge_expression
from reports.charge_sums import flags_of
from reports.duckdb_engine import DuckDBEngine
from reports.months import Month
from reports.price_periods import PricePeriod, price_periods
from tests.conftest import is_soak
from tests.property.charge_oracle import charges_of
from tests.unit.reports_ledger import book, job, table, utc

_MONTH = Month(2026, 10)
_RATE = 'rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]'
_TWO_RATES = (
    'rates = [{ from = 2020-01-01, to = 2026-10-15, per_hour = "0.096", source = "s" },'
    ' { from = 2026-10-15, per_hour = "0.2", source = "s" }]'
)
_HOURLY = (
    ("increment_s = 1\n", "increment_s = 3600\n"),
    ("minimum_s = 60", "minimum_s = 7"),
)
BOOKS = {
    "one period": book(),
    "by the hour": book(*_HOURLY, (_RATE, _TWO_RATES)),
}
_READ = ("owner", "flags", *charge_expression.SUMS, "billed_s")

_EDGES = (_MONTH.start_s, _MONTH.start_s + 14 * 86_400, _MONTH.end_s)
_NEAR = st.builds(
    lambda edge, off_s: utc("1970-01-01") + dt.timedelta(seconds=edge + off_s),
    st.sampled_from(_EDGES),
    st.integers(-100, 100) | st.integers(-40 * 86_400, 40 * 86_400),
)
_FAR = st.datetimes(
    dt.datetime(1, 1, 2),  # noqa: DTZ001
    dt.datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
_MS = st.builds(
    lambda at, ms: at + dt.timedelta(milliseconds=ms), _NEAR, st.integers(0, 999)
)
_TIMES = _NEAR | _MS | _FAR
_SECONDS = (
    st.integers(0, 200)
    | st.integers(0, 40 * 86_400)
    | st.sampled_from([0, 1, 59, 60, 61, 3600, 2**31, 2**53 + 1, 2**61, 2**62])
)
_COUNT = st.none() | st.integers(0, 2**40) | st.sampled_from([2**53 + 1, 2**63 - 1])


@st.composite
def garbage_jobs(draw: st.DrawFn) -> dict[str, Any]:
    return job(
        ended_at=draw(_NEAR | _TIMES),
        last_started_at=draw(st.none() | _TIMES),
        wall_s=draw(st.none() | _SECONDS | st.just(-1)),
        last_run_wall_s=draw(st.none() | _SECONDS | st.just(-(2**63))),
        runs=draw(st.integers(0, 5) | st.sampled_from([-3, 2**31 - 1])),
        core_ms=draw(_COUNT),
        cpu_user_ms=draw(_COUNT),
        cpu_system_ms=draw(_COUNT),
        gpus=draw(st.none() | st.integers(-1, 8)),
        **{name: draw(_COUNT) for name in NETWORK_COLUMNS[:2]},
    )


@pytest.mark.parametrize("prices", BOOKS)
@settings(max_examples=200 if is_soak() else 12)
@given(jobs=st.lists(garbage_jobs(), min_size=8, max_size=40))
def test_every_job_is_charged_as_the_definition_says(
    prices: str, jobs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    periods = price_periods(BOOKS[prices].terms, _MONTH)
    rows = [row | {"owner": str(number)} for number, row in enumerate(jobs)]
    path = tmp_path_factory.mktemp("ledger") / "jobs.parquet"
    pq.write_table(table(*rows), path)

    charged = _charged(path, periods)

    for number, row in enumerate(jobs):
        expected = charges_of(row, periods)
        assert expected == charged.get(str(number), {}), row


def _charged(
    path: Path, periods: list[PricePeriod]
) -> dict[str, dict[int, dict[str, int | None]]]:
    """Return the numbers by the owner's name, then by the period."""
    jobs, shapes = charge_expression.jobs_table(), charge_expression.shapes_table()
    engine = DuckDBEngine([path])
    engine.set_shapes([])
    found: dict[str, dict[int, dict[str, int | None]]] = {}
    for index, period in enumerate(periods):
        made = charge_expression.charges(jobs, shapes, period, _MONTH.start_s)
        for owner, flags, *values in engine.rows(made.select(*_READ)):
            of_job = found.setdefault(owner, {})
            assert index not in of_job
            numbers: dict[str, int | None] = dict(zip(_READ[2:], values, strict=True))
            of_job[index] = _numbers(flags_of(flags), numbers)
    engine.close()
    return found


def _numbers(
    flags: frozenset[str], numbers: dict[str, int | None]
) -> dict[str, int | None]:
    """Return the numbers of one charge as the definition names them."""
    if "at_end" not in flags:
        numbers |= dict.fromkeys(NETWORK_COLUMNS)
    return numbers | {
        "jobs": int("is_job" in flags),
        "jobs_charged": int("is_first" in flags),
        "jobs_network": int("at_end" in flags),
        "core_ms_with_cpu": numbers["core_ms"] if "cpu_known" in flags else None,
    }
