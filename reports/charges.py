"""Rows of charges: what each job of the ledger adds to one month.

Every quantity is a whole number.  Seconds go to the month in which they lie, bytes
to the month in which the job's last interval ends, the job itself to the month of
``ended_at``; a job's core and CPU time is divided over its seconds so that no month
loses or doubles a millisecond.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute

from poolmeter.ledger.scan import job_batches
from poolmeter.record import NETWORK_COLUMNS
from poolmeter.units import MS_PER_S
from reports.charge_intervals import Interval, JobTimes, charge_intervals
from reports.charge_slices import Slice, portion, slices_of
from reports.months import Month
from reports.packing import Fit, Packer, Shape
from reports.price_periods import PricePeriod

# The stubs refuse plain numbers beside arrays, which every kernel takes.
pc: Any = pyarrow.compute

PRICED = "priced"
UNPRICED = "unpriced"
UNBILLED = "unbilled"
WALL_UNKNOWN = "wall_time_unknown"
NO_REASON = "no_reason_given"

_INT64_MAX = 2**63 - 1
#: As if no wall time were longer: keeps Arrow's sums of garbage inside 64 bits.
_LONGEST_S = 2**60

#: Columns that a charge takes over from its job as they are.
LABELS = (
    "site",
    "vo",
    "owner",
    "payload_user",
    "network_trust",
    "network_missing_reason",
    "time_trust",
)

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

_MADE_FIELDS: list["pa.Field[Any]"] = [
    pa.field("row", pa.int64()),
    pa.field("period", pa.int32()),
    pa.field("outcome", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("instance_type", pa.string()),
    pa.field("share_numerator", pa.int64()),
    pa.field("memory_unknown", pa.bool_()),
    pa.field("jobs", pa.int64()),
    pa.field("jobs_charged", pa.int64()),
    pa.field("jobs_network", pa.int64()),
    pa.field("wall_s", pa.int64()),
    pa.field("billed_s", pa.int64()),
    pa.field("core_ms", pa.int64()),
    pa.field("cpu_ms", pa.int64()),
    pa.field("core_ms_with_cpu", pa.int64()),
    pa.field("gpu_s", pa.int64()),
]

_MADE = pa.schema(_MADE_FIELDS)

_FIELDS: list["pa.Field[Any]"] = [
    *(pa.field(name, pa.string()) for name in (*LABELS, "contradictions")),
    *(_MADE.field(name) for name in _MADE.names[1:]),
    *(pa.field(name, pa.int64()) for name in NETWORK_COLUMNS),
    *(pa.field(f"has_{name}", pa.bool_()) for name in NETWORK_COLUMNS),
]

#: ``has_...`` tells whether the job has that count at all, in whichever month.
CHARGES_SCHEMA = pa.schema(_FIELDS)


class _Job(NamedTuple):
    """What is computed with; one row of the ledger."""

    ended_s: int
    last_started_s: int | None
    wall_s: int | None
    last_run_wall_s: int | None
    runs: int
    cpu_ms: int | None
    core_ms: int | None
    shape: Shape
    unbilled_reason: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Cut:
    """How one job lies in the month: its slices, and where it counts as a job."""

    wall_s: int
    slices: dict[int, Slice]
    job_period: int | None
    end_period: int | None

    def periods(self) -> list[int]:
        """Return the periods that get a charge of this job."""
        ends = {self.job_period, self.end_period} - {None}
        return sorted({*self.slices, *(index for index in ends if index is not None)})


def charge_batches(
    ledger: Path, month: Month, periods: Sequence[PricePeriod], vcpus_per_cpu: int
) -> Iterator[pa.RecordBatch]:
    """Yield charges (``CHARGES_SCHEMA``) of *month* for every job in the ledger.

    Jobs that ended later are read too: one that ran in October and was removed from
    hold in December is charged in October.

    Raises:
        LedgerError: A file cannot be read.
    """
    maker = ChargeMaker(periods, vcpus_per_cpu)
    for batch in job_batches(ledger, columns=LEDGER_COLUMNS, first_day=month.first_day):
        yield maker.charges(reaching_into(batch, month))


def reaching_into(batch: pa.RecordBatch, month: Month) -> pa.RecordBatch:
    """Return the rows of *batch* that may have a part in *month*, cheaply.

    No interval begins earlier than twice the wall time before the job's end, or once
    before its last start.
    """
    ended = _whole_seconds(batch, "ended_at")
    wall = pc.min_element_wise(
        pc.max_element_wise(batch.column("wall_s"), 0), _LONGEST_S
    )
    begun = pc.subtract(ended, wall)
    last_started = _whole_seconds(batch, "last_started_at")
    earliest = pc.subtract(pc.min_element_wise(begun, last_started), wall)
    keep = pc.or_(pc.less(ended, month.end_s), pc.less(earliest, month.end_s))
    return batch.filter(keep)


class ChargeMaker:
    """Makes the charges of one month from rows of the ledger."""

    def __init__(self, periods: Sequence[PricePeriod], vcpus_per_cpu: int) -> None:
        self._periods = periods
        self._packers = [Packer(period.types, vcpus_per_cpu) for period in periods]

    def charges(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the charges of the jobs in *batch*, one row a job and price period."""
        made: dict[str, list[Any]] = {name: [] for name in _MADE.names}
        for row, job in enumerate(_jobs(batch)):
            cut = self._cut(job)
            for index in cut.periods():
                values = (row, index, *self._charge(job, cut, index))
                for column, value in zip(made.values(), values, strict=True):
                    column.append(value)
        return _with_labels(batch, pa.RecordBatch.from_pydict(made, _MADE))

    def _cut(self, job: _Job) -> _Cut:
        intervals: list[Interval] = []
        wall_s = 0
        if job.wall_s is not None and job.wall_s >= 0:
            wall_s = job.wall_s
            times = JobTimes(
                job.ended_s, job.last_started_s, wall_s, job.last_run_wall_s, job.runs
            )
            intervals = charge_intervals(times)
        end_s = intervals[-1].end_s if intervals else job.ended_s
        return _Cut(
            wall_s=wall_s,
            slices=slices_of(intervals, self._periods),
            job_period=self._period_at(job.ended_s),
            end_period=self._period_at(end_s),
        )

    def _period_at(self, at_s: int) -> int | None:
        for index, period in enumerate(self._periods):
            if period.start_s <= at_s < period.end_s:
                return index
        return None

    def _charge(self, job: _Job, cut: _Cut, index: int) -> tuple[object, ...]:
        """Return the values of ``_MADE`` from ``outcome`` on."""
        part = cut.slices.get(index)
        at_end = index == cut.end_period
        wall_s = part.wall_s if part else 0
        core_ms = _share_of(job.core_ms, cut.wall_s, part, at_end=at_end)
        return (
            *self._outcome(job, index),
            job.shape.memory_bytes is None,
            int(index == cut.job_period),
            int(bool(cut.slices) and index == min(cut.slices)),
            int(at_end),
            wall_s,
            part.billed_s if part else 0,
            core_ms,
            _share_of(job.cpu_ms, cut.wall_s, part, at_end=at_end),
            None if job.cpu_ms is None else core_ms,
            wall_s * max(job.shape.gpus, 0),
        )

    def _outcome(
        self, job: _Job, index: int
    ) -> tuple[str, str | None, str | None, int | None]:
        """Return outcome, reason, instance type and share numerator."""
        if job.unbilled_reason is not None:
            return UNBILLED, job.unbilled_reason, None, None
        if job.wall_s is None or job.wall_s < 0:
            return UNPRICED, WALL_UNKNOWN, None, None
        fit = self._packers[index].fit(job.shape)
        if isinstance(fit, Fit):
            return PRICED, None, fit.instance_type, fit.share_numerator
        return UNPRICED, fit, None, None


