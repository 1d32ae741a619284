"""The only place where an exact quantity becomes a shown number.

Rounding is half-even and happens at the lines of a statement, never for a job.
Inside a payer the parts are rounded by largest remainder, so that they add up to
the payer's own rounded line.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


def apportion(parts: Sequence[Fraction], total: int | None = None) -> list[int]:
    """Return whole numbers near *parts* whose sum is the sum rounded half-even.

    Each result is its part rounded down or up; the parts with the largest
    remainders go up, of equal ones the earlier.  *total* is the sum where it has been
    rounded already, up or down, among others.

    >>> apportion([Fraction(1, 3)] * 3)
    [1, 0, 0]
    >>> apportion([Fraction(5, 2), Fraction(0)])
    [2, 0]
    >>> apportion([Fraction(1, 3)] * 2, 1)
    [1, 0]
    """
    floors = [part.__floor__() for part in parts]
    if total is None:
        total = round(sum(parts, Fraction(0)))
    missing = total - sum(floors)
    by_remainder = sorted(
        range(len(parts)), key=lambda i: parts[i] - floors[i], reverse=True
    )
    for index in by_remainder[:missing]:
        floors[index] += 1
    return floors


def cents(amount: Fraction) -> Fraction:
    """Return *amount* in hundredths, for :func:`apportion`.

    >>> cents(Fraction(1, 8))
    Fraction(25, 2)
    """
    return amount * 100


def money(count_cents: int) -> Decimal:
    """Return whole cents as an amount with two places.

    >>> money(120_000)
    Decimal('1200.00')
    """
    return Decimal(count_cents).scaleb(-2)
