"""A policy's outcome as text and as JSON; user text can do nothing in either."""

import io
import json
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from poolmeter.units import MS_PER_S
from reports.policy.outcome import BOUND, HitJob, PolicyOutcome, RuleOutcome
from reports.text_words import hours_text, shown

#: Reasons of a rule that are shown; all are in the JSON.
_REASONS_SHOWN = 5
_REASON_WIDTH = 100
_PLACES = 1


def render_policy_json(outcome: PolicyOutcome) -> str:
    """Return *outcome* as JSON in ASCII."""
    return json.dumps(outcome.to_json(), ensure_ascii=True, indent=2) + "\n"


def render_policy_text(outcome: PolicyOutcome, width: int) -> str:
    """Return *outcome* as lines for a terminal."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, markup=False
    )
    console.print(Text(_title(outcome)))
    console.print(_rules(outcome))
    for line in _reason_lines(outcome.outcomes[:-1]):
        console.print(Text(line))
    if outcome.hit_jobs:
        console.print(_jobs(outcome.hit_jobs))
    console.print(Text(BOUND))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _title(outcome: PolicyOutcome) -> str:
    return (
        f"Policy tried on the {outcome.jobs:,} jobs that ended in {outcome.month}, "
        f"priced in {outcome.currency} at {outcome.book_id}."
    )


def _table(*titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, title in enumerate(titles):
        table.add_column(Text(title), justify="right" if index else "left")
    return table


def _rules(outcome: PolicyOutcome) -> Table:
    table = _table(
        "Rule", "Hit", "Not hit", "Cannot tell", "Wall h <=", "Core h <=", "Saved <="
    )
    for one in outcome.outcomes:
        saved = one.saved_at_most
        cells = (
            one.rule,
            f"{one.jobs_hit:,}",
            f"{one.jobs_not_hit:,}",
            f"{one.jobs_cannot_tell:,}",
            hours_text(saved.wall_s, _PLACES),
            hours_text(saved.core_ms // MS_PER_S, _PLACES),
            f"{saved.cost:,}",
        )
        table.add_row(*map(Text, cells))
    return table


def _reason_lines(outcomes: Sequence[RuleOutcome]) -> list[str]:
    lines = []
    for one in outcomes:
        if one.lacking:
            lacking = ", ".join(f"{name} ({n:,})" for name, n in one.lacking.items())
            lines.append(
                f"{one.rule}: cannot tell where the ledger lacks {shown(lacking, 400)}"
            )
        for reason, jobs in one.reasons[:_REASONS_SHOWN]:
            lines.append(f"{one.rule}: {jobs:,} x {shown(reason, _REASON_WIDTH)}")
        left = one.reasons[_REASONS_SHOWN:]
        if left:
            jobs = sum(jobs for _, jobs in left)
            lines.append(f"{one.rule}: {jobs:,} with {len(left):,} other reasons")
    return lines


def _jobs(hit_jobs: Sequence[HitJob]) -> Table:
    table = _table("Job", "VO", "Owner", "Rule", "After h", "Of h", "Reason")
    for job in hit_jobs:
        cells = (
            f"{shown(job.schedd)} {job.cluster_id}.{job.proc_id}",
            shown(job.vo),
            shown(job.owner or "-"),
            job.rule,
            hours_text(job.after_wall_s, _PLACES),
            hours_text(job.wall_s, _PLACES),
            shown(job.reason or "(cannot be told)", _REASON_WIDTH),
        )
        table.add_row(*map(Text, cells))
    return table
