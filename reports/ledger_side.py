"""The ledger's own side of a reconciliation: counted apart from the charges.

Nothing here uses ``charge_intervals`` or ``charge_expression``: the place of a job's
seconds is derived again in closed form.  A job whose row is all that is known of it
held its slot for wall_s seconds that end with its last run, whatever part of them
belongs to which run.
"""

from typing import Any

import ibis

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_expression import Table, jobs_table
from reports.engine import Engine
from reports.exact_functions import seconds, summand
from reports.months import Month
from reports.statement_data import UNKNOWN, ContradictedJob

SHOWN_JOBS = 20

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


def ledger_totals(engine: Engine, month: Month, vo: str | None) -> dict[str, int]:
    """Return jobs, seconds and known bytes that the ledger holds for *month*.

    Raises:
        LedgerError: A file cannot be read.
    """
    jobs = _in_month((*_TIMES, *NETWORK_COLUMNS), month, vo)
    counted = [summand(jobs.is_job.cast("int64")), summand(jobs.month_s)]
    counted += [
        summand(ibis.ifelse(jobs.has_bytes, jobs[name], 0)) for name in NETWORK_COLUMNS
    ]
    names = ("jobs", "wall_s", *NETWORK_COLUMNS)
    (row,) = engine.rows(
        jobs.aggregate(
            **{name: part.sum() for name, part in zip(names, counted, strict=True)}
        )
    )
    return {name: int(value or 0) for name, value in zip(names, row, strict=True)}


def contradicted_jobs(
    engine: Engine, month: Month, vo: str | None
) -> tuple[ContradictedJob, ...]:
    """Return the jobs of *month* that contradict themselves, the longest first.

    At most ``SHOWN_JOBS``; how many there are stands in the statement's trust.

    Raises:
        LedgerError: A file cannot be read.
    """
    jobs = _in_month((*_TIMES, *_NAMES), month, vo)
    jobs = jobs.filter(
        (jobs.contradictions.length() > 0) & (jobs.is_job | (jobs.month_s > 0))
    )
    number = jobs.cluster_id.cast("string") + "." + jobs.proc_id.cast("string")
    named = jobs.select(
        "owner", "contradictions", "month_s", job=jobs.schedd + "#" + number
    )
    first = named.order_by(named.month_s.desc(), named.job).limit(SHOWN_JOBS)
    return tuple(
        ContradictedJob(job, owner or UNKNOWN, tuple(names), int(month_s))
        for owner, names, month_s, job in engine.rows(first)
    )


def _in_month(columns: tuple[str, ...], month: Month, vo: str | None) -> Table:
    """Return the jobs (of *vo*) with what of them belongs to *month*.

    ``month_s`` are the seconds in it; ``ended_s`` decides the job, ``end_s`` its bytes.
    """
    jobs = _placed(jobs_table(columns))
    start_s: Any = ibis.greatest(jobs.end_s - jobs.wall.fill_null(0), month.start_s)
    jobs = jobs.mutate(
        is_job=jobs.ended_s.between(month.start_s, month.end_s - 1),
        has_bytes=jobs.end_s.between(month.start_s, month.end_s - 1),
        month_s=ibis.greatest(0, _least(jobs.end_s, month.end_s) - start_s),
    )
    if vo is None:
        return jobs
    named = jobs.vo.fill_null("")
    return jobs.filter(ibis.ifelse(named.isin(["", "unknown"]), UNKNOWN, named) == vo)


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
    return jobs.mutate(
        end_s=ibis.ifelse(
            fits, ibis.least(jobs.started_s + run_s, jobs.ended_s), jobs.ended_s
        )
    )


def _known(wall_s: Any) -> Any:  # noqa: ANN401 - a column
    """Return a time that is one, null for a negative one."""
    some = ibis.least(wall_s, _FOREVER_S)
    return ibis.ifelse(
        (wall_s >= 0).fill_null(ibis.literal(value=False)), some, ibis.null("int64")
    )
