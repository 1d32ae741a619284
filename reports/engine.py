"""What reads the ledger and sums: DuckDB, or Spark where a site has one.

No number that comes from here is ever a float and no Python code runs for a single
job: an engine sums whole numbers of 64 bits in 128, and money begins only after the
last sum (``reports.lines``).
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import ibis.expr.types as ir

from poolmeter.lazy import load
from reports.known_runs import ChargedFiles

Row = tuple[Any, ...]


class ShapeRow(NamedTuple):
    """A distinct shape of jobs: where it is packed, and its share of that."""

    cpus_milli: int | None
    memory_bytes: int | None
    gpus: int
    share_numerator: int | None
    fit: int


class Engine(Protocol):
    """What answers expressions over ``pm_jobs``, ``pm_replaced`` and ``pm_shapes``."""

    def rows(self, expression: ir.Table) -> Iterator[Row]:
        """Yield the rows of *expression*."""
        ...

    def set_shapes(self, shapes: Sequence[ShapeRow]) -> None:
        """Fill the table of shapes."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


#: By their names in the configuration: where each is, and the extra that it needs.
ENGINES = {
    "duckdb": ("reports.duckdb_engine:DuckDBEngine", "reports"),
    "spark": ("reports.spark_engine:SparkEngine", "spark"),
}


@contextlib.contextmanager
def engine_over(name: str, files: ChargedFiles | Sequence[Path]) -> Iterator[Engine]:
    """Give the engine called *name*, with the jobs in *files*.

    Raises:
        LedgerError: A file cannot be read.
        MissingPartError: What the engine needs is not installed.
    """
    target, extra = ENGINES[name]
    made: Engine = load(target, extra=extra)(files)
    with contextlib.closing(made):
        yield made


def whole(number: Any) -> int | None:  # noqa: ANN401 - an int or a Decimal
    """Return an engine's whole number; Spark's come as ``Decimal``."""
    return None if number is None else int(number)
