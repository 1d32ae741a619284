"""Spark as the engine, for sites that have one; what it sums is what DuckDB sums.

Where Spark runs is its own configuration's business (``spark.master`` in
``spark-defaults.conf``, or ``spark-submit``); without any it runs on this machine.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import ibis.expr.types as ir

from poolmeter.errors import LedgerError
from poolmeter.lazy import load
from poolmeter.record import JOB_KEY
from reports import exact_functions
from reports.compiled import sql_of
from reports.engine import Row, ShapeRow
from reports.known_runs import ChargedFiles, as_charged
from reports.known_runs_sql import INTERVAL_COLUMNS

_SHAPES = ", ".join(
    f"{name} {'INT' if name == 'fit' else 'BIGINT'}" for name in ShapeRow._fields
)

#: Names of types in DuckDB's SQL, in Spark's.
_SPARK_TYPES = {
    "BIGINT": "BIGINT",
    "INTEGER": "INT",
    "VARCHAR": "STRING",
    "BOOLEAN": "BOOLEAN",
}


class SparkEngine:
    """Answers expressions over the jobs in some files of a ledger.

    Raises:
        MissingPartError: PySpark is not installed.
    """

    def __init__(self, files: ChargedFiles | Sequence[Path]) -> None:
        self._errors = load("pyspark.errors:PySparkException", extra="spark")
        builder = load("pyspark.sql:SparkSession", extra="spark").builder
        self._spark = (
            builder.appName("poolmeter")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.ansi.enabled", "true")
            .getOrCreate()
        )
        for statement in exact_functions.SPARK:
            self._spark.sql(statement)
        self._make_views(as_charged(files))

    def _make_views(self, charged: ChargedFiles) -> None:
        """Make the views as :func:`reports.known_runs.make_views` does."""
        jobs = self._spark.read.parquet(*map(_literal, charged.jobs))
        replaced = jobs.limit(0)
        intervals = None
        if charged.intervals is not None and charged.replaced is not None:
            replaced = self._spark.read.parquet(_literal(charged.replaced))
            intervals = self._spark.read.parquet(_literal(charged.intervals))
            is_same = [jobs[name].eqNullSafe(replaced[name]) for name in JOB_KEY]
            jobs = jobs.join(replaced.select(*JOB_KEY), is_same, "left_anti")
        for name, kind in INTERVAL_COLUMNS.items():
            jobs = jobs.selectExpr("*", f"CAST(NULL AS {_SPARK_TYPES[kind]}) AS {name}")
        if intervals is not None:
            jobs = jobs.unionByName(intervals)
        jobs.createOrReplaceTempView("pm_jobs")
        replaced.createOrReplaceTempView("pm_replaced")

    def rows(self, expression: ir.Table) -> Iterator[Row]:
        """Yield the rows of *expression*; sums come as whole ``Decimal``.

        Raises:
            LedgerError: A file cannot be read.
        """
        found = self._spark.sql(sql_of(expression, "pyspark"))
        try:
            rows = found.collect()
        except self._errors as error:
            raise LedgerError(
                "a file of the ledger cannot be read or is damaged", found=str(error)
            ) from error
        yield from (tuple(row) for row in rows)

    def set_shapes(self, shapes: Sequence[ShapeRow]) -> None:
        """Fill the table of shapes."""
        table = self._spark.createDataFrame(list(shapes), schema=_SHAPES)
        table.createOrReplaceTempView("pm_shapes")

    def close(self) -> None:
        """Take our tables away; the session may be somebody else's."""
        for name in ("pm_jobs", "pm_replaced", "pm_shapes"):
            self._spark.catalog.dropTempView(name)


def _literal(path: Path) -> str:
    r"""Return *path* such that Spark takes none of its characters as a pattern.

    >>> _literal(Path("/a/[b]*{c}"))
    '/a/\\[b\\]\\*\\{c\\}'
    """
    return "".join(f"\\{char}" if char in "[]{}*?\\" else char for char in str(path))
