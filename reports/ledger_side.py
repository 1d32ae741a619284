"""The ledger's own side of a reconciliation: counted apart from the charges.

Nothing here uses ``charge_intervals`` or ``charge_expression``.  A job whose row is all
that is known of it held its slot for wall_s seconds that end with its last run,
whatever part of them belongs to which run: that is derived again in closed form.  Of a
job with intervals of its runs, its own row counts, less what lies in other months.
"""

from collections import Counter, defaultdict
from typing import Any

import ibis

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_expression import (
    Table,
    is_last_of_job,
    is_of_kind,
    jobs_table,
    replaced_table,
)
from reports.engine import Engine
from reports.exact_functions import seconds, summand
from reports.known_runs_sql import QUEUED, QUEUED_EXITED
from reports.months import Month
from reports.payer_expression import payer_of
from reports.statement_data import COMPARED, UNKNOWN, ContradictedJob

SHOWN_JOBS = 20

#: Sums are asked for in so many parts of each VO: for less than some thirty groups
#: DuckDB 2.0 takes 200 MiB more than for thousands.
_PARTS = 64

# ibis's own type of it knows no arithmetic.
_least: Any = ibis.least

_TIMES = (
    "vo",
    "ended_at",
    "last_started_at",
    "wall_s",
    "last_run_wall_s",
    "runs",
)
_NAMES = ("schedd", "cluster_id", "proc_id", "owner", "contradictions")

#: What is longer began before every month that has a statement.
_FOREVER_S = 2**61


def ledger_totals(engine: Engine, month: Month) -> dict[str, dict[str, int]]:
    """Return jobs, seconds and known bytes that the ledger holds for *month*, by VO.

    Raises:
        LedgerError: A file cannot be read.
    """
    columns = (*_TIMES, "cluster_id", *NETWORK_COLUMNS)
    rows = _in_month(columns, month)
    queued = is_of_kind(rows, (QUEUED, QUEUED_EXITED))
    rows = rows.mutate(counts_whole=rows.interval_end_s.isnull() | queued)
    inside = rows.filter(rows.counts_whole).mutate(
        counted_jobs=rows.is_job.cast("int64"), counted_s=rows.month_s
    )
    elsewhere = rows.filter(~rows.counts_whole).mutate(
        counted_jobs=rows.is_job.cast("int64") * 0,
        counted_s=rows.wall - rows.month_s,
        has_bytes=~rows.has_bytes,
    )
    jobs = replaced_table(columns)
    is_job = seconds(jobs.ended_at).between(month.start_s, month.end_s - 1)
    jobs = jobs.mutate(
        payer=payer_of(jobs),
        counted_jobs=is_job.cast("int64"),
        counted_s=_known(jobs.wall_s),
        has_bytes=jobs.ended_at.notnull(),
    )
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for table, sign in ((inside, 1), (jobs, 1), (elsewhere, -1)):
        for payer, _, *values in engine.rows(_summed(table)):
            for name, value in zip(COMPARED, values, strict=True):
                totals[payer][name] += sign * int(value or 0)
    return {payer: dict(counts) for payer, counts in totals.items()}


def _summed(rows: Table) -> Table:
    """Return the sums of what is counted, and of the bytes of rows that have them."""
    rows = rows.mutate(part=rows.cluster_id % _PARTS)
    counted = [summand(rows.counted_jobs), summand(rows.counted_s)]
    counted += [
        summand(ibis.ifelse(rows.has_bytes, rows[name], 0)) for name in NETWORK_COLUMNS
    ]
    return rows.group_by(["payer", "part"]).aggregate(
        **{name: part.sum() for name, part in zip(COMPARED, counted, strict=True)}
    )


def contradicted_jobs(
    engine: Engine, month: Month
) -> list[tuple[str, ContradictedJob]]:
    """Return VOs with jobs of *month* that contradict themselves, the longest first.

    At most ``SHOWN_JOBS`` of a VO; how many there are stands in the statement's trust.

    Raises:
        LedgerError: A file cannot be read.
    """
    jobs = _in_month((*_TIMES, *_NAMES), month)
    jobs = jobs.filter(
        (jobs.contradictions.length() > 0) & (jobs.is_job | (jobs.month_s > 0))
    )
    number = jobs.cluster_id.cast("string") + "." + jobs.proc_id.cast("string")
    named = jobs.select(
        "payer",
        "owner",
        "contradictions",
        "month_s",
        job=jobs.schedd + "#" + number,
    )
    named = named.group_by(["payer", "owner", "contradictions", "job"]).aggregate(
        month_s=summand(named.month_s).sum()
    )
    named = named.select("payer", "owner", "contradictions", "month_s", "job")
    order = [named.month_s.desc(), named.job]
    place: Any = ibis.row_number().over(group_by="payer", order_by=order)
    numbered = named.mutate(place=place)
    first = numbered.filter(numbered.place < SHOWN_JOBS).order_by(
        [numbered.month_s.desc(), numbered.job]
    )
    return [
        (payer, ContradictedJob(job, owner or UNKNOWN, tuple(names), int(month_s)))
        for payer, owner, names, month_s, job, _ in engine.rows(first)
    ]


def _in_month(columns: tuple[str, ...], month: Month) -> Table:
    """Return the jobs with what of them belongs to *month*, and who pays.

    ``month_s`` are the seconds in it; ``ended_s`` decides the job, ``end_s`` its bytes.
    """
    jobs = _placed(jobs_table(columns))
    start_s: Any = ibis.greatest(jobs.end_s - jobs.wall.fill_null(0), month.start_s)
    return jobs.mutate(
        payer=payer_of(jobs),
        is_job=jobs.ended_s.between(month.start_s, month.end_s - 1)
        & is_last_of_job(jobs),
        has_bytes=jobs.end_s.between(month.start_s, month.end_s - 1),
        month_s=ibis.greatest(0, _least(jobs.end_s, month.end_s) - start_s),
    )


def _placed(jobs: Table) -> Table:
    """Return *jobs* with ``wall`` (null if unknown) and the end of the last run."""
    jobs = jobs.mutate(
        ended_s=seconds(jobs.ended_at),
        started_s=seconds(jobs.last_started_at),
        wall=_known(jobs.wall_s),
        last_wall=_known(jobs.last_run_wall_s),
    )
    jobs = jobs.mutate(told_s=ibis.coalesce(jobs.last_wall, jobs.wall))
    run_s = ibis.ifelse(jobs.runs > 1, ibis.least(jobs.told_s, jobs.wall), jobs.wall)
    has_run = jobs.wall.notnull() & ((jobs.wall > 0) | (jobs.runs > 0))
    fits = has_run & (jobs.started_s + jobs.told_s <= jobs.ended_s).fill_null(
        ibis.literal(value=False)
    )
    own_end_s = ibis.ifelse(
        fits, ibis.least(jobs.started_s + run_s, jobs.ended_s), jobs.ended_s
    )
    return jobs.mutate(end_s=ibis.coalesce(jobs.interval_end_s, own_end_s))


def _known(wall_s: Any) -> Any:  # noqa: ANN401 - a column
    """Return a time that is one, null for a negative one."""
    some = ibis.least(wall_s, _FOREVER_S)
    return ibis.ifelse(
        (wall_s >= 0).fill_null(ibis.literal(value=False)), some, ibis.null("int64")
    )
