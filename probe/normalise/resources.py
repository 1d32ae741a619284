"""What the job occupied and used: cpus, GPUs, CPU time, memory, disk, transfers.

What was occupied counts, not what was asked for: a claim may be larger than the
request.  Rounded sizes (``ResidentSetSize``, ``ImageSize``: up to 42 % too large on
23.9.6) are never read, only their ``_RAW`` twins.
"""

import dataclasses
from typing import Any

from poolmeter import attributes as names
from poolmeter.units import BYTES_PER_KIB, BYTES_PER_MIB, MILLI, MS_PER_S
from probe.job_ad import JobAd
from probe.normalise.times import Times, duration_ms

_INT32_MAX = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU milliseconds, and whether they cover all runs or the last one."""

    user_ms: int | None
    system_ms: int | None
    scope: str | None

    @property
    def total_ms(self) -> int:
        """Both together; 0 where neither is known."""
        return (self.user_ms or 0) + (self.system_ms or 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Resources:
    """The resource columns of a record."""

    cpu: CpuTime
    cpus_milli: int | None
    cpus_requested_milli: int | None
    gpus: int | None
    slot_time_ms: int | None
    slot_weight_milli: int | None
    core_ms: int | None
    memory_peak_bytes: int | None
    memory_provisioned_bytes: int | None
    memory_requested_bytes: int | None
    disk_peak_bytes: int | None
    disk_provisioned_bytes: int | None
    transfer_in_bytes: int | None
    transfer_out_bytes: int | None

    def columns(self) -> dict[str, Any]:
        """Return the columns by name."""
        columns = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("cpu", "slot_time_ms", "slot_weight_milli")
        }
        return columns | {
            "cpu_user_ms": self.cpu.user_ms,
            "cpu_system_ms": self.cpu.system_ms,
            "cpu_scope": self.cpu.scope,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """What a job or one run of it occupied, and the memory that was asked for."""

    cpus_milli: int | None
    gpus: int | None
    memory_provisioned_bytes: int | None
    memory_requested_bytes: int | None


def slot_of(ad: JobAd) -> Slot:
    """Return what *ad* says of its slot."""
    gpus = ad.integer(names.GPUS_PROVISIONED, high=_INT32_MAX)
    if gpus is None:
        gpus = ad.integer(names.REQUEST_GPUS, high=_INT32_MAX)
    return Slot(
        cpus_milli=_first_milli(
            ad, names.CPUS_PROVISIONED, names.MACHINE_ATTR_CPUS, names.REQUEST_CPUS
        ),
        gpus=gpus,
        memory_provisioned_bytes=_size(ad, names.MEMORY_PROVISIONED, BYTES_PER_MIB),
        memory_requested_bytes=_size(ad, names.REQUEST_MEMORY, BYTES_PER_MIB),
    )


def resources_of(ad: JobAd, times: Times) -> Resources:
    """Return what the job that *ad* describes occupied and used."""
    slot = slot_of(ad)
    weight_milli = _first_milli(ad, names.MACHINE_ATTR_SLOT_WEIGHT)
    slot_time_ms = duration_ms(ad, names.CUMULATIVE_SLOT_TIME)
    return Resources(
        cpu=cpu_time_of(ad),
        cpus_milli=slot.cpus_milli,
        cpus_requested_milli=_first_milli(ad, names.REQUEST_CPUS),
        gpus=slot.gpus,
        slot_time_ms=slot_time_ms,
        slot_weight_milli=weight_milli,
        core_ms=_core_ms(times, slot_time_ms, slot.cpus_milli, weight_milli),
        memory_peak_bytes=_memory_peak_bytes(ad),
        memory_provisioned_bytes=slot.memory_provisioned_bytes,
        memory_requested_bytes=slot.memory_requested_bytes,
        disk_peak_bytes=_size(ad, names.DISK_USAGE_RAW, BYTES_PER_KIB),
        disk_provisioned_bytes=_size(ad, names.DISK_PROVISIONED, BYTES_PER_KIB),
        transfer_in_bytes=_size(ad, names.BYTES_RECVD, 1),
        transfer_out_bytes=_size(ad, names.BYTES_SENT, 1),
    )


def cpu_time_of(ad: JobAd) -> CpuTime:
    """Return the CPU time of all runs, else that of the last run.

    ``RemoteUserCpu`` is the last run only; before 8.8 there is nothing else.  A
    cumulative 0 beside a last run with CPU time was never maintained: the job router
    copies the one and not the other.
    """
    all_user_ms = duration_ms(ad, names.CUMULATIVE_REMOTE_USER_CPU)
    all_system_ms = duration_ms(ad, names.CUMULATIVE_REMOTE_SYS_CPU)
    last_user_ms = duration_ms(ad, names.REMOTE_USER_CPU)
    last_system_ms = duration_ms(ad, names.REMOTE_SYS_CPU)
    is_known = all_user_ms is not None or all_system_ms is not None
    if is_known and (
        all_user_ms or all_system_ms or not (last_user_ms or last_system_ms)
    ):
        return CpuTime(all_user_ms, all_system_ms, "all_runs")
    if last_user_ms is None and last_system_ms is None:
        return CpuTime(None, None, None)
    return CpuTime(last_user_ms, last_system_ms, "last_run")


def slot_weight_milli(resources: Resources) -> int | None:
    """Return what a second in the slot weighs; a startd's default is its cpus."""
    if resources.slot_weight_milli is not None:
        return resources.slot_weight_milli
    return resources.cpus_milli


