"""The tables into which rows are merged: their schemas and their keys."""

import dataclasses
import functools
from collections.abc import Callable

import pyarrow as pa

from poolmeter.ledger.layout import Table
from poolmeter.ledger.schema import jobs_schema, schema_of
from poolmeter.record import JOB_KEY
from poolmeter.run_record import RUN_KEY, run_columns


@dataclasses.dataclass(frozen=True, slots=True)
class MergedTable:
    """A table of rows that lie by the UTC day of ``ended_at``.

    ``key`` are the parts of a row's key that differ within one schedd's files.
    """

    name: Table
    schema: Callable[[], pa.Schema]
    key: tuple[str, ...]


@functools.cache
def runs_schema() -> pa.Schema:
    """Return the schema of the table ``runs``, without a file's mark."""
    return schema_of(run_columns())


#: A file is one schedd's, so that its name is no part of a key within it.
JOBS = MergedTable("jobs", jobs_schema, JOB_KEY[1:])
RUNS = MergedTable("runs", runs_schema, RUN_KEY[1:])
