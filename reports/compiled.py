"""Expressions as the SQL of an engine, each compiled once in a process.

To compile one takes ibis a tenth of a second, and a run of mails asks the same of the
ledger for every VO.
"""

import functools

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir


def sql_of(expression: ir.Table, dialect: str) -> str:
    """Return *expression* in the SQL that ibis calls *dialect* (``"pyspark"``)."""
    return _compiled(expression.op(), dialect)


@functools.lru_cache(maxsize=256)
def _compiled(operation: ops.Relation, dialect: str) -> str:
    """Compile; expressions that are made alike have operations that are equal."""
    return str(ibis.to_sql(operation.to_expr(), dialect=dialect))
