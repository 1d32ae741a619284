"""Four functions on whole numbers that every engine has to define for itself.

ibis divides whole numbers through a float, reads a timestamp's seconds through one
in DuckDB, and knows no whole number of more than 64 bits.  So the expressions call
these by name, and each engine says in its own words what they are.
"""

from collections.abc import Callable
from typing import Any

import ibis

_WIDE = "decimal(38, 0)"


def _seconds(moment: Any) -> Any:  # noqa: ANN401 - columns, also below
    """Return a time as whole seconds since 1970, rounded down, also before 1970."""


def _portion(total: Any, part: Any, whole: Any) -> Any:  # noqa: ANN401
    """Return *total* x *part* / *whole*, rounded down, for 0 <= part <= whole."""


def _summand(number: Any) -> Any:  # noqa: ANN401
    """Return *number* in a type whose sums do not overflow."""


def _product(left: Any, right: Any) -> Any:  # noqa: ANN401
    """Return the product of two numbers of 64 bits, whole."""


def _of_engine(function: Callable[..., Any], takes: tuple[str, ...], gives: str) -> Any:  # noqa: ANN401
    """Return *function* as a call of ``pm_...``, which every engine defines."""
    name = f"pm{function.__name__}"
    builtin: Any = ibis.udf.scalar.builtin
    return builtin(function, name=name, signature=(takes, gives))


seconds = _of_engine(_seconds, ("timestamp",), "int64")
portion = _of_engine(_portion, ("int64", "int64", "int64"), "int64")
summand = _of_engine(_summand, ("int64",), _WIDE)
product = _of_engine(_product, ("int64", "int64"), _WIDE)

#: DuckDB widens the sum of 64-bit numbers by itself; its ``%`` has the dividend's
#: sign, and ``//`` rounds towards 0.
DUCKDB = (
    """CREATE TEMP MACRO pm_seconds(moment) AS
        (epoch_ms(moment) - CASE WHEN epoch_ms(moment) < 0 THEN 999 ELSE 0 END)
        // 1000""",
    """CREATE TEMP MACRO pm_portion(total, part, whole) AS
        ((total::HUGEINT * part - ((total::HUGEINT * part % whole) + whole) % whole)
         // whole)::BIGINT""",
    "CREATE TEMP MACRO pm_summand(number) AS number",
    "CREATE TEMP MACRO pm_product(a, b) AS a::HUGEINT * b::HUGEINT",
)

#: Spark's sum of 64-bit numbers fails where it overflows; decimals are exact.
SPARK = (
    """CREATE OR REPLACE TEMPORARY FUNCTION pm_seconds(moment TIMESTAMP)
        RETURNS BIGINT RETURN unix_seconds(moment)""",
    """CREATE OR REPLACE TEMPORARY FUNCTION
        pm_portion(total BIGINT, part BIGINT, whole BIGINT) RETURNS BIGINT RETURN
        (CAST(total AS DECIMAL(38, 0)) * CAST(part AS DECIMAL(38, 0))
         - pmod(CAST(total AS DECIMAL(38, 0)) * CAST(part AS DECIMAL(38, 0)),
                CAST(whole AS DECIMAL(38, 0))))
        div CAST(whole AS DECIMAL(38, 0))""",
    """CREATE OR REPLACE TEMPORARY FUNCTION pm_summand(number BIGINT)
        RETURNS DECIMAL(38, 0) RETURN CAST(number AS DECIMAL(38, 0))""",
    """CREATE OR REPLACE TEMPORARY FUNCTION pm_product(a BIGINT, b BIGINT)
        RETURNS DECIMAL(38, 0) RETURN CAST(
            CAST(a AS DECIMAL(38, 0)) * CAST(b AS DECIMAL(38, 0)) AS DECIMAL(38, 0))""",
)
