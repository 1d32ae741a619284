"""Intervals of jobs with known runs, by SQL, against the definition in Python."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from poolmeter.ledger.merge import merge_jobs
from poolmeter.ledger.schema import jobs_schema
from reports.charge_intervals import Interval, JobTimes, charge_intervals
from reports.known_runs import charged_files
from reports.months import Month
from tests.conftest import is_soak
from tests.unit.reports_ledger import job, utc
from tests.unit.runs_ledger import run_row, write_runs

_MONTH = Month(2026, 10)
_START_S = int(utc("2026-10-10").timestamp())
_LIFE_S = 50_000

_AT_S = st.integers(0, _LIFE_S)
_LENGTH_S = st.integers(0, 200) | st.integers(0, _LIFE_S)
_RUN = st.tuples(_AT_S, _LENGTH_S)


def _moment(second: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(_START_S + second, dt.UTC)


@st.composite
def _jobs(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw a job with its runs; often honest ones, sometimes not."""
    runs = draw(st.lists(_RUN, max_size=4))
    if draw(st.booleans()):
        runs = _in_turn(runs)
    last = runs[-1] if runs else None
    numbers = draw(st.permutations(range(len(runs) + 2)))[: len(runs)]
    wall_s = sum(length for _, length in runs) + draw(st.integers(-3, 3))
    honest = draw(st.booleans())
    row = job(
        ended_at=_moment(draw(_AT_S) if not (honest and last) else sum(last)),
        last_started_at=draw(st.none() | st.builds(_moment, _AT_S))
        if not (honest and last)
        else _moment(last[0]),
        wall_s=draw(st.none() | _LENGTH_S | st.just(2**62))
        if not honest
        else max(0, wall_s),
        last_run_wall_s=draw(st.none() | _LENGTH_S | st.just(-1)),
        runs=draw(st.integers(-1, 6)) if not honest else len(runs),
        core_ms=draw(st.none() | st.integers(0, 10**9)),
        cpu_user_ms=draw(st.none() | st.integers(0, 10**9)),
        network_outgoing_external_bytes=draw(st.none() | st.integers(0, 1000)),
    )
    rows = [
        run_row(
            run=number,
            started_at=_moment(start),
            ended_at=_moment(start + length),
            wall_s=length,
            network_outgoing_external_sum_bytes=draw(st.none() | st.integers(0, 1000)),
        )
        for number, (start, length) in zip(numbers, runs, strict=True)
    ]
    return row, rows


def _in_turn(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return runs of the same lengths, one after the other."""
    found, at = [], 0
    for pause, length in runs:
        found.append((at + pause % 100, length))
        at = sum(found[-1])
    return found


def _expected(row: dict[str, Any], runs: list[dict[str, Any]]) -> list[Interval] | None:
    """Return what the definition says; ``None`` where the row itself is enough."""
    if row["wall_s"] is None or not runs:
        return None
    started = row["last_started_at"]
    times = JobTimes(
        int(row["ended_at"].timestamp()),
        None if started is None else int(started.timestamp()),
        row["wall_s"],
        row["last_run_wall_s"],
        row["runs"],
    )
    known = [
        (int(run["started_at"].timestamp()), int(run["ended_at"].timestamp()))
        for run in runs
    ]
    found = charge_intervals(times, known)
    return None if found == charge_intervals(times) else found


@pytest.mark.filterwarnings("error")
@settings(max_examples=150 if is_soak() else 12)
@given(drawn=st.lists(_jobs(), min_size=6, max_size=30))
def test_the_intervals_are_those_of_the_definition(
    drawn: list[tuple[dict[str, Any], list[dict[str, Any]]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    ledger = tmp_path_factory.mktemp("ledger")
    jobs = [row | {"cluster_id": number} for number, (row, _) in enumerate(drawn)]
    runs = [
        run | {"cluster_id": number}
        for number, (_, of_job) in enumerate(drawn)
        for run in of_job
    ]
    merge_jobs(ledger, "ap1", pa.Table.from_pylist(jobs, jobs_schema()))
    write_runs(ledger, *runs)
    found = _intervals(ledger)
    for number, row in enumerate(jobs):
        rows = found.get(number)
        expected = _expected(row, drawn[number][1])
        if rows is None:
            assert expected is None, (row, drawn[number][1])
            continue
        made = [
            Interval(
                r["interval_end_s"] - r["wall_s"],
                r["interval_end_s"],
                "residual" if r["interval_kind"] == "residual" else "run",
                r["interval_runs"],
            )
            for r in rows
        ]
        assert expected in (made, None), (row, drawn[number][1])
        _assert_nothing_is_lost(row, rows)


def _assert_nothing_is_lost(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    assert sum(r["wall_s"] for r in rows) == row["wall_s"]
    assert [r["interval_is_last"] for r in rows] == [False] * (len(rows) - 1) + [True]
    for name in ("core_ms", "cpu_user_ms", "network_outgoing_external_bytes"):
        if row[name] is None and name != "network_outgoing_external_bytes":
            assert {r[name] for r in rows} == {None}, name
        if row[name] is None:
            known = [r[name] is not None for r in rows]
            assert all(known) or not any(known), name
        else:
            assert all(r[name] >= 0 for r in rows), name
            assert sum(r[name] for r in rows) == row[name], name


def _intervals(ledger: Path) -> dict[int, list[dict[str, Any]]]:
    """Return the interval rows of each job, in their order."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    with charged_files(ledger, _MONTH) as charged:
        if charged.intervals is None or charged.replaced is None:
            return {}
        rows = pq.read_table(charged.intervals).to_pylist()
        replaced = pq.read_table(charged.replaced, columns=["cluster_id"])
    for row in sorted(rows, key=lambda row: row["interval_place"]):
        found[row["cluster_id"]].append(row)
    numbers: Any = replaced["cluster_id"].to_pylist()
    assert sorted(found) == sorted(numbers)
    return found
