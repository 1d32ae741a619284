"""What traffic costs: graduated tiers with an allowance, exact."""

from fractions import Fraction

from reports.price_book import Tariff, amount_of


def traffic_cost(tariff: Tariff, count_bytes: int) -> Fraction:
    """Return the exact cost of *count_bytes* that climb the tiers together.

    Graduated: each part of the traffic costs its own tier's rate, so that more
    traffic never costs less.  An allowance ``inside-first-tier`` frees the first
    part of the first tier; ``before-tiers`` it is taken off before the tiers begin.
    """
    quantity = Fraction(count_bytes, tariff.unit_bytes)
    free_until = Fraction(0)
    if tariff.allowance is not None:
        allowance = Fraction(amount_of(tariff.allowance.quantity))
        if tariff.allowance.placement == "before-tiers":
            quantity = max(Fraction(0), quantity - allowance)
        else:
            free_until = allowance
    cost = Fraction(0)
    low = Fraction(0)
    for tier in tariff.tiers:
        high = quantity if tier.up_to is None else Fraction(amount_of(tier.up_to))
        charged = min(quantity, high) - max(low, free_until)
        cost += max(Fraction(0), charged) * Fraction(amount_of(tier.rate))
        low = high
    return cost
