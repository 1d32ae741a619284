"""The expressions as SQL: Spark's without a Spark, and without a float anywhere."""

from collections.abc import Iterator, Sequence

import ibis.expr.types as ir
import pytest
import sqlglot
from sqlglot import expressions as sql

from reports import (
    charge_expression,
    exact_functions,
    hold_expression,
    use_expression,
)
from reports.compiled import sql_of
from reports.engine import Row, ShapeRow
from reports.facts import sum_labels
from reports.ledger_side import contradicted_jobs, ledger_totals
from reports.months import parse_month
from reports.price_periods import price_periods
from tests.unit.reports_ledger import book

_MONTH = parse_month("2026-10")


def _expressions() -> dict[str, ir.Table]:
    """Return all that a statement asks of an engine, by names."""
    jobs, shapes = charge_expression.jobs_table(), charge_expression.shapes_table()
    (period,) = price_periods(book().terms, _MONTH)
    labels = ("site", "vo", "payload_user", "owner")
    asked = _Asked()
    ledger_totals(asked, _MONTH)
    contradicted_jobs(asked, _MONTH)
    return {
        "shapes": charge_expression.shapes_of(jobs),
        "sums": charge_expression.sums_of(period, _MONTH.start_s, sum_labels("owner")),
        "use": use_expression.use(shapes, period, labels, ("T2_Annex",)),
        "holds": hold_expression.holds(shapes, period),
        "totals": asked.expressions[0],
        "contradicted": asked.expressions[1],
    }


class _Asked:
    """An engine that knows of no job and keeps what it is asked."""

    def __init__(self) -> None:
        self.expressions: list[ir.Table] = []

    def rows(self, expression: ir.Table) -> Iterator[Row]:
        self.expressions.append(expression)
        return iter(())

    def set_shapes(self, shapes: Sequence[ShapeRow]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
@pytest.mark.parametrize("name", _expressions())
def test_the_expressions_compile_to_sql_without_floats(name: str, dialect: str) -> None:
    text = sql_of(_expressions()[name], dialect)

    (statement,) = sqlglot.parse(
        text, dialect="spark" if dialect == "pyspark" else dialect
    )

    assert statement is not None
    kinds = {str(cast.to) for cast in statement.find_all(sql.Cast)}
    assert not kinds & {"DOUBLE", "FLOAT", "REAL"}
    assert not list(statement.find_all(sql.Div))
    assert all(
        "." not in str(literal.this)
        for literal in statement.find_all(sql.Literal)
        if not literal.is_string
    )


def test_what_is_asked_alike_is_compiled_once() -> None:
    jobs = charge_expression.jobs_table
    first, second = (
        sql_of(charge_expression.shapes_of(jobs()), "duckdb") for _ in range(2)
    )

    assert first is second


def test_every_engine_defines_every_function() -> None:
    names = ("pm_seconds", "pm_portion", "pm_summand", "pm_product")

    for definitions in (exact_functions.DUCKDB, exact_functions.SPARK):
        for name, definition in zip(names, definitions, strict=True):
            assert f"{name}(" in definition


def test_sparks_definitions_are_sparks_sql() -> None:
    for definition in exact_functions.SPARK:
        body = definition.partition("RETURN ")[2]
        parsed = sqlglot.parse_one(f"SELECT {body}", dialect="spark")
        assert isinstance(parsed, sql.Select)
