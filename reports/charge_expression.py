"""Charges as ibis expressions: what each job of the ledger adds to one price period.

The closed form of ``charge_intervals`` for a job whose own row is all that is known
of it; where runs are known, each interval is such a job (``reports.known_runs``).
Its intervals are contiguous: with ``run_end`` and ``held``, the length of the
last run, they are a residual [run_end - wall, run_end - held) where runs are missing,
and the last run [run_end - held, run_end).

Every quantity is a whole number.  Seconds go to the period in which they lie, bytes
to that in which the job's last interval ends, the job itself to that of ``ended_at``;
core and CPU time is divided over the job's seconds so that no period loses or doubles
a millisecond.
"""

import dataclasses
import functools
import operator
from typing import Any

import ibis

from poolmeter.record import NETWORK_COLUMNS, job_columns
from reports.exact_functions import portion, product, seconds, summand
from reports.known_runs_sql import KNOWN_KINDS
from reports.price_book import Billing
from reports.price_periods import PricePeriod

#: A table of ibis, whose own types know no column's.
Table = Any

# ibis's own types of these know no arithmetic.
_least: Any = ibis.least
_greatest: Any = ibis.greatest
_ifelse: Any = ibis.ifelse

#: Longer wall times count as this long (10^11 years): sums with them stay in 64 bits.
LONGEST_S = 2**62

#: Columns by which sums of charges can be kept apart, as they are in the ledger.
LABELS = (
    "site",
    "execute_site",
    "vo",
    "owner",
    "project",
    "payload_user",
    "network_trust",
    "network_missing_reason",
    "time_trust",
)

#: What a job is packed by; ``None`` is unknown.
SHAPE = ("cpus_milli", "memory_bytes", "gpus")

#: Codes of ``fit`` beside the numbers in the table of shapes.
UNBILLED_FIT = -1
WALL_UNKNOWN_FIT = -2

NO_REASON = "no_reason_given"

_INPUTS = (
    "billable",
    "unbilled_reason",
    "ended_at",
    "last_started_at",
    "wall_s",
    "last_run_wall_s",
    "runs",
    "cpu_user_ms",
    "cpu_system_ms",
    "cpus_milli",
    "gpus",
    "core_ms",
    "memory_provisioned_bytes",
    "memory_requested_bytes",
)

#: Columns of the ledger that charges are made of.
LEDGER_COLUMNS = (*LABELS, "contradictions", *_INPUTS, *NETWORK_COLUMNS)

_INT64_MAX = 2**63 - 1

_IBIS_TYPES = {
    "int8": "int8",
    "int32": "int32",
    "int64": "int64",
    "float64": "float64",
    "string": "string",
    "bool": "boolean",
    "timestamp_ms_utc": "timestamp('UTC', 3)",
    "list_string": "array<string>",
}

#: What an interval has that stands for its part of a job; null in a job's own row.
INTERVAL_TYPES = {
    "interval_end_s": "int64",
    "interval_runs": "int32",
    "interval_kind": "string",
    "interval_is_last": "boolean",
    "interval_job_wall_s": "int64",
}

#: Keys of every sum behind the labels; the bits of ``flags`` are ``FLAGS``.
_KEYS = ("contradictions", "unbilled_reason", "fit", "flags")

#: What is true of a charge: counted traffic, then how it lies in the period.  As bits
#: of one key they cost an engine less than as conditions of a dozen sums.
FLAGS = (
    *NETWORK_COLUMNS,
    "memory_unknown",
    "cpu_known",
    "is_job",
    "is_first",
    "at_end",
    "is_last",
    "is_known_run",
)

#: The sums of whole numbers, in their order.  Bytes belong to the period where the
#: charge is ``at_end`` only.
SUMS = ("wall_s", "core_ms", "cpu_ms", "gpu_s", *NETWORK_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True)
class _Edges:
    """Half-open time: what begins and what lies in it."""

    start_s: int
    end_s: int

    def has(self, at_s: Any) -> Any:  # noqa: ANN401 - columns, also below
        """Whether *at_s* lies in it."""
        return (at_s >= self.start_s) & (at_s < self.end_s)

    def part(self, jobs: Table) -> tuple[Any, Any]:
        """Return from which to which of a job's own wall seconds lie in it."""
        from_s, to_s = (
            _least(_greatest(edge - jobs.first_start, 0), jobs.wall)
            for edge in (self.start_s, self.end_s)
        )
        return from_s, to_s


def jobs_table(columns: tuple[str, ...] = LEDGER_COLUMNS) -> Table:
    """Return the table that engines fill from the ledger's files."""
    return ibis.table(_types_of(columns) | INTERVAL_TYPES, name="pm_jobs")


def replaced_table(columns: tuple[str, ...]) -> Table:
    """Return the table of the rows of jobs for which intervals stand."""
    return ibis.table(_types_of(columns), name="pm_replaced")


def _types_of(columns: tuple[str, ...]) -> dict[str, str]:
    storage = {column.name: column.storage for column in job_columns()}
    return {name: _IBIS_TYPES[storage[name]] for name in columns}