def _core_ms(
    times: Times,
    slot_time_ms: int | None,
    cpus_milli: int | None,
    weight_milli: int | None,
) -> int | None:
    """Return core milliseconds; a slot time that is not kept up is 0 beside wall > 0.

    What the slot time may be is checked in ``contradictions``; a slot whose weight is
    not its cpus has no core time in it.
    """
    weighs_cpus = weight_milli in (None, cpus_milli)
    if slot_time_ms and weighs_cpus and not _is_off(slot_time_ms, times, cpus_milli):
        return slot_time_ms
    if times.wall_s is None or cpus_milli is None:
        return slot_time_ms if weighs_cpus else None
    return times.wall_s * cpus_milli * MS_PER_S // MILLI


def _is_off(slot_time_ms: int, times: Times, weight_milli: int | None) -> bool:
    return weight_milli is not None and slot_time_is_off(
        slot_time_ms, times, weight_milli
    )


def slot_time_is_off(slot_time_ms: int, times: Times, weight_milli: int) -> bool:
    """Whether the slot time cannot be the wall time times the slot's weight.

    Two seconds of weight are allowed for each run.  Only the last slot's weight is
    known, so a job of several runs is held to what the last run alone must have, and
    to one cpu for the others.
    """
    slack_ms = 2 * max(times.runs, 1) * max(weight_milli, MILLI)
    wall_s = times.wall_s or 0
    if times.runs <= 1:
        return abs(slot_time_ms - wall_s * weight_milli) > slack_ms
    last_s = min(times.last_run_wall_s or 0, wall_s)
    least_ms = last_s * weight_milli + (wall_s - last_s) * min(weight_milli, MILLI)
    return slot_time_ms < least_ms - slack_ms


def slot_time_is_above(slot_time_ms: int, times: Times, weight_milli: int) -> bool:
    """Whether the slot time is more than the wall time times the last slot's weight.

    Earlier slots may have weighed more, so that such a slot time is kept; but a wall
    time that was cut down to the last run's shows in nothing else.
    """
    slack_ms = 2 * max(times.runs, 1) * max(weight_milli, MILLI)
    return slot_time_ms > (times.wall_s or 0) * weight_milli + slack_ms


def _memory_peak_bytes(ad: JobAd) -> int | None:
    peak_bytes = _size(ad, names.RESIDENT_SET_SIZE_RAW, BYTES_PER_KIB)
    if peak_bytes is None:
        peak_bytes = _size(ad, names.MEMORY_USAGE, BYTES_PER_MIB)
    return peak_bytes


def _size(ad: JobAd, name: str, unit_bytes: int) -> int | None:
    return ad.integer(name, scale=unit_bytes)


def _first_milli(ad: JobAd, *candidates: str) -> int | None:
    """Return the first of *candidates* that is more than 0, in thousandths.

    No slot has 0 cpus; without a better value a 0 stays.
    """
    values = [ad.integer(name, high=_INT32_MAX, scale=MILLI) for name in candidates]
    known = [value for value in values if value is not None]
    return next((value for value in known if value), known[0] if known else None)
