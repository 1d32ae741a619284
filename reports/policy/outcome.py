"""What a policy would have done to a month's jobs, as data."""

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

#: How much of the wall time after a hit would have been saved.
BOUND = (
    "Saved is an upper bound: all wall time after the earliest moment at which the "
    "condition holds with the job's final sizes. A job that is released runs again."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """At most this would not have been used: wall time, core time, money.

    ``core_ms`` leaves out jobs whose core time is unknown; ``cost`` those without a
    price.
    """

    wall_s: int
    core_ms: int
    cost: Decimal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    """One rule, or all together (``rule`` is then ``any``).

    ``jobs_hit`` + ``jobs_not_hit`` + ``jobs_cannot_tell`` are all jobs of the month;
    ``lacking`` counts the jobs that could not be told, by attribute.
    """

    rule: str
    action: str | None
    jobs_hit: int
    jobs_not_hit: int
    jobs_cannot_tell: int
    lacking: Mapping[str, int]
    saved_at_most: Saving
    reasons: Sequence[tuple[str, int]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HitJob:
    """A job that the policy would have hit, by the rule that would have been first."""

    schedd: str
    cluster_id: int
    proc_id: int
    owner: str | None
    vo: str
    rule: str
    after_wall_s: int
    wall_s: int
    reason: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOutcome:
    """All rules over the jobs that ended in *month*; the last outcome is ``any``."""

    month: str
    currency: str
    book_id: str
    jobs: int
    outcomes: Sequence[RuleOutcome]
    by_vo: Mapping[str, int]
    hit_jobs: Sequence[HitJob]

    def to_json(self) -> dict[str, Any]:
        """Return the outcome under its names in the format; costs are strings."""
        found = dataclasses.asdict(self)
        for outcome in found["outcomes"]:
            outcome["saved_at_most"]["cost"] = str(outcome["saved_at_most"]["cost"])
            outcome["reasons"] = [
                {"reason": reason, "jobs": jobs} for reason, jobs in outcome["reasons"]
            ]
        return {**found, "bound": BOUND}
