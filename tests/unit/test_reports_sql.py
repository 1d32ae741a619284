"""The expressions as SQL: Spark's without a Spark, and without a float anywhere."""

import ibis
import ibis.expr.types as ir
import pytest
import sqlglot
from sqlglot import expressions as sql

from reports import charge_expression, exact_functions
from reports.months import parse_month
from reports.price_periods import price_periods
from tests.unit.reports_ledger import book

_MONTH = parse_month("2026-10")


def _expressions() -> dict[str, ir.Table]:
    jobs, shapes = charge_expression.jobs_table(), charge_expression.shapes_table()
    (period,) = price_periods(book().terms, _MONTH)
    charges = charge_expression.charges(jobs, shapes, period, _MONTH.start_s)
    return {
        "shapes": charge_expression.shapes_of(jobs),
        "sums": charge_expression.sums(charges),
    }


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
@pytest.mark.parametrize("name", _expressions())
def test_the_expressions_compile_to_sql_without_floats(name: str, dialect: str) -> None:
    text = str(ibis.to_sql(_expressions()[name], dialect=dialect))

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
