"""The statement as the site's configuration has it: what command and library give."""

import dataclasses
from pathlib import Path

from poolmeter.config import Config
from reports.monthly import monthly_statement, pricing_of
from reports.price_book_file import find_book
from reports.question import By, Pricing
from reports.statement_data import Statement
from reports.trend import MONTHS


def site_statement(
    ledger: Path,
    month: str,
    config: Config,
    *,
    by: By = "vo",
    vo: str | None = None,
    prices: str | None = None,
    vcpus_per_cpu: int | None = None,
    months: int = MONTHS,
) -> Statement:
    """Return the statement of *month* as *config* prices it.

    A month that was closed is priced as it was then, unless *prices* names a book;
    *vcpus_per_cpu* replaces the site's setting.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book cannot be used, or has no prices for the month.
        LedgerError: The ledger cannot be read.
    """
    pricing = pricing_for(config, prices)
    if prices is None:
        pricing = pricing_of(ledger, month, pricing)
    if vcpus_per_cpu is not None:
        pricing = dataclasses.replace(pricing, vcpus_per_cpu=vcpus_per_cpu)
    return monthly_statement(ledger, month, pricing, by=by, vo=vo, months=months)


def pricing_for(config: Config, prices: str | None) -> Pricing:
    """Return how the site prices use, by the book called *prices* if one is named.

    Raises:
        PriceBookError: There is none, or it is not right.
    """
    return Pricing(
        book=find_book(prices or config.report.prices),
        vcpus_per_cpu=config.report.vcpus_per_cpu,
        own_resources=config.report.own_resources,
        engine=config.report.engine,
    )
