"""Sums of a rule's verdicts: integers until the last, money after that."""

import collections
from decimal import Decimal
from fractions import Fraction

from poolmeter.units import SECONDS_PER_HOUR
from reports.packing import Packer, PricedType, Shape
from reports.policy.job_ad import Row
from reports.policy.outcome import RuleOutcome, Saving
from reports.policy.trial import CannotTell, Hit, Verdict
from reports.price_periods import PricePeriod
from reports.rounding import cents, money

#: More different reasons than these are counted, not kept.
REASONS_KEPT = 1000
_OTHER_REASONS = "(other reasons)"
_UNKNOWN_REASON = "(cannot be told)"


class Prices:
    """What a second of a job's shape costs, at the job's end."""

    def __init__(self, periods: list[PricePeriod], vcpus_per_cpu: int) -> None:
        self._periods = periods
        self._packers = [Packer(period.types, vcpus_per_cpu) for period in periods]
        self._types = [{kind.name: kind for kind in p.types} for p in periods]

    def per_second(self, row: Row) -> Fraction:
        """Return the price of one second; 0 for what has none."""
        if not row["billable"]:
            return Fraction(0)
        ended_s = row["ended_at"].timestamp()
        for index, period in enumerate(self._periods):
            if period.start_s <= ended_s < period.end_s:
                return self._price(row, self._packers[index], self._types[index])
        return Fraction(0)

    @staticmethod
    def _price(row: Row, packer: Packer, types: dict[str, PricedType]) -> Fraction:
        memory = row["memory_provisioned_bytes"]
        if memory is None:
            memory = row["memory_requested_bytes"]
        fit = packer.fit(Shape(row["cpus_milli"], memory, row["gpus"] or 0))
        if isinstance(fit, str):
            return Fraction(0)
        kind = types[fit.instance_type]
        share = Fraction(fit.share_numerator, kind.share_denominator)
        return share * kind.per_hour / SECONDS_PER_HOUR


class Tally:
    """One rule's verdicts, added up."""

    def __init__(self, rule: str, action: str | None) -> None:
        self._rule, self._action = rule, action
        self._jobs = collections.Counter[str]()
        self._lacking = collections.Counter[str]()
        self._reasons = collections.Counter[str]()
        self._wall_s = self._core_ms = 0
        self._cost = Fraction(0)

    def add(self, verdict: Verdict, row: Row, per_second: Fraction) -> None:
        """Count one job."""
        if isinstance(verdict, CannotTell):
            self._jobs["cannot tell"] += 1
            self._lacking.update(verdict.lacking)
        elif isinstance(verdict, Hit):
            self._jobs["hit"] += 1
            self._add_reason(verdict.reason)
            self._save(verdict, row, per_second)
        else:
            self._jobs["not hit"] += 1

    def _save(self, hit: Hit, row: Row, per_second: Fraction) -> None:
        wall_s = row["wall_s"] or 0
        saved_s = wall_s - hit.wall_s
        self._wall_s += saved_s
        self._cost += saved_s * per_second
        if wall_s and row["core_ms"] is not None:
            self._core_ms += row["core_ms"] * saved_s // wall_s

    def _add_reason(self, reason: str | None) -> None:
        text = _UNKNOWN_REASON if reason is None else reason
        is_new = text not in self._reasons
        if is_new and len(self._reasons) >= REASONS_KEPT:
            text = _OTHER_REASONS
        self._reasons[text] += 1

    def outcome(self) -> RuleOutcome:
        """Return what has been counted."""
        cost: Decimal = money(round(cents(self._cost)))
        return RuleOutcome(
            rule=self._rule,
            action=self._action,
            jobs_hit=self._jobs["hit"],
            jobs_not_hit=self._jobs["not hit"],
            jobs_cannot_tell=self._jobs["cannot tell"],
            lacking=dict(sorted(self._lacking.items())),
            saved_at_most=Saving(wall_s=self._wall_s, core_ms=self._core_ms, cost=cost),
            reasons=self._reasons.most_common(),
        )
