"""DuckDB as the engine: one process, no server, reads the ledger's files itself."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.types as ir
import pyarrow as pa

from poolmeter.errors import LedgerError
from reports import exact_functions
from reports.compiled import sql_of
from reports.duckdb_connection import connection
from reports.engine import Row, ShapeRow
from reports.known_runs import ChargedFiles, as_charged, make_views

_SHAPES = pa.schema(
    [
        pa.field(name, pa.int32() if name == "fit" else pa.int64())
        for name in ShapeRow._fields
    ]
)

#: What DuckDB says where our own SQL is wrong, and not a file.
_OUR_ERRORS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.InternalException,
)


class DuckDBEngine:
    """Answers expressions over the jobs in some files of a ledger."""

    def __init__(self, files: ChargedFiles | Sequence[Path]) -> None:
        self._open = contextlib.ExitStack()
        self._database = self._open.enter_context(connection())
        for statement in exact_functions.DUCKDB:
            self._database.execute(statement)
        with _telling_of_files():
            charged = as_charged(files)
            make_views(self._database, charged, jobs="pm_jobs", replaced="pm_replaced")

    def rows(self, expression: ir.Table) -> Iterator[Row]:
        """Yield the rows of *expression*; whole numbers are exact.

        Raises:
            LedgerError: A file cannot be read.
        """
        sql = sql_of(expression, "duckdb")
        with _telling_of_files():
            result = self._database.execute(sql)
            while rows := result.fetchmany(10_000):
                yield from rows

    def set_shapes(self, shapes: Sequence[ShapeRow]) -> None:
        """Fill the table of shapes."""
        columns: dict[str, list[Any]] = {
            name: [shape[index] for shape in shapes]
            for index, name in enumerate(ShapeRow._fields)
        }
        table = pa.table(columns, schema=_SHAPES)
        self._database.register("given_shapes", table)
        self._database.execute(
            "CREATE OR REPLACE TABLE pm_shapes AS SELECT * FROM given_shapes"
        )
        self._database.unregister("given_shapes")

    def close(self) -> None:
        """Give memory and files back."""
        self._open.close()


@contextlib.contextmanager
def _telling_of_files() -> Iterator[None]:
    try:
        yield
    except _OUR_ERRORS:
        raise
    except duckdb.Error as error:
        raise LedgerError(
            "a file of the ledger cannot be read or is damaged", found=str(error)
        ) from error
