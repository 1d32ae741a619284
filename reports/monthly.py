"""The statement that people get: with its trend, and with what was closed before."""

import dataclasses
from pathlib import Path

from reports.closed_month import read_closed
from reports.closing import with_closing
from reports.months import Month, parse_month
from reports.question import By, Pricing, ask
from reports.readings import Readings
from reports.statement import statement_of
from reports.statement_data import Statement
from reports.trend import MONTHS, trend_of


def monthly_statement(
    ledger: Path,
    month: Month | str,
    pricing: Pricing,
    *,
    by: By = "vo",
    vo: str | None = None,
    months: int = MONTHS,
    readings: Readings | None = None,
) -> Statement:
    """Return the statement of *month* with a trend of *months* and its closing.

    The trend is left out for less than two months.  *readings* is what earlier
    statements of the same run have read.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book has no prices for the month.
        LedgerError: The ledger cannot be read, or is being rewritten all the time.
    """
    question = ask(ledger, month, pricing, by, vo)
    readings = readings or Readings()
    made = statement_of(question, readings.facts(question))
    if months > 1:
        trend = trend_of(question, made.lines, months, readings)
        made = dataclasses.replace(made, trend=trend)
    closed = read_closed(ledger, question.month)
    return made if closed is None else with_closing(made, closed)


def pricing_of(ledger: Path, month: str, otherwise: Pricing) -> Pricing:
    """Return how *month* was priced when it was closed, else *otherwise*.

    Raises:
        UsageError: The month is none.
        LedgerError: The closed month cannot be read.
    """
    closed = read_closed(ledger, parse_month(month))
    if closed is None:
        return otherwise
    return dataclasses.replace(
        otherwise,
        book=closed.price_book(),
        vcpus_per_cpu=closed.vcpus_per_cpu,
        own_resources=closed.own_resources,
    )
