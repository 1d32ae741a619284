"""Which rows of a day file are to be frozen, and the jobs in them."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolmeter.record import JobRecord, job_columns
from poolmeter.units import MS_PER_S
from probe.gratia.outbox import Box
from probe.gratia.register import (
    NAMES_SCHEMA,
    NOT_QUEUED,
    Name,
    names_of,
    registered_days,
)
from probe.gratia.reporting import Reporting

#: Rows that are held as Python objects at a time.
SLICE_ROWS = 1000

#: What a job is known by among those of its schedd.
KEY = ("cluster_id", "proc_id", "queued_ms")
_COLUMNS = (
    *("cluster_id", "proc_id", "queued_at"),
    *("revision", "ended_at", "unbilled_reason"),
    *("started_at", "runs", "shadow_starts"),
)
#: A scalar: for a plain number pyarrow would load pandas.
_NOT_QUEUED: Any = pa.scalar(NOT_QUEUED, pa.int64())
#: A job that held no slot at any time is no usage.
_NO_USAGE = "never_started"


@dataclasses.dataclass(frozen=True, slots=True)
class Unfrozen:
    """Rows of one file: their names, and their positions in the file.

    *is_all* tells that no further row of the file is to be frozen later.  *restarted*
    are the clusters of those that started more than once, *first_start* the first of
    their starts.
    """

    names: list[Name]
    positions: list[int]
    is_all: bool
    restarted: frozenset[int]
    first_start: dt.datetime | None


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Columns that no usage record is made of, and what stands for them.
_LEFT_OUT: dict[str, Any] = {
    "payloads": None,
    "network_other_bytes": None,
    "contradictions": (),
}
_PLAIN_COLUMNS = tuple(
    column.name for column in job_columns() if column.name not in _LEFT_OUT
)


def unfrozen(
    file: pq.ParquetFile,
    box: Box,
    day: dt.date,
    reporting: Reporting,
    *,
    now: dt.datetime,
) -> Unfrozen:
    """Return the rows of *file*, a day file of *day*, that are to be frozen now.

    A row that a correction has moved here from another day is known by the register
    of that day.

    Raises:
        LedgerError: The register cannot be read.
    """
    rows = _eligible(file, reporting.cutover)
    is_ripe = _ended_ms(rows) <= _unix_ms(now - reporting.delay)
    ripe = rows.filter(pa.array(is_ripe))
    fresh = _without(ripe, names_of(box, [day]))
    if (fresh["revision"].to_numpy() > 0).any():
        others = [other for other in registered_days(box) if other != day]
        fresh = _without(fresh, names_of(box, others))
    columns = [fresh[name].to_pylist() for name in NAMES_SCHEMA.names]
    again = fresh.filter(_has_restarted(fresh))
    starts = [start for start in again["started_at"].to_pylist() if start]
    return Unfrozen(
        names=list(zip(*columns, strict=True)),
        positions=fresh["position"].to_numpy().tolist(),
        is_all=ripe.num_rows == rows.num_rows,
        restarted=frozenset(again["cluster_id"].to_numpy().tolist()),
        first_start=min(starts, default=None),
    )


def _has_restarted(rows: pa.Table) -> Any:  # noqa: ANN401 - some Arrow array
    one = pa.scalar(1, pa.int32())
    return pc.or_kleene(
        pc.greater(rows["runs"], one), pc.greater(rows["shadow_starts"], one)
    )


def jobs_at(file: pq.ParquetFile, positions: list[int]) -> Iterator[JobRecord]:
    """Yield the jobs in the rows at *positions*, which are in order.

    What no usage record holds is left out of them: nested columns are slow to read.
    """
    wanted = np.array(positions, dtype=np.int64)
    first = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        here = wanted[(wanted >= first) & (wanted < first + rows)] - first
        first += rows
        if here.size:
            table = file.read_row_group(group, columns=list(_PLAIN_COLUMNS))
            table = table.take(pa.array(here.tolist(), pa.int64()))
            for start in range(0, table.num_rows, SLICE_ROWS):
                yield from _jobs(table.slice(start, SLICE_ROWS))


def _jobs(rows: pa.Table) -> Iterator[JobRecord]:
    columns = [_values(rows[name]) for name in _PLAIN_COLUMNS]
    for values in zip(*columns, strict=True):
        row = dict(zip(_PLAIN_COLUMNS, values, strict=True))
        if row["extra"] is not None:
            row["extra"] = dict(row["extra"])
        yield JobRecord(**_LEFT_OUT, **row)


def _values(column: "pa.ChunkedArray[Any]") -> list[Any]:
    """Return Python's values; of times, pyarrow's own way takes ten times as long."""
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()
    return [
        None if unix_ms is None else _EPOCH + dt.timedelta(milliseconds=unix_ms)
        for unix_ms in column.cast(pa.int64()).to_pylist()
    ]


def _eligible(file: pq.ParquetFile, cutover: dt.datetime) -> pa.Table:
    """Return name, end and position of the rows that are reported at any time."""
    rows = keyed(file.read(columns=list(_COLUMNS)))
    rows = rows.append_column("position", pa.array(np.arange(rows.num_rows)))
    is_unused = pc.is_in(rows["unbilled_reason"], value_set=pa.array([_NO_USAGE]))
    is_ours = _ended_ms(rows) >= _unix_ms(cutover)
    return rows.filter(pa.array(~is_unused.to_numpy() & is_ours))


def keyed(rows: pa.Table) -> pa.Table:
    """Return *rows* with the column ``queued_ms``, which is never null."""
    queued_ms = rows["queued_at"].combine_chunks().cast(pa.int64())
    return rows.append_column("queued_ms", queued_ms.fill_null(_NOT_QUEUED))


def _ended_ms(rows: pa.Table) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return rows["ended_at"].cast(pa.int64()).to_numpy()


def _unix_ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * MS_PER_S)


def _without(rows: pa.Table, names: pa.Table) -> pa.Table:
    """Return *rows* but for those whose names are among *names*, in order."""
    if not names.num_rows:
        return rows
    kept = rows.select([*KEY, "position"]).join(
        names.select(list(KEY)), keys=list(KEY), join_type="left anti"
    )
    positions = kept["position"].combine_chunks()
    return rows.filter(pc.is_in(rows["position"], value_set=positions))
