"""Rounding: half-even, once, and parts that add up."""

from decimal import Decimal
from fractions import Fraction

from reports.rounding import apportion, cents, money


def test_halves_are_rounded_to_even() -> None:
    assert [apportion([Fraction(n, 2)])[0] for n in (1, 3, 5, 7)] == [0, 2, 2, 4]


def test_the_largest_remainders_are_rounded_up() -> None:
    parts = [Fraction(14, 10), Fraction(17, 10), Fraction(19, 10)]

    assert apportion(parts) == [1, 2, 2]


def test_parts_add_up_to_the_rounded_sum() -> None:
    parts = [Fraction(n, 7) for n in range(100)]

    assert sum(apportion(parts)) == round(sum(parts))


def test_nothing_is_divided_into_nothing() -> None:
    assert apportion([]) == []


def test_cents_become_an_amount_with_two_places() -> None:
    (count,) = apportion([cents(Fraction(1, 3))])

    assert money(count) == Decimal("0.33")
    assert str(money(0)) == "0.00"
