"""What was lost to each reason of a hold, as an ibis expression."""

from typing import Any

import ibis

from reports.charge_expression import Table, jobs_table
from reports.exact_functions import product, summand
from reports.payer_expression import payer_of
from reports.price_periods import PricePeriod
from reports.use_expression import INPUTS, priced, was_held
from reports.use_kinds import KINDS

#: How many reasons a statement shows.
SHOWN_REASONS = 12

#: The columns of :func:`holds`.  Ranks begin at 0.
COLUMNS = (
    "payer",
    "code",
    "reason",
    "fit",
    "jobs",
    "held_s",
    "share_s",
    "rank_of_all",
    "rank_of_payer",
)

#: Of a reason only this much is read.
_REASON_CHARS = 300

# ibis's own type of it knows no arithmetic.
_ifelse: Any = ibis.ifelse


def holds(shapes: Table, period: PricePeriod) -> Table:
    """Return what was lost to each reason of a hold, in all and of each payer.

    ``held_s`` are seconds in vain only; a job counts also if it ended well after a
    hold.  Digits in the text are hidden, so that hosts and numbers do not part the
    reasons.  Kept are the first reasons of all, and the first of each payer.
    """
    table = jobs_table((*INPUTS, "vo", "hold_reason"))
    jobs = priced(table.filter(was_held(table)), shapes, period)
    text = jobs.hold_reason.fill_null("").substr(0, _REASON_CHARS)
    is_held = jobs.kind == KINDS.index("held")
    jobs = jobs.mutate(
        payer=payer_of(jobs),
        code=jobs.hold_reason_code,
        reason=text.re_replace("[0-9]+", "#"),
        is_one=jobs.is_job.cast("int64"),
        held_s=jobs.part_before_s + _ifelse(is_held, jobs.part_last_s, 0),
        held_billed_s=jobs.billed_before_s + _ifelse(is_held, jobs.billed_last_s, 0),
    )
    found = jobs.group_by(["payer", "code", "reason", "fit"]).aggregate(
        jobs=summand(jobs.is_one).sum(),
        held_s=summand(jobs.held_s).sum(),
        share_s=product(jobs.held_billed_s, jobs.share_numerator).sum(),
    )
    return _shown(_ranked(_ranked(found, "all", []), "payer", ["payer"]))


def _ranked(found: Table, side: str, whose: list[str]) -> Table:
    """Return *found* with ``rank_of_...``: the reason's among those of *whose*."""
    reason = ibis.window(group_by=[*whose, "code", "reason"])
    weighed = found.mutate(
        all_s=found.held_s.sum().over(reason), all_jobs=found.jobs.sum().over(reason)
    )
    order = [
        weighed.all_s.desc(),
        weighed.all_jobs.desc(),
        weighed.code.asc(nulls_first=False),
        weighed.reason.asc(),
    ]
    rank: Any = ibis.dense_rank().over(group_by=whose, order_by=order)
    return weighed.mutate(**{f"rank_of_{side}": rank}).drop("all_s", "all_jobs")


def _shown(found: Table) -> Table:
    is_shown = (found.rank_of_all < SHOWN_REASONS) | (
        found.rank_of_payer < SHOWN_REASONS
    )
    order = ["rank_of_all", "rank_of_payer", "payer", "fit"]
    return found.filter(is_shown).select(*COLUMNS).order_by(order)
