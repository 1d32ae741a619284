"""Cheapest fit: the agreed check values, and what is never done."""

from fractions import Fraction

import pytest

from reports.months import parse_month
from reports.packing import NO_CPUS, NO_GPU_TYPE, NOTHING_FITS, Fit, Packer, Shape
from reports.price_book_file import find_book
from reports.price_periods import PricePeriod, price_periods
from tests.unit.reports_ledger import GIB, book

_GPU_TYPE = """
[[instances]]
name = "g5.xlarge"
vcpu = 4
memory_mib = 16384
accelerators = 1
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.01", source = "s" }]

[[network.outgoing_external]]"""


def _period(*changes: tuple[str, str]) -> PricePeriod:
    (period,) = price_periods(book(*changes).terms, parse_month("2026-10"))
    return period


def _hour(period: PricePeriod, shape: Shape, vcpus_per_cpu: int = 1) -> tuple[str, str]:
    """Return the type that *shape* is packed on and the price of an hour."""
    fit = Packer(period.types, vcpus_per_cpu).fit(shape)
    assert isinstance(fit, Fit)
    (kind,) = (kind for kind in period.types if kind.name == fit.instance_type)
    cost = Fraction(fit.share_numerator, kind.share_denominator) * kind.per_hour
    return fit.instance_type, f"{float(cost):.6g}"


@pytest.mark.parametrize(
    ("gib", "expected"),
    [(2, ("c5.large", "0.0425")), (3, ("m5.large", "0.048")),
     (8, ("r5.large", "0.063"))],
)  # fmt: skip
def test_one_core_is_packed_where_its_share_costs_least(
    gib: int, expected: tuple[str, str]
) -> None:
    assert expected == _hour(_period(), Shape(1000, gib * GIB, 0))


@pytest.mark.parametrize(("gib", "cost"), [(2, "0.0425"), (3, "0.048"), (8, "0.063")])
def test_the_shipped_book_prices_one_core_likewise(gib: int, cost: str) -> None:
    terms = find_book("ec2-us-east-1-2026").terms
    (period,) = price_periods(terms, parse_month("2026-10"))

    assert cost == _hour(period, Shape(1000, gib * GIB, 0))[1]


def test_of_equal_costs_the_first_name_wins() -> None:
    twin = ('name = "r5.large"', 'name = "b5.large"')
    memory = ("memory_mib = 16384", "memory_mib = 4096")
    rate = ('per_hour = "0.126"', 'per_hour = "0.085"')

    assert _hour(_period(twin, memory, rate), Shape(1000, GIB, 0))[0] == "b5.large"


def test_a_core_may_stand_for_two_vcpus() -> None:
    assert _hour(_period(), Shape(1000, GIB, 0), 2) == ("c5.large", "0.085")


def test_what_fits_nowhere_has_no_price() -> None:
    fit = Packer(_period().types).fit

    assert fit(Shape(2001, GIB, 0)) == NOTHING_FITS
    assert fit(Shape(1000, 16 * GIB + 1, 0)) == NOTHING_FITS
    assert fit(Shape(1000, GIB, 1)) == NO_GPU_TYPE


@pytest.mark.parametrize("cpus_milli", [None, 0, -1000])
def test_a_job_of_unknown_size_is_not_free(cpus_milli: int | None) -> None:
    assert Packer(_period().types).fit(Shape(cpus_milli, None, 0)) == NO_CPUS


def test_without_known_memory_the_cpus_alone_decide() -> None:
    assert _hour(_period(), Shape(1000, None, 0)) == ("c5.large", "0.0425")


def test_a_type_with_gpus_is_for_jobs_with_gpus_only() -> None:
    """Although it would be the cheapest by far."""
    period = _period(("\n[[network.outgoing_external]]", _GPU_TYPE))

    assert _hour(period, Shape(1000, GIB, 0)) == ("c5.large", "0.0425")
    assert _hour(period, Shape(1000, GIB, 1)) == ("g5.xlarge", "0.01")
    assert Packer(period.types).fit(Shape(1000, GIB, 2)) == NOTHING_FITS
