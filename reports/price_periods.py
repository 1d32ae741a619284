"""The parts of a month in which every rate of a price book stays the same."""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol, TypeVar

from poolmeter.errors import PriceBookError
from poolmeter.record import NETWORK_COLUMNS
from poolmeter.units import BYTES_PER_MIB
from reports.months import Month, start_of_day_s
from reports.packing import PackingRule, PricedType
from reports.price_book import Billing, InstanceType, Tariff, Terms, amount_of


class _Dated(Protocol):
    @property
    def from_(self) -> dt.date: ...
    @property
    def to(self) -> dt.date | None: ...


_Entry = TypeVar("_Entry", bound=_Dated)


@dataclasses.dataclass(frozen=True, slots=True)
class PricePeriod:
    """Half-open time [start_s, end_s) with the rates that hold all through it.

    ``billing`` is ``None`` where the book has no rule for that time; then it has no
    types either.
    """

    start_s: int
    end_s: int
    types: tuple[PricedType, ...]
    billing: Billing | None


def price_periods(terms: Terms, month: Month) -> list[PricePeriod]:
    """Return the periods of *month*, mostly one, without gap or overlap.

    Raises:
        PriceBookError: The book has no price at all in that month.
    """
    edges = {month.start_s, month.end_s}
    dated: list[_Dated] = [*terms.billing, *terms.factors]
    dated.extend(rate for kind in terms.instances for rate in kind.rates)
    for entry in dated:
        edges.update(_edges_inside(entry, month))
    bounds = sorted(edges)
    periods = [_period(terms, start, end) for start, end in itertools.pairwise(bounds)]
    if not any(period.types for period in periods):
        raise PriceBookError(
            f"price book {terms.id}",
            expected=f"rates for {month}",
            found=_range_text(terms),
            mend="choose another book with --prices",
        )
    return periods


def tariffs(terms: Terms, month: Month) -> dict[str, Tariff]:
    """Return the tariff of each network column that holds in *month*.

    Raises:
        PriceBookError: A class of traffic has none.
    """
    found: dict[str, Tariff] = {}
    for column in NETWORK_COLUMNS:
        name = column.removeprefix("network_").removesuffix("_bytes")
        tariff = _valid_at(getattr(terms.network, name), month.start_s)
        if tariff is None:
            raise PriceBookError(
                f"price book {terms.id}",
                expected=f"a tariff network.{name} for {month}",
                found="none",
            )
        found[column] = tariff
    return found


def _period(terms: Terms, start_s: int, end_s: int) -> PricePeriod:
    billing = _valid_at(terms.billing, start_s)
    factor = _factor_at(terms, start_s)
    types = [
        kind
        for instance in terms.instances
        if (kind := _priced(instance, terms.packing, factor, start_s)) is not None
    ]
    return PricePeriod(start_s, end_s, tuple(types) if billing else (), billing)


def _factor_at(terms: Terms, at_s: int) -> Fraction | None:
    """Return what rates are multiplied by; ``None`` where the book does not say."""
    if not terms.factors:
        return Fraction(1)
    factor = _valid_at(terms.factors, at_s)
    return None if factor is None else Fraction(amount_of(factor.per_hour))


def _priced(
    instance: InstanceType, packing: PackingRule, factor: Fraction | None, at_s: int
) -> PricedType | None:
    rate = _valid_at(instance.rates, at_s)
    if rate is None or factor is None:
        return None
    return PricedType(
        name=instance.name,
        vcpu=instance.vcpu,
        memory_bytes=instance.memory_mib * BYTES_PER_MIB,
        accelerators=instance.accelerators,
        per_hour=Fraction(amount_of(rate.per_hour)) * factor,
        packing=packing,
    )


def _valid_at(entries: Sequence[_Entry], at_s: int) -> _Entry | None:
    """Return the entry whose half-open range holds the second *at_s*."""
    for entry in entries:
        begun = start_of_day_s(entry.from_) <= at_s
        if begun and (entry.to is None or at_s < start_of_day_s(entry.to)):
            return entry
    return None


def _edges_inside(entry: _Dated, month: Month) -> list[int]:
    days = [day for day in (entry.from_, entry.to) if day is not None]
    return [s for s in map(start_of_day_s, days) if month.start_s < s < month.end_s]


def _range_text(terms: Terms) -> str:
    rates = [rate for instance in terms.instances for rate in instance.rates]
    first = min(rate.from_ for rate in rates)
    ends = [rate.to for rate in rates]
    last = "on" if None in ends else f"to {max(end for end in ends if end)}"
    return f"rates from {first} {last}"
