"""How the slots were used, as ibis expressions: by kind and by machine.

The place of a job's seconds is derived in closed form, apart from the expression that
prices the lines (``charge_expression``), so that the two can be held against each
other.  Only the packed shapes, the functions on whole numbers and the longest time
are the same.

A job is its last run, [end - last, end), and the runs before it, which are contiguous
with it: [end - wall, end - last).

Where runs are known, each interval of a job comes as a row of its own
(``reports.known_runs``); only the last one tells how the job ended.  A run of a job
that is still queued counts as one before the last, unless it ended by itself.
"""

import dataclasses
from typing import Any

import ibis

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_expression import LONGEST_S, Table, is_last_of_job, jobs_table
from reports.exact_functions import portion, product, seconds, summand
from reports.known_runs_sql import QUEUED_EXITED
from reports.price_periods import PricePeriod
from reports.use_kinds import KINDS, RESOURCES, SCALING_UNIT, SHORT_S

# ibis's own types of these know no arithmetic.
_least: Any = ibis.least
_greatest: Any = ibis.greatest
_ifelse: Any = ibis.ifelse

_LABELS = ("site", "execute_site", "vo", "owner", "project", "payload_user")

#: Columns that :func:`priced` reads.
INPUTS = (
    "billable",
    "ended_at",
    "last_started_at",
    "wall_s",
    "last_run_wall_s",
    "runs",
    "job_status",
    "exit_code",
    "exit_signal",
    "holds",
    "hold_reason_code",
    "cpus_milli",
    "gpus",
    "core_ms",
    "memory_provisioned_bytes",
    "memory_requested_bytes",
)
_OF_USE = (
    "execute_pool",
    "last_remote_host",
    "memory_peak_bytes",
    "benchmark_scaling",
    "network_trust",
)

