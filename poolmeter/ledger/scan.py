"""Read the ledger's tables; a reader never locks and never waits for a writer."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.errors import LedgerError
from poolmeter.ledger.layout import Table, day_files
from poolmeter.ledger.schema import ROW_GROUP_ROWS, check_mark


def job_files(
    ledger: Path, *, first_day: dt.date | None = None, last_day: dt.date | None = None
) -> list[Path]:
    """Return the files of jobs that ended from *first_day* to *last_day* (UTC)."""
    return day_files(ledger, "jobs", first_day=first_day, last_day=last_day)


def job_batches(
    ledger: Path,
    *,
    columns: Sequence[str],
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield *columns* of the jobs that ended from *first_day* to *last_day* (UTC).

    Each file is read as it was at one moment: the probe replaces whole files.

    Raises:
        LedgerError: A file is of another schema version or cannot be read.
    """
    for path in job_files(ledger, first_day=first_day, last_day=last_day):
        yield from file_batches(path, columns)


def read_table(
    ledger: Path, table: Table, schema: pa.Schema, *, columns: Sequence[str] = ()
) -> pa.Table:
    """Return all rows of *table*, all columns when *columns* is empty.

    Raises:
        LedgerError: As :func:`job_batches`.
    """
    names = list(columns) or schema.names
    batches = [
        batch
        for path in day_files(ledger, table)
        for batch in file_batches(path, names)
    ]
    wanted = pa.schema([schema.field(name) for name in names])
    return pa.Table.from_batches([batch.cast(wanted) for batch in batches], wanted)


def file_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield *columns* of one file of the ledger.

    Raises:
        LedgerError: It is of another schema version or cannot be read.
    """
    with _open(path) as file:
        check_mark(file.schema_arrow, path)
        batches = file.iter_batches(ROW_GROUP_ROWS, columns=list(columns))
        while (batch := _next(batches, path)) is not None:
            yield batch


def _next(batches: Iterator[pa.RecordBatch], path: Path) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (OSError, pa.ArrowInvalid) as error:
        raise _read_error(path, error) from error


def _open(path: Path) -> pq.ParquetFile:
    """Open *path*; once more if a writer replaced it under us."""
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid):
        try:
            return pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise _read_error(path, error) from error


def _read_error(path: Path, error: Exception) -> LedgerError:
    return LedgerError(
        f"cannot read {path}",
        found=str(error),
        mend="check owner and mode; a damaged file can be made anew from the history",
    )


def refuse_other_version(ledger: Path) -> None:
    """Refuse a ledger that another schema version wrote; a new one is fine.

    One version is in all files of a ledger, so one file tells.

    Raises:
        LedgerMismatchError: The version is another one.
        LedgerError: The file cannot be read.
    """
    for path in job_files(ledger)[:1]:
        with _open(path) as file:
            check_mark(file.schema_arrow, path)
