"""A policy tried on the jobs that ended in a month: one call, data out."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from poolmeter.ledger.scan import job_batches
from reports.months import Month, parse_month
from reports.policy.job_ad import COLUMNS, Row
from reports.policy.outcome import HitJob, PolicyOutcome
from reports.policy.rules import Rule
from reports.policy.tally import Prices, Tally
from reports.policy.trial import CannotTell, Hit, Verdict, try_rule
from reports.question import Pricing, ask

_MORE_COLUMNS = ("schedd", "vo", "billable", "gpus", "core_ms")

#: Told the number of jobs that have been tried.
Progress = Callable[[int], None]


def try_policy(
    ledger: Path,
    month: Month | str,
    rules: Sequence[Rule],
    pricing: Pricing,
    *,
    vo: str | None = None,
    hit_jobs_limit: int = 0,
    progress: Progress | None = None,
) -> PolicyOutcome:
    """Return what *rules* would have done to the jobs that ended in *month*.

    At most *hit_jobs_limit* jobs are named, the first of the ledger.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book has no prices for the month.
        LedgerError: The ledger cannot be read.
    """
    month = parse_month(month) if isinstance(month, str) else month
    question = ask(ledger, month, pricing, "vo", vo)
    prices = Prices(list(question.periods), pricing.vcpus_per_cpu)
    tallies = [Tally(rule.name, rule.action) for rule in rules]
    together = Tally("any", None)
    by_vo = collections.Counter[str]()
    named: list[HitJob] = []
    count = 0
    for row in _rows(ledger, month, question.vo, progress):
        count += 1
        verdicts = [try_rule(rule, row) for rule in rules]
        per_second = prices.per_second(row)
        for tally, verdict in zip(tallies, verdicts, strict=True):
            tally.add(verdict, row, per_second)
        first = _first(verdicts)
        together.add(first, row, per_second)
        if isinstance(first, Hit):
            by_vo[row["vo"]] += 1
            if len(named) < hit_jobs_limit:
                named.append(_hit_job(row, rules[verdicts.index(first)], first))
    return PolicyOutcome(
        month=str(month),
        currency=pricing.book.terms.currency,
        book_id=pricing.book.terms.id,
        jobs=count,
        outcomes=[tally.outcome() for tally in (*tallies, together)],
        by_vo=dict(by_vo.most_common()),
        hit_jobs=named,
    )


def _rows(
    ledger: Path, month: Month, vo: str | None, progress: Progress | None
) -> Iterator[Row]:
    """Yield the rows of the jobs that ended in *month*, of *vo* or of all."""
    names = list(dict.fromkeys([*COLUMNS, *_MORE_COLUMNS]))
    days = (month.first_day, month.last_day)
    for batch in job_batches(
        ledger, columns=names, first_day=days[0], last_day=days[1]
    ):
        for row in batch.to_pylist():
            if vo in (None, row["vo"]):
                yield row
        if progress is not None:
            progress(batch.num_rows)


def _first(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the earliest hit, else all that could not be told, else nothing."""
    verdicts = list(verdicts)
    hits = [verdict for verdict in verdicts if isinstance(verdict, Hit)]
    if hits:
        return min(hits, key=lambda hit: hit.wall_s)
    unknown = [v.lacking for v in verdicts if isinstance(v, CannotTell)]
    return CannotTell(frozenset().union(*unknown)) if unknown else None


def _hit_job(row: Row, rule: Rule, hit: Hit) -> HitJob:
    return HitJob(
        schedd=row["schedd"],
        cluster_id=row["cluster_id"],
        proc_id=row["proc_id"],
        owner=row["owner"],
        vo=row["vo"],
        rule=rule.name,
        after_wall_s=hit.wall_s,
        wall_s=row["wall_s"] or 0,
        reason=hit.reason,
    )
