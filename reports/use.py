"""Prices the use of slots by kind, by whose machine it was, and by reason of holds.

Every amount is the price that the lines give to the same seconds.  What one payer's
line was rounded to is divided among the kinds and the machines by largest remainder,
so that they add up to the lines, to the second, the byte and the cent.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from poolmeter.units import MS_PER_S, SECONDS_PER_HOUR
from reports.line import Line
from reports.packing import PricedType
from reports.question import Question
from reports.rounding import apportion, cents, money
from reports.use_blocks import blocks_of
from reports.use_data import Efficiency, HoldReason, KindOfUse, Use
from reports.use_kinds import KINDS, SCALING_UNIT
from reports.use_sums import HoldSum, UseSum, UseSums, shown_holds


@dataclasses.dataclass(slots=True)
class _Amount:
    """Sums before rounding."""

    jobs: int = 0
    wall_s: int = 0
    core_ms: int = 0
    gpu_s: int = 0
    compute: Fraction = Fraction(0)


def priced_use(question: Question, found: UseSums, totals: Line) -> Use:
    """Return the use that *found* tells, held against the lines' *totals*.

    *found* is of all VOs; the question may be of one.
    """
    prices = _Prices(question)
    vo = question.vo
    sums = [charge for charge in found.use if vo in (None, charge.payer)]
    kinds = _kinds(sums, prices.compute_cost)
    return Use(
        kinds=kinds,
        blocks=blocks_of(found.use, prices.compute_cost, question.tariffs, vo),
        efficiency=_efficiencies(sums),
        overall=_efficiency(sums),
        hold_reasons=_hold_reasons(shown_holds(found.holds, vo), prices),
        difference=_difference(sums, kinds, totals),
    )


class _Prices:
    """The instance types of a question's periods, by name."""

    def __init__(self, question: Question) -> None:
        self._types: list[dict[str, PricedType]] = [
            {kind.name: kind for kind in period.types} for period in question.periods
        ]

    def compute_cost(self, charge: UseSum) -> Fraction:
        """Return billed seconds x share x rate, exactly."""
        return self.cost(charge.period, charge.instance_type, charge.billed_share_s)

    def cost(self, period: int, instance_type: str, share_s: int) -> Fraction:
        """Return seconds x share numerators x rate, exactly."""
        kind = self._types[period][instance_type]
        hours = Fraction(share_s, kind.share_denominator * SECONDS_PER_HOUR)
        return hours * kind.per_hour


def _kinds(
    sums: Iterable[UseSum], cost_of: Callable[[UseSum], Fraction]
) -> tuple[KindOfUse, ...]:
    """Return every kind of use, rounded inside each payer so that the kinds add up."""
    amounts: dict[str, dict[str, _Amount]] = defaultdict(
        lambda: {kind: _Amount() for kind in KINDS}
    )
    for charge in sums:
        amount = amounts[charge.payer][charge.kind]
        lost_runs = charge.kind in ("held", "evicted")
        amount.jobs += charge.jobs_touched if lost_runs else charge.jobs
        amount.wall_s += charge.wall_s
        amount.core_ms += charge.core_ms or 0
        amount.gpu_s += charge.gpu_s
        amount.compute += cost_of(charge)
    totals = {kind: KindOfUse(kind=kind) for kind in KINDS}
    for of_payer in amounts.values():
        for kind, rounded in _rounded(of_payer).items():
            totals[kind] = _sum(totals[kind], rounded)
    return tuple(totals.values())


def _rounded(amounts: Mapping[str, _Amount]) -> dict[str, KindOfUse]:
    compute = apportion([cents(amount.compute) for amount in amounts.values()])
    core = apportion([Fraction(a.core_ms, MS_PER_S) for a in amounts.values()])
    return {
        kind: KindOfUse(
            kind=kind,
            jobs=amount.jobs,
            wall_s=amount.wall_s,
            core_s=core[index],
            gpu_s=amount.gpu_s,
            compute_cost=money(compute[index]),
        )
        for index, (kind, amount) in enumerate(amounts.items())
    }


def _sum(mine: KindOfUse, other: KindOfUse) -> KindOfUse:
    return KindOfUse(
        kind=mine.kind,
        jobs=mine.jobs + other.jobs,
        wall_s=mine.wall_s + other.wall_s,
        core_s=mine.core_s + other.core_s,
        gpu_s=mine.gpu_s + other.gpu_s,
        compute_cost=mine.compute_cost + other.compute_cost,
    )


def _efficiencies(sums: Iterable[UseSum]) -> dict[str, Efficiency]:
    by_name: dict[str, list[UseSum]] = defaultdict(list)
    for charge in sums:
        by_name[charge.name].append(charge)
    return {name: _efficiency(of_name) for name, of_name in sorted(by_name.items())}


def _efficiency(sums: Sequence[UseSum]) -> Efficiency:
    scaled = _known_sum(charge.scaled_core for charge in sums)
    with_scaling = _known_sum(charge.core_ms_with_scaling for charge in sums)
    return Efficiency(
        memory_used_byte_s=_known_sum(charge.memory_used_byte_s for charge in sums),
        memory_held_byte_s=_known_sum(charge.memory_held_byte_s for charge in sums),
        scaled_core_s=_divided(scaled, MS_PER_S * SCALING_UNIT),
        core_s_with_scaling=_divided(with_scaling, MS_PER_S),
    )


def _known_sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known, ``None`` if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _divided(value: int | None, by: int) -> int | None:
    return None if value is None else round(Fraction(value, by))


def _hold_reasons(holds: Iterable[HoldSum], prices: _Prices) -> tuple[HoldReason, ...]:
    amounts: dict[tuple[int | None, str], _Amount] = defaultdict(_Amount)
    for hold in holds:
        amount = amounts[hold.code, hold.reason]
        amount.jobs += hold.jobs
        amount.wall_s += hold.held_s
        amount.compute += prices.cost(hold.period, hold.instance_type, hold.share_s)
    return tuple(
        HoldReason(
            code=code,
            reason=reason,
            jobs=amount.jobs,
            wall_s=amount.wall_s,
            compute_cost=money(round(cents(amount.compute))),
        )
        for (code, reason), amount in amounts.items()
    )


def _difference(
    sums: Iterable[UseSum], kinds: Iterable[KindOfUse], totals: Line
) -> int:
    """Return jobs, seconds and cents by which the lines' *totals* differ."""
    jobs = sum(charge.jobs for charge in sums)
    wall_s, cost = 0, Decimal(0)
    for kind in kinds:
        wall_s += kind.wall_s
        cost += kind.compute_cost
    apart_cents = int(abs(cost - totals.compute_cost).scaleb(2))
    return abs(jobs - totals.jobs) + abs(wall_s - totals.wall_s) + apart_cents
