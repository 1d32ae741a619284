"""The months before: from closed months as they were closed, else priced anew."""

import dataclasses
from collections.abc import Iterable, Sequence

from poolmeter.errors import PriceBookError
from reports.closed_month import ClosedMonth, read_closed
from reports.months import Month
from reports.price_periods import price_periods, tariffs
from reports.question import Question
from reports.readings import Readings
from reports.statement_data import Line
from reports.trend_data import Points, Trend, TrendPoint

MONTHS = 12


def trend_of(
    question: Question,
    lines: Sequence[Line],
    count: int = MONTHS,
    readings: Readings | None = None,
) -> Trend:
    """Return the *count* months up to the question's own, whose *lines* these are.

    Raises:
        LedgerError: A file cannot be read.
    """
    readings = readings or Readings()
    months = months_until(question.month, count)
    first_s = readings.first_use_s(question.ledger)
    found = [
        None
        if first_s is None or month.end_s <= first_s
        else _lines(question, month, readings)
        for month in months[:-1]
    ]
    found.append(tuple(lines))
    keys = [line.key for line in lines]
    return Trend(
        months=tuple(map(str, months)),
        totals=tuple(_total(of_month) for of_month in found),
        lines={key: _points_of(key, found) for key in keys},
    )


def months_until(last: Month, count: int) -> list[Month]:
    """Return *count* months, *last* the last of them; none before the year 1970.

    >>> [str(month) for month in months_until(Month(2026, 1), 3)]
    ['2025-11', '2025-12', '2026-01']
    """
    numbers = range(last.year * 12 + last.month - count, last.year * 12 + last.month)
    return [Month(n // 12, n % 12 + 1) for n in numbers if n // 12 >= 1970]  # noqa: PLR2004


def _lines(
    question: Question, month: Month, readings: Readings
) -> tuple[Line, ...] | None:
    """Return the lines of an earlier month, ``None`` where the book has no prices."""
    closed = read_closed(question.ledger, month)
    if closed is not None and _is_comparable(closed, question):
        return closed.lines_of(question.by, question.vo)
    terms = question.pricing.book.terms
    try:
        earlier = dataclasses.replace(
            question,
            month=month,
            periods=price_periods(terms, month),
            tariffs=tariffs(terms, month),
        )
    except PriceBookError:
        return None
    return readings.lines(earlier)


def _is_comparable(closed: ClosedMonth, question: Question) -> bool:
    """Whether a closed month was priced in the same money and with the same settings.

    Its book may be an older edition: that is what the month was said to cost.
    """
    terms = question.pricing.book.terms
    return (closed.book.id, closed.vcpus_per_cpu) == (
        terms.id,
        question.pricing.vcpus_per_cpu,
    )


def _total(lines: Iterable[Line] | None) -> TrendPoint | None:
    return None if lines is None else TrendPoint.of(sum(lines, start=Line(key="total")))


def _points_of(key: str, months: Sequence[Sequence[Line] | None]) -> Points:
    """Return the points of *key*; a month without it is one of no use."""
    points: list[TrendPoint | None] = []
    for lines in months:
        mine = [line for line in lines or () if line.key == key]
        point = TrendPoint.of(mine[0]) if mine else TrendPoint()
        points.append(None if lines is None else point)
    return tuple(points)
