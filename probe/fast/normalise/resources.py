"""What the jobs occupied and used; see ``probe.normalise.resources``."""

import dataclasses

import numpy as np

from poolmeter import attributes as names
from poolmeter.units import BYTES_PER_KIB, BYTES_PER_MIB, MILLI, MS_PER_S
from probe.fast.ads import Ads, Integers, unknown
from probe.fast.arrays import Flags, Numbers
from probe.fast.columns import Column, chosen_words
from probe.fast.normalise.times import Times
from probe.normalise.times import DURATION_LIMIT_S

_INT32_MAX = 2**31 - 1
#: More than 100,000 cpus are no number to compute with in 64 bits.
_MILLI_LIMIT = 10**8


@dataclasses.dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU milliseconds, and whether they cover all runs, the last one, or none."""

    user_ms: Integers
    system_ms: Integers
    is_of_all_runs: Flags
    is_of_last_run: Flags

    @property
    def total_ms(self) -> Numbers:
        """Both together; 0 where neither is known."""
        return self.user_ms.values + self.system_ms.values


@dataclasses.dataclass(frozen=True, slots=True)
class Resources:
    """The resource columns."""

    cpu: CpuTime
    cpus_milli: Integers
    cpus_requested_milli: Integers
    gpus: Integers
    slot_time_ms: Integers
    slot_weight_milli: Integers
    core_ms: Integers
    memory_peak_bytes: Integers
    memory_provisioned_bytes: Integers
    memory_requested_bytes: Integers
    disk_peak_bytes: Integers
    disk_provisioned_bytes: Integers
    transfer_in_bytes: Integers
    transfer_out_bytes: Integers

    def columns(self) -> dict[str, Column]:
        """Return the columns by name."""
        left_out = ("cpu", "slot_time_ms", "slot_weight_milli")
        narrow = ("cpus_milli", "cpus_requested_milli", "gpus")
        columns = {
            field.name: getattr(self, field.name).column(
                np.int32 if field.name in narrow else np.int64
            )
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }
        scopes = np.where(self.cpu.is_of_all_runs, 0, 1)
        has_scope = self.cpu.is_of_all_runs | self.cpu.is_of_last_run
        return columns | {
            "cpu_user_ms": self.cpu.user_ms.column(),
            "cpu_system_ms": self.cpu.system_ms.column(),
            "cpu_scope": chosen_words(("all_runs", "last_run"), scopes, has_scope),
        }


def resources_of(ads: Ads, times: Times) -> Resources:
    """Return what the jobs occupied and used."""
    requested = _milli(ads, names.REQUEST_CPUS)
    cpus = _first_milli(
        _milli(ads, names.CPUS_PROVISIONED),
        _milli(ads, names.MACHINE_ATTR_CPUS),
        requested,
    )
    weight = _milli(ads, names.MACHINE_ATTR_SLOT_WEIGHT)
    ads.leave((cpus.values > _MILLI_LIMIT) | (weight.values > _MILLI_LIMIT))
    slot_time = durations_ms(ads, names.CUMULATIVE_SLOT_TIME)
    gpus = ads.integers(names.GPUS_PROVISIONED, high=_INT32_MAX)
    return Resources(
        cpu=cpu_time_of(ads),
        cpus_milli=cpus,
        cpus_requested_milli=requested,
        gpus=gpus.or_else(ads.integers(names.REQUEST_GPUS, high=_INT32_MAX)),
        slot_time_ms=slot_time,
        slot_weight_milli=weight,
        core_ms=_core_ms(times, slot_time, cpus, weight),
        memory_peak_bytes=_memory_peak_bytes(ads),
        memory_provisioned_bytes=_sizes(ads, names.MEMORY_PROVISIONED, BYTES_PER_MIB),
        memory_requested_bytes=_sizes(ads, names.REQUEST_MEMORY, BYTES_PER_MIB),
        disk_peak_bytes=_sizes(ads, names.DISK_USAGE_RAW, BYTES_PER_KIB),
        disk_provisioned_bytes=_sizes(ads, names.DISK_PROVISIONED, BYTES_PER_KIB),
        transfer_in_bytes=_sizes(ads, names.BYTES_RECVD, 1),
        transfer_out_bytes=_sizes(ads, names.BYTES_SENT, 1),
    )


def cpu_time_of(ads: Ads) -> CpuTime:
    """Return the CPU time of all runs, else that of the last run."""
    all_user = durations_ms(ads, names.CUMULATIVE_REMOTE_USER_CPU)
    all_system = durations_ms(ads, names.CUMULATIVE_REMOTE_SYS_CPU)
    last_user = durations_ms(ads, names.REMOTE_USER_CPU)
    last_system = durations_ms(ads, names.REMOTE_SYS_CPU)
    has_any = all_user.is_true() | all_system.is_true()
    has_last = last_user.is_true() | last_system.is_true()
    is_all = (all_user.known | all_system.known) & (has_any | ~has_last)
    is_last = ~is_all & (last_user.known | last_system.known)
    return CpuTime(
        user_ms=all_user.where(is_all, last_user),
        system_ms=all_system.where(is_all, last_system),
        is_of_all_runs=is_all,
        is_of_last_run=is_last,
    )


def slot_weights_milli(resources: Resources) -> Integers:
    """Return what a second in each slot weighs; a startd's default is its cpus."""
    return resources.slot_weight_milli.or_else(resources.cpus_milli)


