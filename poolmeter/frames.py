"""The ledger as a pandas frame, exact."""

import datetime as dt
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa

from poolmeter.errors import UsageError
from poolmeter.ledger.run_differences import runs_between
from poolmeter.ledger.scan import job_batches
from poolmeter.ledger.schema import jobs_schema
from poolmeter.months import parse_month


def read_frame(
    ledger: str | PathLike[str], month: str | None, columns: Sequence[str]
) -> pd.DataFrame:
    """Return jobs as Arrow-backed pandas, as :func:`poolmeter.jobs` describes.

    Plain pandas would turn int64 with nulls into float64 and lose whole bytes.

    Raises:
        UsageError: The month is none, or a column does not exist.
        LedgerError: The ledger cannot be read.
    """
    names = list(columns) or jobs_schema().names
    schema = pa.schema([_field(name) for name in names])
    first_day, last_day = _days_of(month)
    batches = job_batches(
        Path(ledger), columns=names, first_day=first_day, last_day=last_day
    )
    table = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def read_runs_frame(
    ledger: str | PathLike[str], month: str | None, columns: Sequence[str]
) -> pd.DataFrame:
    """Return runs as Arrow-backed pandas, as :func:`poolmeter.runs` describes.

    Raises:
        UsageError: The month is none, or a column does not exist.
        LedgerError: The ledger cannot be read.
    """
    first_day, last_day = _days_of(month)
    table = runs_between(Path(ledger), first_day, last_day)
    for name in columns:
        if name not in table.schema.names:
            raise _no_column(name)
    chosen = table.select(list(columns) or table.schema.names)
    return chosen.to_pandas(types_mapper=pd.ArrowDtype)


def _days_of(month: str | None) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last day of *month*; of none, both open."""
    if month is None:
        return None, None
    found = parse_month(month)
    return found.first_day, found.last_day


def _field(name: str) -> "pa.Field[pa.DataType]":
    if name not in jobs_schema().names:
        raise _no_column(name)
    return jobs_schema().field(name)


def _no_column(name: str) -> UsageError:
    return UsageError("column", found=name, mend="docs/record.md lists the columns")
