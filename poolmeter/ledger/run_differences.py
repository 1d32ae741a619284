"""What each run moved: the differences of the sums that the table ``runs`` keeps.

The ad of a job counts on from run to run, so that a run's own bytes are its sum less
that of the run before.  Of a run without a count nothing is known, and the next
count stands for both: it ``spans_runs``.  A count that falls is nobody's measurement;
it is left out and the next one is held against the highest before it.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from poolmeter.ledger.layout import day_files
from poolmeter.ledger.scan import file_batches
from poolmeter.ledger.tables import runs_schema
from poolmeter.record import NETWORK_COLUMNS
from poolmeter.run_record import NETWORK_SUM_COLUMNS

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SPANS_RUNS = "spans_runs"

#: What a job's runs have in common; an owner who edits QDate makes two jobs of one.
_JOB = ("schedd", "cluster_id", "proc_id", "queued_at")
_NEEDED = (*_JOB, "run", *NETWORK_SUM_COLUMNS)
_UNKNOWN = -1


def runs_between(
    ledger: Path, first_day: dt.date | None, last_day: dt.date | None
) -> pa.Table:
    """Return the runs that ended from *first_day* to *last_day*, with differences.

    Runs of these jobs that ended earlier are looked at, too, and not returned.

    Raises:
        LedgerError: A file cannot be read.
    """
    wanted = _rows(ledger, runs_schema().names, first_day, last_day)
    later = pc.greater(wanted["run"], pa.scalar(0, pa.int32()))
    clusters = pc.unique(wanted.filter(later)["cluster_id"])
    if first_day is None or not len(clusters):
        return with_differences(wanted)
    before = _rows(ledger, _NEEDED, None, first_day - dt.timedelta(days=1))
    before = before.filter(pc.is_in(before["cluster_id"], value_set=clusters))
    both = pa.concat_tables([wanted, before], promote_options="default")
    return with_differences(both).slice(0, wanted.num_rows)


def with_differences(runs: pa.Table) -> pa.Table:
    """Return *runs*, in their order, with the network columns and ``spans_runs``.

    *runs* should hold all runs of each job: a run whose predecessor is not there is
    taken for one that spans both.
    """
    order, is_first, run = _by_job(runs)
    spans = np.zeros(runs.num_rows, dtype=bool)
    columns: dict[str, pa.Array[Any]] = {}
    pairs = zip(NETWORK_COLUMNS, NETWORK_SUM_COLUMNS, strict=True)
    for name, sum_name in pairs:
        sums = _as_numbers(runs[sum_name])[order]
        moved, spans_here = _differences(sums, is_first, run)
        spans |= _unsorted(spans_here, order)
        values = _unsorted(moved, order)
        columns[name] = pa.array(values, pa.int64(), mask=values == _UNKNOWN)
    columns[SPANS_RUNS] = pa.array(spans)
    for name, column in columns.items():
        runs = runs.append_column(name, column)
    return runs


def _rows(
    ledger: Path,
    columns: Sequence[str],
    first_day: dt.date | None,
    last_day: dt.date | None,
) -> pa.Table:
    schema = pa.schema([runs_schema().field(name) for name in columns])
    paths = day_files(ledger, "runs", first_day=first_day, last_day=last_day)
    batches = [
        batch.cast(schema) for path in paths for batch in file_batches(path, columns)
    ]
    return pa.Table.from_batches(batches, schema)


def _by_job(runs: pa.Table) -> tuple[Ints, Flags, Ints]:
    """Return the order by job and run, where a job begins in it, and run numbers."""
    keys = runs.select([*_JOB, "run"])
    order = pc.sort_indices(keys, [(name, "ascending") for name in (*_JOB, "run")])
    ordered = keys.take(order)
    is_first = np.zeros(runs.num_rows, dtype=bool)
    is_first[:1] = True
    for name in _JOB:
        codes = ordered[name].combine_chunks().dictionary_encode(null_encoding="encode")
        numbers = codes.indices.to_numpy()
        is_first[1:] |= numbers[1:] != numbers[:-1]
    return order.to_numpy(), is_first, _as_numbers(ordered["run"])


def _differences(sums: Ints, is_first: Flags, run: Ints) -> tuple[Ints, Flags]:
    """Return what each run moved, and whether that is more than one run's."""
    group = np.cumsum(is_first)
    highest = _highest_so_far(sums, group)
    base = np.where(is_first, 0, np.maximum(np.roll(highest, 1), 0))
    is_known = (sums >= 0) & (sums >= base)
    follows = ~is_first & (run == np.roll(run, 1) + 1) & np.roll(is_known, 1)
    moved = np.where(is_known, sums - base, _UNKNOWN)
    return moved, is_known & ~follows & (run > 0)


def _highest_so_far(values: Ints, group: npt.NDArray[Any]) -> Ints:
    """Return the highest of each group's values up to each place."""
    highest = values.copy()
    step = 1
    while step < len(highest):
        is_same = group[step:] == group[:-step]
        if not is_same.any():
            break
        before = np.where(is_same, highest[:-step], highest[step:])
        highest[step:] = np.maximum(highest[step:], before)
        step *= 2
    return highest


def _as_numbers(column: Any) -> Ints:  # noqa: ANN401 - Arrow's types know no chunks
    filled = pc.fill_null(column.cast(pa.int64()), _UNKNOWN)
    return np.asarray(filled.to_numpy(), dtype=np.int64)


def _unsorted(values: npt.NDArray[Any], order: Ints) -> npt.NDArray[Any]:
    """Return *values*, which are in *order*, in the rows' own order."""
    back = np.empty_like(values)
    back[order] = values
    return back
