"""What the same month's usage would cost by one book and by another, as data."""

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from poolmeter.errors import UsageError
from reports.line import Line
from reports.months import Month
from reports.question import By, Pricing, ask
from reports.statement import statement_of
from reports.statement_data import Statement

#: The parts of a cost, in the order in which they are shown.
COMPONENTS = ("compute", "network", "total")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One payer's cost by one book.

    ``network`` is ``None`` where nothing that costs money was counted, and a lower
    bound (as is ``total``) unless ``network_complete``.
    """

    compute: Decimal
    network: Decimal | None
    total: Decimal
    network_complete: bool

    def to_json(self) -> dict[str, Any]:
        """Return the cost under its names; amounts are strings."""
        return {
            "compute": str(self.compute),
            "network": None if self.network is None else str(self.network),
            "total": str(self.total),
            "network_complete": self.network_complete,
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLine:
    """One payer by both books."""

    key: str
    jobs: int
    first: Cost
    second: Cost

    def difference(self, component: str) -> Decimal | None:
        """Return second - first; ``None`` where one of them is not known."""
        before, after = getattr(self.first, component), getattr(self.second, component)
        return None if before is None or after is None else after - before

    def to_json(self) -> dict[str, Any]:
        """Return the line under its names; amounts are strings."""
        differences = {name: self.difference(name) for name in COMPONENTS}
        return {
            "key": self.key,
            "jobs": self.jobs,
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "difference": {
                name: None if value is None else str(value)
                for name, value in differences.items()
            },
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A month's lines under two books of one currency."""

    month: str
    by: By
    vo: str | None
    currency: str
    books: tuple[str, str]
    unpriced_jobs: tuple[int, int]
    lines: Sequence[ComparedLine]
    totals: ComparedLine

    def to_json(self) -> dict[str, Any]:
        """Return the comparison under its names; amounts are strings."""
        return {
            "month": self.month,
            "by": self.by,
            "vo": self.vo,
            "currency": self.currency,
            "books": list(self.books),
            "unpriced_jobs": list(self.unpriced_jobs),
            "lines": [line.to_json() for line in self.lines],
            "totals": self.totals.to_json(),
        }


def compare(
    ledger: Path,
    month: Month | str,
    pricings: tuple[Pricing, Pricing],
    *,
    by: By = "vo",
    vo: str | None = None,
) -> Comparison:
    """Return the usage of *month* under both *pricings*.

    Raises:
        UsageError: The month is none, there is no ledger, or the books' currencies
            differ: nothing here converts money.
        PriceBookError: A book has no prices for the month.
        LedgerError: The ledger cannot be read.
    """
    currencies = [pricing.book.terms.currency for pricing in pricings]
    if len(set(currencies)) > 1:
        raise UsageError(
            "--prices",
            expected="two books of one currency",
            found=" and ".join(currencies),
        )
    first, second = (
        statement_of(ask(ledger, month, pricing, by, vo)) for pricing in pricings
    )
    return compared(first, second)


def compared(first: Statement, second: Statement) -> Comparison:
    """Return two statements of the same usage side by side, the costliest first."""
    lines_second = {line.key: line for line in second.lines}
    lines = [
        _line(line, lines_second.pop(line.key, Line(key=line.key)))
        for line in first.lines
    ]
    lines += [_line(Line(key=key), line) for key, line in lines_second.items()]
    lines.sort(key=lambda line: (-max(line.first.total, line.second.total), line.key))
    return Comparison(
        month=first.month,
        by=first.by,
        vo=first.vo,
        currency=first.currency,
        books=(first.book_id, second.book_id),
        unpriced_jobs=(_jobs(first), _jobs(second)),
        lines=lines,
        totals=_line(first.totals, second.totals),
    )


def _line(first: Line, second: Line) -> ComparedLine:
    return ComparedLine(
        key=first.key,
        jobs=max(first.jobs, second.jobs),
        first=_cost(first),
        second=_cost(second),
    )


def _cost(line: Line) -> Cost:
    return Cost(
        compute=line.compute_cost,
        network=line.network_cost,
        total=line.total_cost,
        network_complete=line.network_complete,
    )


def _jobs(statement: Statement) -> int:
    return sum(aside.jobs for aside in statement.unpriced)
