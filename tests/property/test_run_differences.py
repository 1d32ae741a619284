"""What each run moved, against a plain loop over the runs of each job."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from poolmeter.ledger.run_differences import runs_between, with_differences
from poolmeter.ledger.tables import runs_schema
from poolmeter.record import NETWORK_COLUMNS
from poolmeter.run_record import NETWORK_SUM_COLUMNS
from tests.unit.runs_ledger import run_row, write_runs

_SUM = st.none() | st.integers(0, 9) | st.sampled_from([2**53 + 1, 2**63 - 1])
Run = tuple[int, int, int | None, int | None]
_RUNS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 5), _SUM, _SUM),
    max_size=14,
    unique_by=lambda run: run[:2],
)


def rows_of(
    runs: list[Run],
) -> list[dict[str, Any]]:
    """Return rows of jobs and their runs with two sums each."""
    return [
        run_row(
            cluster_id=cluster,
            run=number,
            network_outgoing_internal_sum_bytes=first,
            network_outgoing_external_sum_bytes=second,
        )
        for cluster, number, first, second in runs
    ]


def expected(rows: list[dict[str, Any]]) -> list[tuple[int | None, int | None, bool]]:
    """Return the two differences and ``spans_runs`` of each row, in the rows' order."""
    found: dict[tuple[int, int], tuple[int | None, int | None, bool]] = {}
    for row in rows:
        earlier = sorted(
            (other for other in rows if other["cluster_id"] == row["cluster_id"]),
            key=lambda other: other["run"],
        )
        moved = [_moved(row, earlier, name) for name in NETWORK_SUM_COLUMNS[:2]]
        found[row["cluster_id"], row["run"]] = (
            moved[0][0],
            moved[1][0],
            moved[0][1] or moved[1][1],
        )
    return [found[row["cluster_id"], row["run"]] for row in rows]


def _moved(
    row: dict[str, Any], runs: list[dict[str, Any]], name: str
) -> tuple[int | None, bool]:
    highest, good = 0, -1  # of the runs before; the number of the last sound count
    for other in runs:
        if other["run"] >= row["run"]:
            break
        if other[name] is not None and other[name] >= highest:
            highest, good = other[name], other["run"]
    if row[name] is None or row[name] < highest:
        return None, False
    return row[name] - highest, good != row["run"] - 1


@given(runs=_RUNS)
def test_a_run_moved_what_its_sum_is_above_the_highest_before_it(
    runs: list[Run],
) -> None:
    rows = rows_of(runs)
    table = with_differences(pa.Table.from_pylist(rows, runs_schema()))
    columns = [table[name].to_pylist() for name in (*NETWORK_COLUMNS[:2], "spans_runs")]
    assert expected(rows) == list(zip(*columns, strict=True))


@given(runs=_RUNS)
def test_what_the_runs_moved_is_their_highest_sum(
    runs: list[Run],
) -> None:
    rows = rows_of(runs)
    table = with_differences(pa.Table.from_pylist(rows, runs_schema()))
    moved = table[NETWORK_COLUMNS[0]].to_pylist()
    for cluster in {row["cluster_id"] for row in rows}:
        parts = [
            part
            for row, part in zip(rows, moved, strict=True)
            if row["cluster_id"] == cluster
        ]
        sums = [
            row[NETWORK_SUM_COLUMNS[0]] for row in rows if row["cluster_id"] == cluster
        ]
        known = [value for value in sums if value is not None]
        assert sum(part or 0 for part in parts) == max(known, default=0)


def test_a_month_knows_the_runs_of_the_months_before(tmp_path: Path) -> None:
    ends = ("2026-09-30 23:00", "2026-10-01 00:00", "2026-11-01 00:00")
    sums = (100, 130, 500)
    rows = [
        run_row(end, run=n, network_outgoing_external_sum_bytes=sums[n])
        for n, end in enumerate(ends)
    ]
    write_runs(tmp_path, *rows)
    october = dt.date(2026, 10, 1), dt.date(2026, 10, 31)
    (row,) = runs_between(tmp_path, *october).to_pylist()
    assert (row[NETWORK_COLUMNS[1]], row["spans_runs"]) == (30, False)
    assert runs_between(tmp_path, None, None).num_rows == 3