def _core_ms(
    times: Times, slot_time: Integers, cpus: Integers, weight: Integers
) -> Integers:
    weighs_cpus = ~weight.known | (cpus.known & (weight.values == cpus.values))
    is_off = cpus.known & slot_time_is_off(slot_time.values, times, cpus.values)
    is_kept = slot_time.is_true() & weighs_cpus & ~is_off
    has_both = times.wall.known & cpus.known
    product = Integers(times.wall.values * cpus.values * MS_PER_S // MILLI, has_both)
    other = product.where(has_both, slot_time.only(weighs_cpus))
    return slot_time.where(is_kept, other)


def slot_time_is_off(slot_ms: Numbers, times: Times, weight_milli: Numbers) -> Flags:
    """Whether a slot time cannot be the wall time times the slot's weight."""
    slack_ms = _slack_ms(times, weight_milli)
    wall_s = times.wall.values
    is_off_once = np.abs(slot_ms - wall_s * weight_milli) > slack_ms
    last_s = np.minimum(times.last_run_wall.values, wall_s)
    least_ms = last_s * weight_milli
    least_ms += (wall_s - last_s) * np.minimum(weight_milli, MILLI)
    return np.where(times.runs <= 1, is_off_once, slot_ms < least_ms - slack_ms)


def slot_time_is_above(slot_ms: Numbers, times: Times, weight_milli: Numbers) -> Flags:
    """Whether a slot time is more than wall time times the last slot's weight."""
    most_ms = times.wall.values * weight_milli + _slack_ms(times, weight_milli)
    return slot_ms > most_ms


def _slack_ms(times: Times, weight_milli: Numbers) -> Numbers:
    return 2 * np.maximum(times.runs, 1) * np.maximum(weight_milli, MILLI)


def durations_ms(ads: Ads, name: str) -> Integers:
    """Return the attribute *name*, which is in seconds, as milliseconds."""
    limit_ms = DURATION_LIMIT_S * MS_PER_S * 1000
    return ads.integers(name, high=limit_ms, scale=MS_PER_S)


def _memory_peak_bytes(ads: Ads) -> Integers:
    peak = _sizes(ads, names.RESIDENT_SET_SIZE_RAW, BYTES_PER_KIB)
    if peak.known.all():
        return peak
    return peak.or_else(_sizes(ads, names.MEMORY_USAGE, BYTES_PER_MIB))


def _sizes(ads: Ads, name: str, unit_bytes: int) -> Integers:
    return ads.integers(name, scale=unit_bytes)


def _milli(ads: Ads, name: str) -> Integers:
    return ads.integers(name, high=_INT32_MAX, scale=MILLI)


def _first_milli(*candidates: Integers) -> Integers:
    """Return the first that is more than 0; without one a 0 stays."""
    first = unknown(candidates[0].values.size)
    for candidate in candidates:
        known = first.known | candidate.known
        values = np.where(first.is_true(), first.values, candidate.values)
        first = Integers(values, known)
    return first