def _share_of(
    total: int | None, wall_s: int, part: Slice | None, *, at_end: bool
) -> int | None:
    """Return the part of *total* for one slice; without wall time, all at the end."""
    if total is None:
        return None
    if wall_s == 0:
        return total if at_end else 0
    return portion(total, wall_s, part.parts) if part else 0


def _jobs(batch: pa.RecordBatch) -> Iterator[_Job]:
    memory = pc.coalesce(
        batch.column("memory_provisioned_bytes"),
        batch.column("memory_requested_bytes"),
    )
    shapes = zip(
        batch.column("cpus_milli").to_pylist(),
        memory.to_pylist(),
        pc.coalesce(batch.column("gpus"), 0).to_pylist(),
        strict=True,
    )
    reason = pc.if_else(
        batch.column("billable"),
        pa.scalar(None, pa.string()),
        pc.coalesce(batch.column("unbilled_reason"), NO_REASON),
    )
    columns = (
        _whole_seconds(batch, "ended_at").to_pylist(),
        _whole_seconds(batch, "last_started_at").to_pylist(),
        batch.column("wall_s").to_pylist(),
        batch.column("last_run_wall_s").to_pylist(),
        batch.column("runs").to_pylist(),
        _cpu_ms(batch),
        batch.column("core_ms").to_pylist(),
        map(Shape._make, shapes),
        reason.to_pylist(),
    )
    return map(_Job._make, zip(*columns, strict=True))


def _cpu_ms(batch: pa.RecordBatch) -> list[int | None]:
    """Return user and system time together, null only if both are unknown."""
    both = zip(
        batch.column("cpu_user_ms").to_pylist(),
        batch.column("cpu_system_ms").to_pylist(),
        strict=True,
    )
    return [
        None
        if user is None and system is None
        else min((user or 0) + (system or 0), _INT64_MAX)
        for user, system in both
    ]


def _whole_seconds(batch: pa.RecordBatch, name: str) -> Any:  # noqa: ANN401 - an array
    """Return a time column as whole seconds since 1970, rounded down."""
    ms = batch.column(name).cast(pa.int64())
    down = pc.if_else(pc.less(ms, 0), MS_PER_S - 1, 0)
    return pc.divide(pc.subtract(ms, down), MS_PER_S)


def _with_labels(batch: pa.RecordBatch, made: pa.RecordBatch) -> pa.RecordBatch:
    """Return *made* with its jobs' labels, and bytes where the job's end lies."""
    rows = made.column("row")
    at_end = pc.equal(made.column("jobs_network"), 1)
    columns = {name: batch.column(name).take(rows) for name in LABELS}
    joined = pc.binary_join(batch.column("contradictions"), ",")
    columns["contradictions"] = pc.coalesce(joined, "").take(rows)
    columns.update({name: made.column(name) for name in _MADE.names[1:]})
    for name in NETWORK_COLUMNS:
        counts = batch.column(name).take(rows)
        columns[name] = pc.if_else(at_end, counts, pa.scalar(None, pa.int64()))
        columns[f"has_{name}"] = pc.is_valid(counts)
    return pa.RecordBatch.from_pydict(columns, CHARGES_SCHEMA)
