"""Expressions as the SQL of an engine, each compiled once in a process.

To compile one takes ibis a tenth of a second, and a run of mails asks the same of the
ledger for every VO.
"""

import functools
from typing import Any

import ibis
import ibis.config
import ibis.expr.types as ir


class _Spark(ibis.config.Config):  # type: ignore[misc]
    """What ibis wants to know of Spark, also where none is installed."""

    treat_nan_as_null: bool = False


def sql_of(expression: ir.Table, dialect: str) -> str:
    """Return *expression* in the SQL that ibis calls *dialect* (``"pyspark"``)."""
    operation: Any = expression.op()
    return _compiled(operation, dialect)


@functools.lru_cache(maxsize=256)
def _compiled(operation: Any, dialect: str) -> str:  # noqa: ANN401
    """Compile; expressions that are made alike have operations that are equal."""
    if ibis.options.pyspark is None:
        ibis.options.pyspark = _Spark()
    return str(ibis.to_sql(operation.to_expr(), dialect=dialect))