#: Sums of whole numbers; those of ``last`` and ``before`` are of those runs alone.
SUMS = (
    "jobs",
    "jobs_network",
    "jobs_partial",
    "touched_last",
    "touched_before",
    "last_s",
    "before_s",
    "last_core_ms",
    "before_core_ms",
    "last_gpu_s",
    "before_gpu_s",
)
#: Sums of products, wider than 64 bits.
PRODUCTS = (
    "last_share_s",
    "before_share_s",
    "memory_used_byte_s",
    "memory_held_byte_s",
    "scaled_core",
)
#: All numbers of a row of :func:`use`, in their order, behind its keys.
NUMBERS = (
    *SUMS,
    *PRODUCTS,
    "core_ms_with_scaling",
    *NETWORK_COLUMNS,
    *(f"jobs_{name}" for name in NETWORK_COLUMNS),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Period:
    """The half-open period that is asked for, with its billing rule."""

    start_s: int
    end_s: int
    increment_s: int
    minimum_s: int

    def has(self, at_s: Any) -> Any:  # noqa: ANN401 - columns, also below
        """Whether *at_s* lies in it."""
        return (at_s >= self.start_s) & (at_s < self.end_s)

    def part(self, from_s: Any, to_s: Any) -> Any:  # noqa: ANN401
        """Return how many seconds of [*from_s*, *to_s*) lie in it."""
        inside = _least(to_s, self.end_s) - _greatest(from_s, self.start_s)
        return _greatest(inside, 0)

    def top_up(self, length_s: Any, runs: Any) -> Any:  # noqa: ANN401
        """Return what is charged beyond an interval's length that stands for *runs*."""
        if not self.increment_s:
            return ibis.literal(0, "int64")
        charged = length_s
        if self.increment_s > 1:
            steps = length_s + (self.increment_s - 1)
            charged = steps - steps % self.increment_s
        return _greatest(charged, runs * self.minimum_s) - length_s


def keys_of(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of :func:`use` with these *labels*, in their order."""
    return (*labels, "resource", "kind", "was_held", "fit")


def use(
    shapes: Table,
    period: PricePeriod,
    labels: tuple[str, ...],
    own_resources: tuple[str, ...],
) -> Table:
    """Return the sums of all priced use in *period*, by *labels*, machine and kind.

    ``kind`` is that of the last run; earlier runs are held or evicted, as ``was_held``
    has it.  *own_resources* are names of further resources that are ours.
    """
    columns = dict.fromkeys((*_LABELS, *INPUTS, *_OF_USE, *NETWORK_COLUMNS))
    jobs = priced(jobs_table(tuple(columns)), shapes, period)
    jobs = jobs.mutate(resource=_resource(jobs, own_resources), **_numbers(jobs))
    keys = list(keys_of(labels))
    totals = {name: summand(jobs[name]).sum() for name in SUMS}
    totals |= {name: jobs[name].sum() for name in PRODUCTS}
    totals["core_ms_with_scaling"] = summand(jobs.core_ms_with_scaling).sum()
    bytes_of = {
        name: _ifelse(jobs.has_bytes, jobs[name], ibis.null("int64"))
        for name in NETWORK_COLUMNS
    }
    totals |= {name: summand(count).sum() for name, count in bytes_of.items()}
    totals |= {
        f"jobs_{name}": count.count(where=jobs.has_jobs_bytes)
        for name, count in bytes_of.items()
    }
    return jobs.group_by(keys).aggregate(**totals).order_by(keys)


def priced(jobs: Table, shapes: Table, period: PricePeriod) -> Table:
    """Return the priced ones of *jobs* that lie in *period*, with what of them does."""
    billing = period.billing
    edges = _Period(
        period.start_s,
        period.end_s,
        billing.increment_s if billing else 0,
        billing.minimum_s if billing else 0,
    )
    jobs = _in_period(_ended(jobs.filter(jobs.billable & (jobs.wall_s >= 0))), edges)
    jobs = jobs.filter(
        (jobs.part_last_s > 0)
        | (jobs.part_before_s > 0)
        | jobs.last_begins
        | jobs.before_begins
        | jobs.is_job
        | jobs.has_bytes
    )
    jobs = jobs.mutate(
        kind=_kind(jobs),
        was_held=was_held(jobs),
        billed_last_s=jobs.part_last_s
        + _ifelse(jobs.last_begins, edges.top_up(jobs.last, jobs.one), 0),
        billed_before_s=jobs.part_before_s
        + _ifelse(jobs.before_begins, edges.top_up(jobs.before, jobs.earlier), 0),
    )
    same = [
        jobs.cpus_milli.cast("int64").identical_to(shapes.cpus_milli),
        jobs.memory_bytes.identical_to(shapes.memory_bytes),
        jobs.gpu_count == shapes.gpus,
    ]
    fits = shapes.filter(shapes.share_numerator.notnull())
    return jobs.inner_join(fits, same, rname="shape_{name}")


def _ended(jobs: Table) -> Table:
    """Return *jobs* with their lengths and with the end of their last run."""
    wall = _least(jobs.wall_s, LONGEST_S)
    told = _ifelse(
        (jobs.last_run_wall_s >= 0).fill_null(ibis.literal(value=False)),
        _least(jobs.last_run_wall_s, LONGEST_S),
        wall,
    )
    jobs = jobs.mutate(
        wall=wall,
        told=told,
        last=_ifelse(jobs.runs > 1, _least(told, wall), wall),
        ended_s=seconds(jobs.ended_at),
        started_s=seconds(jobs.last_started_at),
        memory_bytes=ibis.coalesce(
            jobs.memory_provisioned_bytes, jobs.memory_requested_bytes
        ),
        gpu_count=jobs.gpus.fill_null(0).cast("int64"),
        one=ibis.coalesce(jobs.interval_runs, 1).cast("int64"),
        earlier=jobs.runs.cast("int64") - 1,
    )
    is_run = (jobs.wall > 0) | (jobs.runs > 0)
    fits = (is_run & (jobs.started_s + jobs.told <= jobs.ended_s)).fill_null(
        ibis.literal(value=False)
    )
    end = _least(jobs.started_s + jobs.last, jobs.ended_s)
    return jobs.mutate(
        is_run=is_run,
        before=jobs.wall - jobs.last,
        end_s=ibis.coalesce(jobs.interval_end_s, _ifelse(fits, end, jobs.ended_s)),
    )


def _in_period(jobs: Table, edges: _Period) -> Table:
    """Return *jobs* with what of them lies in the period, and what begins there."""
    jobs = jobs.mutate(last_from=jobs.end_s - jobs.last, first=jobs.end_s - jobs.wall)
    return jobs.mutate(
        part_last_s=edges.part(jobs.last_from, jobs.end_s),
        part_before_s=edges.part(jobs.first, jobs.last_from),
        last_begins=jobs.is_run & edges.has(jobs.last_from),
        before_begins=(jobs.runs > 1) & edges.has(jobs.first),
        is_job=edges.has(jobs.ended_s) & is_last_of_job(jobs),
        has_bytes=edges.has(jobs.end_s),
        has_jobs_bytes=edges.has(jobs.end_s) & is_last_of_job(jobs),
        # How much of the job's own seconds had passed when its part here began.
        passed_s=_greatest(edges.start_s - jobs.first, 0),
    )


def _kind(jobs: Table) -> Any:  # noqa: ANN401
    """Return the place in ``KINDS`` of the last run."""
    removed = jobs.job_status == "removed"
    failed = jobs.exit_signal.notnull() | (jobs.exit_code.fill_null(0) != 0)
    job_wall: Any = ibis.coalesce(jobs.interval_job_wall_s, jobs.wall)
    told = is_last_of_job(jobs) | (
        ibis.coalesce(jobs.interval_kind, "") == QUEUED_EXITED
    )
    return ibis.cases(
        (~told & was_held(jobs), KINDS.index("held")),
        (~told, KINDS.index("evicted")),
        (removed & was_held(jobs), KINDS.index("held")),
        (removed, KINDS.index("removed")),
        (failed, KINDS.index("failed")),
        (job_wall < SHORT_S, KINDS.index("short")),
        else_=KINDS.index("good"),
    ).cast("int32")


def was_held(jobs: Table) -> Any:  # noqa: ANN401
    """Tell which of *jobs* were ever on hold."""
    return (jobs.holds.fill_null(0) > 0) | jobs.hold_reason_code.notnull()


def _resource(jobs: Table, own_resources: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Return the place in ``RESOURCES`` of the machine that it ran on."""
    own, flocked, unknown = range(len(RESOURCES))
    name = jobs.execute_site.fill_null("")
    is_ours = (name == jobs.site.fill_null("")) | name.isin(own_resources)
    return ibis.cases(
        (jobs.execute_pool.fill_null("") != "", flocked),
        ((name != "") & is_ours, own),
        (name != "", flocked),
        (jobs.last_remote_host.fill_null("") != "", own),
        else_=unknown,
    ).cast("int32")


def _numbers(jobs: Table) -> dict[str, Any]:
    """Return ``SUMS`` and ``PRODUCTS`` of each of *jobs*, by their names."""
    part_s = jobs.part_last_s + jobs.part_before_s
    gpus = _greatest(jobs.gpu_count, 0)
    last_core, before_core = _core_ms(jobs)
    core = last_core + before_core
    scaling = _scaling(jobs.benchmark_scaling)
    # A peak without a size, or of nothing, tells no efficiency.
    peak = (jobs.memory_peak_bytes > 0) & (jobs.memory_bytes > 0)
    weighed_s = _ifelse(peak, part_s, ibis.null("int64"))
    partial = (jobs.network_trust == "partial").fill_null(ibis.literal(value=False))
    truths = {
        "jobs": jobs.is_job,
        "jobs_network": jobs.has_jobs_bytes,
        "jobs_partial": jobs.has_jobs_bytes & partial,
        "touched_last": jobs.is_job | (jobs.part_last_s > 0),
        "touched_before": jobs.part_before_s > 0,
    }
    return {name: truth.cast("int64") for name, truth in truths.items()} | {
        "last_s": jobs.part_last_s,
        "before_s": jobs.part_before_s,
        "last_core_ms": last_core,
        "before_core_ms": before_core,
        "last_gpu_s": jobs.part_last_s * gpus,
        "before_gpu_s": jobs.part_before_s * gpus,
        "last_share_s": product(jobs.billed_last_s, jobs.share_numerator),
        "before_share_s": product(jobs.billed_before_s, jobs.share_numerator),
        "memory_used_byte_s": product(weighed_s, jobs.memory_peak_bytes),
        "memory_held_byte_s": product(weighed_s, jobs.memory_bytes),
        "scaled_core": product(core, scaling),
        "core_ms_with_scaling": _ifelse(scaling.notnull(), core, ibis.null("int64")),
    }


def _core_ms(jobs: Table) -> tuple[Any, Any]:
    """Return the core time of the last run and of those before it, in the period.

    Whole numbers that telescope over all periods.  Nearly every job lies in the
    period with all that it has, and costs no division.
    """

    def until(passed_s: Any) -> Any:  # noqa: ANN401
        return portion(jobs.core_ms, passed_s, jobs.wall)

    middle_s = jobs.passed_s + jobs.part_before_s
    unknown = jobs.core_ms.isnull()
    last = ibis.cases(
        (unknown, ibis.null("int64")),
        (jobs.wall == 0, _ifelse(jobs.has_bytes, jobs.core_ms, 0)),
        (jobs.part_last_s == jobs.wall, jobs.core_ms),
        (jobs.part_last_s == 0, 0),
        else_=until(middle_s + jobs.part_last_s) - until(middle_s),
    )
    before = ibis.cases(
        (unknown, ibis.null("int64")),
        (jobs.part_before_s == 0, 0),
        else_=until(middle_s) - until(jobs.passed_s),
    )
    return last, before


def _scaling(factor: Any) -> Any:  # noqa: ANN401
    """Return a benchmark's factor in millionths, null where it is none."""
    is_one = (factor > 0) & (factor < SCALING_UNIT) & ~factor.isnan()
    whole = (factor * SCALING_UNIT).round().cast("int64")
    return _ifelse(
        is_one.fill_null(ibis.literal(value=False)), whole, ibis.null("int64")
    )
