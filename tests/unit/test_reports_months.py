"""Months are UTC, half-open, and parsed strictly."""

import pytest

from poolmeter.errors import UsageError
from reports.months import Month, parse_month
from tests.unit.reports_ledger import utc


def test_a_month_ends_where_the_next_begins() -> None:
    month = parse_month("2026-12")

    assert month.start_s == utc("2026-12-01").timestamp()
    assert month.end_s == utc("2027-01-01").timestamp() == Month(2027, 1).start_s


@pytest.mark.parametrize(
    "text",
    ["2026-1", "2026-13", "2026-00", "26-10", "2026-10-01", " 2026-10", "2026/10",
     "2026-10\n", "\u0662026-10", "9999-12", "0000-01", ""],
)  # fmt: skip
def test_anything_but_year_and_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected YYYY-MM"):
        parse_month(text)
