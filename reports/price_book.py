"""What a price book may hold: the TOML format of ``docs/prices.md`` as structures.

Rates are strings in the file and ``Decimal`` here.  Everything dated is a row of
half-open ranges [from, to) without gap or overlap; every number names a source.
"""

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, Protocol

import msgspec

from poolmeter.units import BYTES_PER_GB, BYTES_PER_GIB
from reports.packing import PackingRule

Positive = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


class _Dated(Protocol):
    @property
    def from_(self) -> dt.date: ...
    @property
    def to(self) -> dt.date | None: ...


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where numbers come from; ``date`` is theirs, ``retrieved`` when we read them."""

    title: Annotated[str, msgspec.Meta(min_length=1)]
    confidence: Literal["primary", "secondary", "assumption"]
    url: str | None = None
    date: dt.date | None = None
    retrieved: dt.date | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse a source without any time."""
        if self.date is None and self.retrieved is None:
            raise ValueError("a source needs `date` or `retrieved`")


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The price of one instance type for an hour, from a day on."""

    from_: dt.date = msgspec.field(name="from")
    to: dt.date | None = None
    per_hour: str
    free: bool = False
    source: str

    def __post_init__(self) -> None:
        """Refuse what is no amount, and a zero that nobody declared free."""
        check_rate(self.per_hour, free=self.free)


class InstanceType(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """One kind of machine that jobs are packed on."""

    name: Name
    vcpu: Positive
    memory_mib: Positive
    accelerators: NotNegative = 0
    source: str
    rates: tuple[Rate, ...]

    def __post_init__(self) -> None:
        """Refuse rates with a gap or an overlap."""
        check_ranges(self.rates)


class Billing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an instance's seconds are rounded up, from a day on."""

    from_: dt.date = msgspec.field(name="from")
    to: dt.date | None = None
    increment_s: Positive
    minimum_s: NotNegative
    source: str

    def billed_s(self, length_s: int, runs: int = 1) -> int:
        """Return the seconds charged for *runs* runs that lasted *length_s* together.

        >>> day = dt.date(2017, 10, 2)
        >>> rule = Billing(from_=day, increment_s=1, minimum_s=60, source="x")
        >>> rule.billed_s(5), rule.billed_s(90), rule.billed_s(90, runs=2)
        (60, 90, 120)
        """
        increments = -(-length_s // self.increment_s)
        return max(increments * self.increment_s, runs * self.minimum_s)


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rate for traffic up to an amount; the last tier has no end."""

    rate: str
    up_to: str | None = None
    free: bool = False
    source: str

    def __post_init__(self) -> None:
        """Refuse what is no amount, and a zero that nobody declared free."""
        check_rate(self.rate, free=self.free)
        if self.up_to is not None:
            amount_of(self.up_to)


class Allowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Traffic that costs nothing, each month and for each counter."""

    quantity: str
    placement: Literal["inside-first-tier", "before-tiers"]
    source: str

    def __post_init__(self) -> None:
        """Refuse what is no amount."""
        amount_of(self.quantity)


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The price of one class of traffic, from the first day of a month on.

    ``scope`` tells whose traffic climbs the tiers together: each payer's (a payer
    is a VO), the whole pool's, or each site's.
    """

    from_: dt.date = msgspec.field(name="from")
    to: dt.date | None = None
    unit: Literal["GB", "GiB"]
    scope: Literal["payer", "pool", "site"] = "payer"
    tiers: tuple[Tier, ...]
    allowance: Allowance | None = None

    def __post_init__(self) -> None:
        """Refuse tiers out of order, and a tariff that changes inside a month."""
        if any(day is not None and day.day != 1 for day in (self.from_, self.to)):
            raise ValueError("a tariff begins and ends on the first day of a month")
        _check_tiers(self.tiers)
        first = self.tiers[0].up_to
        if (
            self.allowance is not None
            and self.allowance.placement == "inside-first-tier"
            and first is not None
            and amount_of(self.allowance.quantity) > amount_of(first)
        ):
            raise ValueError("the allowance is larger than the first tier")

    @property
    def unit_bytes(self) -> int:
        """Bytes in one unit of the tariff."""
        return BYTES_PER_GB if self.unit == "GB" else BYTES_PER_GIB

    @property
    def is_free(self) -> bool:
        """Whether no amount of this traffic costs anything."""
        return all(tier.free for tier in self.tiers)


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tariffs of the six counted classes of traffic."""

    outgoing_internal: tuple[Tariff, ...]
    outgoing_external: tuple[Tariff, ...]
    outgoing_local: tuple[Tariff, ...]
    incoming_internal: tuple[Tariff, ...]
    incoming_external: tuple[Tariff, ...]
    incoming_local: tuple[Tariff, ...]

    def __post_init__(self) -> None:
        """Refuse tariffs with a gap or an overlap."""
        for name in self.__struct_fields__:
            try:
                check_ranges(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tariffs that stand in for the book's own where a statement asks by name."""

    name: Name
    title: Annotated[str, msgspec.Meta(min_length=1)]
    outgoing_internal: tuple[Tariff, ...] = ()
    outgoing_external: tuple[Tariff, ...] = ()
    outgoing_local: tuple[Tariff, ...] = ()
    incoming_internal: tuple[Tariff, ...] = ()
    incoming_external: tuple[Tariff, ...] = ()
    incoming_local: tuple[Tariff, ...] = ()

    def __post_init__(self) -> None:
        """Refuse tariffs with a gap or an overlap, and a what-if of nothing."""
        if not self.tariffs():
            raise ValueError(f"what-if {self.name} changes nothing")
        for entries in self.tariffs().values():
            check_ranges(entries)

    def tariffs(self) -> dict[str, tuple[Tariff, ...]]:
        """Return the tariffs that it changes, by their class of traffic."""
        names = Network.__struct_fields__
        found = {name: getattr(self, name) for name in names}
        return {name: entries for name, entries in found.items() if entries}


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every hourly rate is multiplied by, from a day on: a discount."""

    from_: dt.date = msgspec.field(name="from")
    to: dt.date | None = None
    per_hour: str
    source: str

    def __post_init__(self) -> None:
        """Refuse what is no amount, and a zero."""
        check_rate(self.per_hour, free=False)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole content of a price book."""

    format: Literal[1]
    id: Name
    title: str
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]
    region: str
    basis: Literal["on-demand", "spot", "reserved", "assumption"]
    packing: PackingRule
    sources: dict[Name, Source]
    billing: tuple[Billing, ...]
    instances: tuple[InstanceType, ...]
    network: Network
    base: str | None = None
    factors: tuple[Factor, ...] = ()
    what_if: tuple[WhatIf, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name used twice and billing rules with a gap or an overlap."""
        names = [instance.name for instance in self.instances]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"instance type {twice[0]} stands there twice")
        if not names:
            raise ValueError("no instance types")
        try:
            check_ranges(self.billing)
            if self.factors:
                check_ranges(self.factors)
        except ValueError as error:
            raise ValueError(f"billing or factors: {error}") from error


def amount_of(text: str) -> Decimal:
    """Return the amount that *text* writes out: digits, and a point if need be.

    >>> amount_of("0.0425")
    Decimal('0.0425')

    Raises:
        ValueError: A sign, an exponent, a separator, or nothing at all.
    """
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError(f"expected an amount such as 0.0425, found {text!r}")
    return Decimal(text)


def check_rate(text: str, *, free: bool) -> None:
    """Refuse a zero rate that is not declared free, and the reverse.

    In public price data a zero mostly means "missing".

    Raises:
        ValueError: As said, or *text* is no amount.
    """
    if (amount_of(text) == 0) != free:
        raise ValueError(
            f"rate {text!r} with free = {str(free).lower()}: a zero rate needs "
            "`free = true`, and only a zero rate is free"
        )


def check_ranges(ranges: Sequence[_Dated]) -> None:
    """Refuse dated ranges that are empty, unordered, overlap or leave a gap.

    Raises:
        ValueError: With the day at which it goes wrong.
    """
    if not ranges:
        raise ValueError("no dated entries")
    for index, entry in enumerate(ranges):
        following = ranges[index + 1].from_ if index + 1 < len(ranges) else None
        if entry.to is not None and entry.to <= entry.from_:
            raise ValueError(f"the range from {entry.from_} ends before it begins")
        if following is not None and entry.to != following:
            wrong = "gap" if entry.to and entry.to < following else "overlap"
            raise ValueError(
                f"{wrong}: the range from {entry.from_} ends at "
                f"{entry.to or 'no day'}, the next begins at {following}"
            )


def _check_tiers(tiers: Sequence[Tier]) -> None:
    if not tiers or tiers[-1].up_to is not None:
        raise ValueError("the last tier must have no `up_to`")
    bounds = [tier.up_to for tier in tiers[:-1]]
    if None in bounds:
        raise ValueError("only the last tier may have no `up_to`")
    amounts = [Decimal(0), *(amount_of(bound) for bound in bounds if bound)]
    if any(low >= high for low, high in itertools.pairwise(amounts)):
        raise ValueError("the tiers' `up_to` must increase")