def is_of_kind(jobs: Table, kinds: tuple[str, ...]) -> Any:  # noqa: ANN401 - a column
    """Tell which rows are intervals of one of *kinds*."""
    kind: Any = ibis.coalesce(jobs.interval_kind, "")
    return kind.isin(kinds)


def is_last_of_job(jobs: Table) -> Any:  # noqa: ANN401 - a column
    """Tell which rows are a job, or the last interval of one."""
    return ibis.coalesce(jobs.interval_is_last, ibis.literal(value=True))


def shapes_table() -> Table:
    """Return the table that engines fill with the packed shapes: a fit and a share."""
    types = dict.fromkeys((*SHAPE, "share_numerator"), "int64")
    return ibis.table({**types, "fit": "int32"}, name="pm_shapes")


def shapes_of(jobs: Table) -> Table:
    """Return the distinct shapes of *jobs*, to be packed one by one."""
    return jobs.select(**_shape(jobs)).distinct()


def placed(jobs: Table) -> Table:
    """Return *jobs* with the places of their intervals.

    ``wall`` is 0 and nothing ``is_run`` for a job of unknown wall time.
    """
    at = jobs.mutate(
        ended_s=seconds(jobs.ended_at),
        started_s=seconds(jobs.last_started_at),
        wall_known=jobs.wall_s.notnull() & (jobs.wall_s >= 0),
        missing=_greatest(jobs.runs.cast("int64"), 1) - 1,
    )
    at = at.mutate(wall=_ifelse(at.wall_known, _at_most(at.wall_s), 0))
    at = at.mutate(
        told=_ifelse(
            at.last_run_wall_s.notnull() & (at.last_run_wall_s >= 0),
            _at_most(at.last_run_wall_s),
            at.wall,
        ),
        is_run=at.wall_known & ((at.wall > 0) | (at.runs > 0)),
    )
    at = at.mutate(
        held=_ifelse(at.missing > 0, _least(at.told, at.wall), at.wall),
        fits=at.is_run
        & at.started_s.notnull()
        & (at.started_s + at.told <= at.ended_s),
    )
    at = at.mutate(
        run_end=ibis.coalesce(
            at.interval_end_s,
            _ifelse(at.fits, _least(at.started_s + at.held, at.ended_s), at.ended_s),
        ),
        is_last=is_last_of_job(at),
        is_known_run=is_of_kind(at, KNOWN_KINDS),
    )
    return at.mutate(run_start=at.run_end - at.held, first_start=at.run_end - at.wall)


def charges(
    jobs: Table, shapes: Table, period: PricePeriod, month_start_s: int
) -> Table:
    """Return one row for each of *jobs* that has a part in *period*: keys and numbers.

    *month_start_s* is where the first period of the month begins; a job is charged
    in the first period that it lies in.
    """
    edges = _Edges(period.start_s, period.end_s)
    at = placed(jobs)
    from_s, to_s = edges.part(at)
    at = at.mutate(from_s=from_s, to_s=to_s)
    at = at.mutate(
        part_s=at.to_s - at.from_s,
        run_begins=at.is_run & edges.has(at.run_start),
        residual_begins=at.is_run & (at.missing > 0) & edges.has(at.first_start),
        is_job=edges.has(at.ended_s) & at.is_last,
        at_end=edges.has(at.run_end),
    )
    at = at.mutate(lies=(at.part_s > 0) | at.run_begins | at.residual_begins)
    at = at.filter(at.lies | at.is_job | at.at_end)
    at = at.mutate(
        is_first=at.lies & ~_lies_in(at, _Edges(month_start_s, period.start_s)),
        billed_s=at.part_s + _top_ups(at, period.billing),
        memory_bytes=_shape(at)["memory_bytes"],
        gpus=_shape(at)["gpus"],
        cpu=_cpu_ms(at),
    )
    return _columns(_packed(at, shapes))


