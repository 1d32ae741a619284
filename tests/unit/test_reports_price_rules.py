"""Packing rules, factors, bases and what-ifs of price books."""

from fractions import Fraction
from pathlib import Path

import pytest

from poolmeter.errors import PriceBookError
from reports.months import parse_month
from reports.packing import NO_GPU_TYPE, NOTHING_FITS, Fit, Packer, Shape
from reports.price_book_file import find_book, parse_book, shipped_books
from reports.price_periods import PricePeriod, price_periods, tariffs
from reports.statement import statement
from tests.unit.reports_ledger import BOOK_TOML, GB, GIB, book, job, write_ledger

_MONTH = parse_month("2026-10")
_RULE = 'packing = "cheapest-fit"'


def _period(rule: str) -> PricePeriod:
    (period,) = price_periods(book((_RULE, f'packing = "{rule}"')).terms, _MONTH)
    return period


def _cost(period: PricePeriod, shape: Shape) -> tuple[str, Fraction]:
    fit = Packer(period.types).fit(shape)
    assert isinstance(fit, Fit)
    (kind,) = (kind for kind in period.types if kind.name == fit.instance_type)
    share = Fraction(fit.share_numerator, kind.share_denominator)
    return fit.instance_type, share * kind.per_hour


@pytest.mark.parametrize(
    ("gib", "expected"), [(2, "0.085"), (4, "0.085"), (5, "0.096"), (16, "0.126")]
)
def test_a_whole_instance_is_the_cheapest_that_is_large_enough(
    gib: int, expected: str
) -> None:
    assert _cost(_period("whole-instance"), Shape(1000, gib * GIB, 0))[1] == Fraction(
        expected
    )


def test_a_whole_instance_must_be_large_enough() -> None:
    fit = Packer(_period("whole-instance").types).fit

    assert fit(Shape(3000, GIB, 0)) == NOTHING_FITS
    assert fit(Shape(1000, GIB, 1)) == NO_GPU_TYPE


def test_per_core_counts_cpus_only_and_as_many_as_there_are() -> None:
    period = _period("per-core")

    assert _cost(period, Shape(1000, 512 * GIB, 0)) == ("c5.large", Fraction("0.0425"))
    assert _cost(period, Shape(64_000, None, 0))[1] == Fraction("0.0425") * 64
    assert Packer(period.types).fit(Shape(1000, GIB, 1)) == NO_GPU_TYPE
    assert Packer(period.types).fit(Shape(2**62, GIB, 0)) == NOTHING_FITS


def test_the_sites_own_cost_is_a_core_hours(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, *[job(cpus_milli=8000)] * 1000)

    made = statement(ledger, "2026-10", book=find_book("site-template"))

    assert str(made.totals.total_cost) == "61.80"  # 8,000 core hours of 0.4944 / 64


@pytest.mark.parametrize(("name", "factor"), [("spot", "0.35"), ("savings", "0.72")])
def test_a_book_on_a_base_is_the_base_times_its_factor(name: str, factor: str) -> None:
    base, other = (
        price_periods(find_book(f"ec2-us-east-1-2026{end}").terms, _MONTH)[0].types
        for end in ("", f"-{name}")
    )

    assert [k.per_hour * Fraction(factor) for k in base] == [k.per_hour for k in other]


def test_factors_are_marked_as_assumptions() -> None:
    for name in shipped_books():
        terms = find_book(name).terms
        for factor in terms.factors:
            assert terms.sources[factor.source].confidence == "assumption"


def test_a_factor_may_change_inside_a_month_and_end() -> None:
    factors = """
[[factors]]
from = 2026-01-01
to = 2026-10-11
per_hour = "0.5"
source = "s"
"""
    changed = parse_book((BOOK_TOML + factors).encode(), where="b.toml")

    first, second = price_periods(changed.terms, _MONTH)

    assert first.types[0].per_hour == Fraction("0.0425")
    assert second.types == ()


def test_a_what_if_changes_the_tariffs_and_the_books_name() -> None:
    plain, asked = (
        find_book(name)
        for name in ("ec2-us-east-1-2026", "ec2-us-east-1-2026+inter-az")
    )

    assert asked.terms.id == "ec2-us-east-1-2026+inter-az"
    name = "network_outgoing_internal_bytes"
    rates = [tariffs(b.terms, _MONTH)[name].tiers[0].rate for b in (plain, asked)]
    assert rates == ["0", "0.01"]
    with pytest.raises(PriceBookError, match="expected a what-if of inter-az"):
        find_book("ec2-us-east-1-2026+nothing")


def test_a_what_if_costs_what_it_says(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path, job(network_outgoing_internal_bytes=500 * GB, gpus=None)
    )
    asked = find_book("ec2-us-east-1-2026+inter-az")

    assert str(statement(ledger, "2026-10", book=asked).totals.network_cost) == "5.00"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("ec2-us-east-1-2026-spot", "expected a book without a base"),
        ("nothing", "expected a path or one of"),
    ],
)
def test_a_base_is_a_book_without_a_base(base: str, message: str) -> None:
    text = f'format = 1\nid = "x"\ntitle = "x"\nbase = "{base}"\n'

    with pytest.raises(PriceBookError, match=message):
        parse_book(text.encode(), where="b.toml")


def test_then_every_begun_hour_was_an_hour(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(memory_provisioned_bytes=GIB, wall_s=3601, last_run_wall_s=3601),
        job(cpus_milli=4000, wall_s=60, last_run_wall_s=60,
            network_outgoing_external_bytes=11 * GB),
    )  # fmt: skip

    made = statement(ledger, "2026-10", book=find_book("ec2-2011"))

    assert str(made.totals.compute_cost) == "0.86"  # 2 x 0.03 and 0.80
    assert str(made.totals.network_cost) == "1.20"
