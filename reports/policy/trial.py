"""One rule tried on one ended job: would the schedd have acted, and when."""

import dataclasses
from collections.abc import Iterator

import classad2

from poolmeter import attributes
from reports.policy.expression import Expression, evaluate, holds
from reports.policy.job_ad import (
    HELD,
    Row,
    between_ads,
    running_ad,
    set_clock,
    waiting_ad,
)
from reports.policy.rules import Rule


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """The schedd would have acted after ``wall_s`` seconds of the job's wall time.

    ``reason`` is what the job would have been told; ``None`` where that names an
    attribute that the ledger lacks.
    """

    wall_s: int
    reason: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class CannotTell:
    """The rule names attributes, in lower case, that the ledger lacks for the job."""

    lacking: frozenset[str]


#: ``None``: the schedd would have done nothing.
Verdict = Hit | CannotTell | None


def try_rule(rule: Rule, row: Row) -> Verdict:
    """Return what *rule* would have done to the job of *row*.

    The rule is tried before the first start, while the job ran and after its last run.
    A hit at any of them is a hit; otherwise, what cannot be told at one of them cannot
    be told at all.
    """
    lacking: frozenset[str] = frozenset()
    for wall_s, ad in _moments(row):
        if rule.action == "hold" and ad.get(attributes.JOB_STATUS) == HELD:
            continue  # HTCondor does not hold what is held
        value = evaluate(rule.condition, ad)
        if holds(value):
            at_s = _earliest(rule.condition, ad, row) if wall_s is None else wall_s
            return Hit(at_s, _reason(rule, ad))
        lacking |= value.lacking
    return CannotTell(lacking) if lacking else None


def _moments(row: Row) -> Iterator[tuple[int | None, classad2.ClassAd]]:
    """Yield the moments at which the rule is tried, with the wall time spent by then.

    ``None`` stands for the run itself, in which the wall time is still to be found.
    """
    if ad := waiting_ad(row):
        yield 0, ad
    if ad := running_ad(row):
        set_clock(ad, row, row["wall_s"])
        yield None, ad
    for ad in between_ads(row):
        yield ad[attributes.REMOTE_WALL_CLOCK_TIME], ad


def _earliest(condition: Expression, ad: classad2.ClassAd, row: Row) -> int:
    """Return the wall time from which on *condition* holds, and leave *ad* there.

    Found by bisection, the sizes being those of the job's end: the real moment can
    only have been later, unless the condition ceases to hold with time.
    """
    no_s, yes_s = -1, row["wall_s"]
    while yes_s - no_s > 1:
        middle_s = (no_s + yes_s) // 2
        set_clock(ad, row, middle_s)
        if holds(evaluate(condition, ad)):
            yes_s = middle_s
        else:
            no_s = middle_s
    set_clock(ad, row, yes_s)
    return int(yes_s)


def _reason(rule: Rule, ad: classad2.ClassAd) -> str | None:
    """Return the job's ``HoldReason`` or ``RemoveReason``, as HTCondor words it."""
    if rule.reason is not None:
        value = evaluate(rule.reason, ad)
        if value.lacking:
            return None
        if isinstance(value.known, str) and value.known:
            return value.known
    return (
        f"The system macro {rule.name} expression '{rule.condition.text}' "
        "evaluated to TRUE"
    )