def keys_of(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of sums by *labels*, in their order."""
    return (*labels, *_KEYS)


def sums(charges: Table, labels: tuple[str, ...] = LABELS) -> Table:
    """Return the sums of *charges* by *labels*: how many, ``SUMS``, and shares."""
    keys = list(keys_of(labels))
    totals = {name: summand(charges[name]).sum() for name in SUMS}
    shares = product(charges.billed_s, charges.share_numerator)
    found = charges.group_by(keys).aggregate(
        charges=charges.count(), **totals, billed_share_s=shares.sum()
    )
    return found.order_by(keys)


def sums_of(period: PricePeriod, month_start_s: int, labels: tuple[str, ...]) -> Table:
    """Return :func:`sums` of the :func:`charges` of all jobs in *period*.

    Made once for each period in a process: ibis takes a while to put it together.
    """
    return _sums_of(period.start_s, period.end_s, period.billing, month_start_s, labels)


@functools.lru_cache(maxsize=64)
def _sums_of(
    start_s: int,
    end_s: int,
    billing: Billing | None,
    month_start_s: int,
    labels: tuple[str, ...],
) -> Table:
    period = PricePeriod(start_s=start_s, end_s=end_s, types=(), billing=billing)
    found = charges(jobs_table(), shapes_table(), period, month_start_s)
    return sums(found, labels)


def _columns(at: Table) -> Table:
    """Return the keys and the numbers of charges, and nothing else."""
    return at.select(
        *(at[name] for name in (*LABELS, *NETWORK_COLUMNS)),
        contradictions=_joined(at.contradictions),
        unbilled_reason=_ifelse(
            at.billable, ibis.null("string"), at.unbilled_reason.fill_null(NO_REASON)
        ),
        fit=_fit(at),
        flags=_flags(at),
        wall_s=at.part_s,
        core_ms=_share_of(at, at.core_ms),
        cpu_ms=_share_of(at, at.cpu),
        gpu_s=at.part_s * _greatest(at.gpus, 0),
        billed_s=at.billed_s,
        share_numerator=_ifelse(
            at.billable & at.wall_known, at.share_numerator, ibis.null("int64")
        ),
    )


def _flags(at: Table) -> Any:  # noqa: ANN401 - a column
    truths = {name: at[name].notnull() for name in NETWORK_COLUMNS}
    truths |= {
        "memory_unknown": at.memory_bytes.isnull(),
        "cpu_known": at.cpu.notnull(),
    }
    names = ("is_job", "is_first", "at_end", "is_last", "is_known_run")
    truths |= {name: at[name] for name in names}
    bits = [truths[name].cast("int32") * (1 << bit) for bit, name in enumerate(FLAGS)]
    return functools.reduce(operator.add, bits)


def _at_most(wall_s: Any) -> Any:  # noqa: ANN401 - columns, also below
    return _least(wall_s, LONGEST_S)


def _shape(jobs: Table) -> dict[str, Any]:
    memory = ibis.coalesce(jobs.memory_provisioned_bytes, jobs.memory_requested_bytes)
    return {
        "cpus_milli": jobs.cpus_milli.cast("int64"),
        "memory_bytes": memory,
        "gpus": jobs.gpus.fill_null(0).cast("int64"),
    }


def _lies_in(at: Table, edges: _Edges) -> Any:  # noqa: ANN401
    if edges.start_s >= edges.end_s:
        return ibis.literal(value=False)
    from_s, to_s = edges.part(at)
    begins = edges.has(at.run_start) | ((at.missing > 0) & edges.has(at.first_start))
    return at.is_run & ((to_s > from_s) | begins)


def _top_ups(at: Table, billing: Billing | None) -> Any:  # noqa: ANN401
    """Return what the billing rule adds to the intervals that begin in the period."""
    if billing is None:
        return ibis.literal(0, "int64")
    stands_for = ibis.coalesce(at.interval_runs, 1).cast("int64")
    run = _top_up(at.held, stands_for, billing)
    residual = _top_up(at.wall - at.held, at.missing, billing)
    return _ifelse(at.run_begins, run, 0) + _ifelse(at.residual_begins, residual, 0)


def _top_up(length_s: Any, runs: Any, billing: Billing) -> Any:  # noqa: ANN401
    """Return ``Billing.billed_s`` less the length."""
    step = billing.increment_s
    increments = length_s
    if step > 1:
        increments = length_s + (step - length_s % step) % step
    return _greatest(increments, runs * billing.minimum_s) - length_s


def _cpu_ms(at: Table) -> Any:  # noqa: ANN401
    """Return user and system time together, null only if both are unknown."""
    user, system = at.cpu_user_ms.fill_null(0), at.cpu_system_ms.fill_null(0)
    nothing = at.cpu_user_ms.isnull() & at.cpu_system_ms.isnull()
    return ibis.cases(
        (nothing, ibis.null("int64")),
        ((system > 0) & (user > _INT64_MAX - system), _INT64_MAX),
        else_=user + system,
    )


def _packed(at: Table, shapes: Table) -> Table:
    """Return *at* with the ``fit`` and ``share_numerator`` of each job's shape."""
    same = [
        at.cpus_milli.cast("int64").identical_to(shapes.cpus_milli),
        at.memory_bytes.identical_to(shapes.memory_bytes),
        at.gpus == shapes.gpus,
    ]
    found = shapes.select(*SHAPE, "fit", "share_numerator")
    return at.left_join(found, same, rname="shape_{name}")


def _fit(at: Table) -> Any:  # noqa: ANN401
    return ibis.cases(
        (~at.billable, UNBILLED_FIT),
        (~at.wall_known, WALL_UNKNOWN_FIT),
        else_=at.fit,
    ).cast("int32")


def _share_of(at: Table, total: Any) -> Any:  # noqa: ANN401
    """Return the part of a job's *total* that belongs to its seconds in the period.

    Whole numbers that telescope: over all periods they sum to *total*.  Without wall
    time all of it lies at the end.
    """
    divided = portion(total, at.to_s, at.wall) - portion(total, at.from_s, at.wall)
    # The first case is nearly every job's, and costs no division.
    return ibis.cases(
        ((at.part_s == at.wall) & at.at_end, total),
        (total.isnull(), ibis.null("int64")),
        (at.wall > 0, divided),
        else_=0,
    )


def _joined(names: Any) -> Any:  # noqa: ANN401
    return _ifelse(names.length() > 0, names.join(","), "")
