"""Insert rows into day files: a key that is already there keeps its row.

A day file is rewritten at most once for a call, row group by row group, so that
memory follows the new rows and one row group, not the file.  Inserting the same
rows again changes nothing: that makes a run that is repeated after a crash safe.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolmeter.durable import make_folder, replacing
from poolmeter.ledger.layout import day_file, day_lock
from poolmeter.ledger.schema import (
    ROW_GROUP_ROWS,
    check_mark,
    marked,
    writer_options,
)
from poolmeter.ledger.tables import JOBS, MergedTable
from poolmeter.locks import locked

#: A row's key, with times as numbers.
Key = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class MergeResult:
    """What an insertion did with its rows: every row is in exactly one count."""

    inserted: int = 0
    repeated: int = 0
    conflicts: tuple[str, ...] = ()

    def __add__(self, other: "MergeResult") -> "MergeResult":
        """Return the result of both insertions."""
        return MergeResult(
            self.inserted + other.inserted,
            self.repeated + other.repeated,
            self.conflicts + other.conflicts,
        )


def merge_jobs(
    ledger: Path, schedd: str, rows: pa.Table, table: MergedTable = JOBS
) -> MergeResult:
    """Insert *rows* of any days into *schedd*'s files.

    Raises:
        LedgerError: A file cannot be written, is locked, or is not *schedd*'s.
    """
    days = pc.cast(pc.floor_temporal(rows["ended_at"], unit="day"), pa.date32())
    result = MergeResult()
    for day in sorted(day for day in pc.unique(days).to_pylist() if day):
        of_day = rows.filter(pc.equal(days, pa.scalar(day, pa.date32())))
        result += merge_day(ledger, schedd, day, of_day, table)
    return result


def merge_day(
    ledger: Path,
    schedd: str,
    day: dt.date,
    rows: pa.Table,
    table: MergedTable = JOBS,
) -> MergeResult:
    """Insert *rows*, which all ended on *day*, into *schedd*'s file of that day.

    A row whose key stands in that file or in a neighbouring day's is left out:
    counted as repeated when its content is the same, as a conflict when it is not.

    Raises:
        LedgerError: As :func:`merge_jobs`.
    """
    with locked(day_lock(ledger, day, schedd), what=f"day {day} of {schedd}"):
        path = day_file(ledger, table.name, day, schedd)
        files = _files_around(ledger, day, schedd, table)
        fresh, result = _without_known(rows, files, schedd, table)
        if fresh.num_rows:
            make_folder(path.parent)
            _rewrite(path, schedd, fresh, table.schema())
        return dataclasses.replace(result, inserted=fresh.num_rows)


def _files_around(
    ledger: Path, day: dt.date, schedd: str, table: MergedTable
) -> list[Path]:
    days = [day]
    if day > dt.date.min:
        days.append(day - dt.timedelta(days=1))
    if day < dt.date.max:
        days.append(day + dt.timedelta(days=1))
    paths = (day_file(ledger, table.name, near, schedd) for near in days)
    return [path for path in paths if path.exists()]


def _without_known(
    rows: pa.Table, files: Sequence[Path], schedd: str, table: MergedTable
) -> tuple[pa.Table, MergeResult]:
    """Return the rows that no file has, and the count of the others."""
    first_of: dict[Key, int] = {}
    again: list[tuple[int, int]] = []  # (number of a row, number of its first twin)
    for number, key in enumerate(_keys(rows, table)):
        first = first_of.setdefault(key, number)
        if first != number:
            again.append((number, first))
    known = [
        _Known([n for n, _ in again], rows.take(_numbers(first for _, first in again)))
    ]
    for path in files:
        known.extend(_rows_already_in(path, schedd, first_of, table))
    is_fresh = np.ones(rows.num_rows, dtype=bool)
    is_fresh[[number for some in known for number in some.numbers]] = False
    return rows.filter(pa.array(is_fresh)), _compare(rows, known, table.schema())


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """Rows that are there already, and the numbers of the new rows with their keys."""

    numbers: list[int]
    rows: pa.Table


def _numbers(values: Iterable[int]) -> pa.Int64Array:
    """Return row numbers in the form that ``take`` wants, also when there are none."""
    return pa.array(list(values), pa.int64())


def _keys(rows: pa.Table, table: MergedTable) -> Iterator[Key]:
    columns = (rows[name].cast(pa.int64()) for name in table.key)
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _rows_already_in(
    path: Path, schedd: str, new_keys: dict[Key, int], table: MergedTable
) -> Iterator[_Known]:
    """Yield, for each row group of *path*, its rows whose keys are among *new_keys*."""
    clusters = pa.array(list({key[0] for key in new_keys}), pa.int64())
    with pq.ParquetFile(path) as file:
        check_mark(file.schema_arrow, path, schedd=schedd)
        for group in range(file.num_row_groups):
            positions, numbers = _matches(file, group, clusters, new_keys, table)
            if positions:
                rows = file.read_row_group(group).take(_numbers(positions))
                yield _Known(numbers, rows)


def _matches(
    file: pq.ParquetFile,
    group: int,
    clusters: pa.Int64Array,
    new_keys: dict[Key, int],
    table: MergedTable,
) -> tuple[list[int], list[int]]:
    """Return positions within a row group and numbers of the new rows with their keys.

    The vectorised test of the cluster alone leaves few rows to compare exactly.
    """
    keys = file.read_row_group(group, columns=list(table.key))
    is_candidate = pc.is_in(keys["cluster_id"], value_set=clusters)
    candidates = np.flatnonzero(is_candidate.to_numpy())
    pairs = zip(candidates.tolist(), _keys(keys.take(candidates), table), strict=True)
    found = [(at, new_keys[key]) for at, key in pairs if key in new_keys]
    return [at for at, _ in found], [number for _, number in found]


def _compare(rows: pa.Table, known: Sequence[_Known], schema: pa.Schema) -> MergeResult:
    """Count the rows that are left out, and name those whose content differs."""
    numbers = [number for some in known for number in some.numbers]
    if not numbers:
        return MergeResult()
    old = _joined([some.rows for some in known], schema).combine_chunks()
    new = rows.take(_numbers(numbers)).combine_chunks()
    differing: dict[int, str] = {}
    if not old.equals(new):
        pairs = zip(numbers, old.to_pylist(), new.to_pylist(), strict=True)
        differing = {
            number: f"{new_row['cluster_id']}.{new_row['proc_id']}"
            for number, old_row, new_row in pairs
            # A row that reconcile or remap has changed differs by right.
            if old_row != new_row and old_row["revision"] == 0
        }
    # A key may stand in two files; it is one row that was left out all the same.
    return MergeResult(
        repeated=len(set(numbers)) - len(differing), conflicts=(*differing.values(),)
    )


def _rewrite(path: Path, schedd: str, fresh: pa.Table, plain: pa.Schema) -> None:
    schema = marked(plain, schedd)
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, **writer_options()) as writer,
    ):
        for table in _regrouped(_old_groups(path), fresh, plain):
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP_ROWS)


def _old_groups(path: Path) -> Iterator["_RowGroup"]:
    if path.exists():
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                yield _RowGroup(path, number, rows)


@dataclasses.dataclass(frozen=True, slots=True)
class _RowGroup:
    """One row group of an old file, read only when its turn comes."""

    path: Path
    number: int
    rows: int

    def read(self) -> pa.Table:
        with pq.ParquetFile(self.path) as file:
            return file.read_row_group(self.number)


def _regrouped(
    old: Iterable[_RowGroup], fresh: pa.Table, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Yield the old rows, then the fresh ones, in row groups as full as can be.

    Full groups pass one at a time; small ones, which frequent runs leave behind,
    are joined with what follows.
    """
    waiting: list[pa.Table] = []
    for group in old:
        waiting.append(group.read())
        if sum(table.num_rows for table in waiting) >= ROW_GROUP_ROWS:
            yield _joined(waiting, schema)
            waiting = []
    yield _joined([*waiting, fresh], schema)


def _joined(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([table.cast(schema) for table in tables])
