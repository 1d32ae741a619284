"""What is asked of a ledger: whose month, priced how, by which engine."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from poolmeter.errors import UsageError
from reports.line import NO_VO, UNKNOWN
from reports.months import Month, parse_month
from reports.price_book import Tariff
from reports.price_book_file import PriceBook
from reports.price_periods import PricePeriod, price_periods, tariffs

By = Literal["vo", "payload-user", "project", "owner", "site"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How use is priced.

    ``own_resources`` are names of resources (``execute_site``) that are ours beside
    the pool's own site.
    """

    book: PriceBook
    vcpus_per_cpu: int = 1
    own_resources: tuple[str, ...] = ()
    engine: str = "duckdb"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One month of one ledger, with the prices that hold in it."""

    ledger: Path
    month: Month
    pricing: Pricing
    periods: Sequence[PricePeriod]
    tariffs: Mapping[str, Tariff]
    by: By = "vo"
    vo: str | None = None


def ask(
    ledger: Path, month: Month | str, pricing: Pricing, by: By, vo: str | None
) -> Question:
    """Return the question; *vo* narrows it to one VO.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book has no prices for the month.
    """
    if isinstance(month, str):
        month = parse_month(month)
    if vo == NO_VO:
        vo = UNKNOWN
    if not ledger.is_dir():
        raise UsageError(
            f"ledger {ledger}", expected="a folder", found="none", mend="check --ledger"
        )
    terms = pricing.book.terms
    return Question(
        ledger=ledger,
        month=month,
        pricing=pricing,
        periods=price_periods(terms, month),
        tariffs=tariffs(terms, month),
        by=by,
        vo=vo,
    )
