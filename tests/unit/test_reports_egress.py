"""Egress tiers: the agreed check values, to the cent."""

from decimal import Decimal
from fractions import Fraction

import pytest

from reports.egress import traffic_cost
from reports.network_cost import User, network_costs
from reports.price_book import Tariff
from reports.rounding import apportion, cents, money
from tests.unit.reports_ledger import GB, book

_BEFORE = ("inside-first-tier", "before-tiers")
_GIB = (
    'unit = "GB"\nscope = "payer"\nallowance',
    'unit = "GiB"\nscope = "payer"\nallowance',
)
_POOL = ('scope = "payer"', 'scope = "pool"')


def _tariff(*changes: tuple[str, str]) -> Tariff:
    return book(*changes).terms.network.outgoing_external[0]


def _cost(tariff: Tariff, count_bytes: int) -> Decimal:
    return money(apportion([cents(traffic_cost(tariff, count_bytes))])[0])


@pytest.mark.parametrize(
    ("gigabytes", "inside", "before"),
    [
        (0, "0.00", "0.00"),
        (100, "0.00", "0.00"),
        (10_240, "912.60", "912.60"),
        (10_340, "921.10", "921.60"),
        (50_000, "4292.20", "4292.70"),
        (153_700, "11567.20", "11571.20"),
        (200_000, "13882.20", "13886.20"),
        (100_000, "7810.20", "7812.20"),
    ],
)
def test_tiers_are_graduated(gigabytes: int, inside: str, before: str) -> None:
    assert Decimal(inside) == _cost(_tariff(), gigabytes * GB)
    assert Decimal(before) == _cost(_tariff(_BEFORE), gigabytes * GB)


def test_a_gibibyte_is_not_a_gigabyte() -> None:
    assert Decimal("7329.46") == _cost(_tariff(_GIB), 10**14)
    assert Decimal("7331.46") == _cost(_tariff(_GIB, _BEFORE), 10**14)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), "14264.00"),
        ((_BEFORE,), "14268.00"),
        ((_POOL,), "12074.20"),
        ((_POOL, _BEFORE), "12078.20"),
    ],
)
def test_pooled_traffic_climbs_the_tiers_together(
    changes: tuple[tuple[str, str], ...], expected: str
) -> None:
    """Eight payers of 20,480 GB each."""
    terms = book(*changes).terms
    tariffs = {f"network_{name}_bytes": getattr(terms.network, name)[0]
               for name in terms.network.__struct_fields__}  # fmt: skip
    row = (None, 20_480 * GB, None, None, None, None)
    traffic = {User("t2", f"vo{n}", f"vo{n}"): row for n in range(8)}

    costs = network_costs(traffic, tariffs)

    assert Decimal(expected) == money(
        apportion([cents(sum(costs.values(), Fraction(0)))])[0]
    )
    assert len(set(costs.values())) == 1


def test_more_traffic_never_costs_less() -> None:
    costs = [traffic_cost(_tariff(), n * 997 * GB) for n in range(300)]

    assert sorted(costs) == costs


def test_the_sites_scope_counts_each_site_apart() -> None:
    terms = book(('scope = "payer"', 'scope = "site"')).terms
    tariffs = {f"network_{name}_bytes": getattr(terms.network, name)[0]
               for name in terms.network.__struct_fields__}  # fmt: skip
    row = (None, 20_480 * GB, None, None, None, None)
    apart = {User(f"site{n}", "cms", "cms") for n in range(8)}

    costs = network_costs(dict.fromkeys(apart, row), tariffs)

    assert Decimal("14264.00") == money(
        apportion([cents(sum(costs.values(), Fraction(0)))])[0]
    )
