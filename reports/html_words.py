"""Money and months as a page shows them."""

import datetime as dt
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency

from reports.line import Line

LOCALE = "en_US"
#: Before a lower bound, never apart from it.
AT_LEAST = "≥\N{NO-BREAK SPACE}"


class Money:
    """Amounts of one currency, in the manner of one language."""

    def __init__(self, currency: str, locale: str = LOCALE) -> None:
        self._currency = currency
        self._locale = locale

    def text(self, amount: Decimal) -> str:
        """Return *amount* with its currency.

        >>> Money("USD").text(Decimal("-1234.50"))
        '-$1,234.50'
        """
        return format_currency(
            amount, self._currency, locale=self._locale, decimal_quantization=False
        )

    def network(self, line: Line) -> str:
        """Return a line's network cost: ``unknown``, or marked as a lower bound."""
        if line.network_cost is None:
            return "unknown"
        return self._bound(line, line.network_cost)

    def total(self, line: Line) -> str:
        """Return a line's total cost, marked where it is a lower bound."""
        return self._bound(line, line.total_cost)

    def _bound(self, line: Line, amount: Decimal) -> str:
        text = self.text(amount)
        return text if line.network_complete else f"{AT_LEAST}{text}"


def month_name(month: str, locale: str = LOCALE) -> str:
    """Return a month's name and year.

    >>> month_name("2026-10")
    'October 2026'
    """
    year, number = map(int, month.split("-"))
    return format_date(dt.date(year, number, 1), "LLLL y", locale=locale)
