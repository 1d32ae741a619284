"""Which part of a job's charge intervals lies in which part of a month."""

import dataclasses
from collections.abc import Sequence

from reports.charge_intervals import Interval, overlap_s
from reports.price_periods import PricePeriod


@dataclasses.dataclass(slots=True)
class Slice:
    """What one job's intervals add to one price period.

    Each of ``parts`` is a range of the job's own wall seconds, counted through all
    its intervals from 0.
    """

    wall_s: int = 0
    billed_s: int = 0
    parts: list[tuple[int, int]] = dataclasses.field(default_factory=list)


def slices_of(
    intervals: Sequence[Interval], periods: Sequence[PricePeriod]
) -> dict[int, Slice]:
    """Return the slice of each period, by index, that *intervals* reach into.

    Seconds go where they lie.  What the book's billing rule adds to a run (its
    minimum, its increment) goes to the period in which the run starts, once for each
    run that the interval stands for.
    """
    found: dict[int, Slice] = {}
    before_s = 0
    for interval in intervals:
        start_s, end_s = interval.start_s, interval.end_s
        for index, period in enumerate(periods):
            wall_s = overlap_s(start_s, end_s, period.start_s, period.end_s)
            begins = period.start_s <= start_s < period.end_s
            if not wall_s and not begins:
                continue
            part = found.setdefault(index, Slice())
            part.wall_s += wall_s
            part.billed_s += wall_s + (_top_up_s(interval, period) if begins else 0)
            from_s = before_s + max(0, period.start_s - start_s)
            part.parts.append((from_s, from_s + wall_s))
        before_s += end_s - start_s
    return found


def portion(total: int, wall_s: int, parts: Sequence[tuple[int, int]]) -> int:
    """Return how much of a job's *total* belongs to *parts* of its *wall_s* seconds.

    Whole numbers that telescope: over all parts of a job they sum to *total*.

    >>> portion(10, 3, [(0, 1)]), portion(10, 3, [(1, 2)]), portion(10, 3, [(2, 3)])
    (3, 3, 4)
    """
    return sum(
        total * to_s // wall_s - total * from_s // wall_s for from_s, to_s in parts
    )


def _top_up_s(interval: Interval, period: PricePeriod) -> int:
    if period.billing is None:
        return 0
    length_s = interval.end_s - interval.start_s
    return period.billing.billed_s(length_s, interval.runs) - length_s
