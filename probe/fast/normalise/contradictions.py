"""What in the ads cannot be true at once; see ``probe.normalise.contradictions``.

Each check gives one column of flags, in the order in which the reference names them.
Some need the end, which is known only when the neighbours are: those are made of the
few columns that are kept for them.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from poolmeter import attributes as names
from poolmeter.units import BYTES_PER_MIB, MILLI, MS_PER_S
from probe.fast.ads import Ads, Integers
from probe.fast.arrays import Flags, Numbers, places_of
from probe.fast.columns import Column, chosen
from probe.fast.expressions import is_default_request_memory
from probe.fast.normalise.billing import is_disguised
from probe.fast.normalise.resources import (
    Resources,
    slot_time_is_above,
    slot_time_is_off,
    slot_weights_milli,
)
from probe.fast.normalise.submissions import submissions_in_ids
from probe.fast.normalise.times import Times
from probe.fast.values import Kind
from probe.normalise.contradictions import (
    COMPLETED,
    LAST_RUN_SLACK_S,
    PARALLEL,
    QUEUED_SLACK_S,
    REMOVED,
    RUN_SLACK_S,
)

#: The names in the order of the reference's checks.
NAMES = (
    "queued_at_differs_from_global_job_id",
    "queued_at_missing",
    "end_outside_neighbours",
    "completion_date_outside_last_run",
    "completion_date_of_removed_job",
    "last_start_missing",
    "start_after_end",
    "first_start_after_last",
    "last_run_does_not_end_with_job",
    "starts_exceed_shadow_starts",
    "start_not_counted",
    "only_run_differs_from_wall_time",
    "wall_time_unreadable",
    "wall_time_exceeds_life",
    "wall_time_below_last_run",
    "wall_time_below_committed_time",
    "wall_time_below_cpu_time",
    "slot_time_differs_from_wall_time",
    "cpus_below_slot",
    "cpus_above_slot",
    "memory_of_slot_missing",
    "memory_below_request",
    "gpus_below_request",
    "slot_in_slotless_universe",
)


@dataclasses.dataclass(frozen=True, slots=True)
class EndChecks:
    """What the checks of the end need, by record; times in Unix seconds, 0 unknown."""

    completed_s: Numbers
    entered_s: Numbers
    started_s: Numbers
    last_started_s: Numbers
    #: When the last run ended by its own wall time; 0 where that proves nothing.
    last_run_end_s: Numbers
    #: When the last run was ordered off its slot long after its end; else 0.
    vacated_s: Numbers
    #: The shortest life that the wall time allows.
    least_life_s: Numbers
    is_completed: Flags
    is_removed: Flags


def end_checks_of(ads: Ads, times: Times) -> EndChecks:
    """Return what is kept of the ads until their ends are known."""
    is_completed = times.status.values == COMPLETED
    last_status = ads.integers(names.LAST_JOB_STATUS)
    is_removed = (times.status.values == REMOVED) & (last_status.values != COMPLETED)
    is_only_run = (times.runs <= 1) & (times.shadow_starts.values <= 1)
    last_run = times.wall.where(is_only_run, times.last_run_wall)
    proves = is_completed & ~times.reconnects.is_true() & last_run.known
    proves &= times.last_started.known
    life_s = times.wall.values - _run_slack_s(times)
    return EndChecks(
        completed_s=times.completed.values,
        entered_s=times.entered.values,
        started_s=times.started.values,
        last_started_s=times.last_started.values,
        last_run_end_s=np.where(proves, times.last_started.values + last_run.values, 0),
        vacated_s=_vacated_after_the_end(ads, times),
        least_life_s=np.where(times.wall.known & times.started.known, life_s, _NEVER),
        is_completed=is_completed,
        is_removed=is_removed,
    )


def _vacated_after_the_end(ads: Ads, times: Times) -> Numbers:
    """Return LastVacateTime where the last run is said to have ended long before."""
    vacated_s = ads.integers(names.LAST_VACATE_TIME).values
    start_s = times.last_started.values
    is_late = times.last_started.known & times.last_run_wall.known
    is_late &= start_s < vacated_s
    is_late &= start_s + times.last_run_wall.values < vacated_s - LAST_RUN_SLACK_S
    return np.where(is_late, vacated_s, 0)


#: Less than any job's life.
_NEVER = np.int64(-(2**60))


def bits_of(ads: Ads, times: Times, resources: Resources, universe: Numbers) -> Numbers:
    """Return, as bits in the order of ``NAMES``, all that does not need the end."""
    found = (
        _of_dates(ads, times)
        | _of_starts(ads, times, universe)
        | _of_wall_time(times, resources)
        | _of_slot(ads, times, resources)
        | {"slot_in_slotless_universe": is_disguised(ads, universe)}
    )
    return _as_bits(found, ads.count)


def bits_of_ends(checks: EndChecks, ended_s: Numbers, is_outside: Flags) -> Numbers:
    """Return, as bits, what does need the end."""
    completed_s, last_started_s = checks.completed_s, checks.last_started_s
    last_s = np.where(last_started_s != 0, last_started_s, ended_s)
    found = {
        "end_outside_neighbours": is_outside,
        "completion_date_outside_last_run": checks.is_completed
        & ((completed_s == 0) | (np.abs(completed_s - ended_s) > LAST_RUN_SLACK_S)),
        "completion_date_of_removed_job": checks.is_removed
        & (completed_s != 0)
        & (ended_s == completed_s)
        & (completed_s != checks.entered_s),
        "start_after_end": last_started_s > ended_s,
        "first_start_after_last": checks.started_s > last_s,
        "last_run_does_not_end_with_job": (
            (checks.last_run_end_s != 0)
            & (np.abs(ended_s - checks.last_run_end_s) > LAST_RUN_SLACK_S)
        )
        | ((checks.vacated_s != 0) & (checks.vacated_s <= ended_s)),
        "wall_time_exceeds_life": checks.least_life_s > ended_s - checks.started_s,
    }
    return _as_bits(found, ended_s.size)


def names_of_bits(bits: Numbers) -> Column:
    """Return the names of each record's contradictions, in the order of the checks."""
    kinds, codes = np.unique(bits, return_inverse=True)
    lists = [
        [name for number, name in enumerate(NAMES) if bit >> number & 1]
        for bit in kinds.tolist()
    ]
    return chosen(pa.array(lists, pa.list_(pa.string())), codes)


def _as_bits(found: dict[str, Flags], count: int) -> Numbers:
    bits: Numbers = np.zeros(count, np.int64)
    for name, is_so in found.items():
        bits |= is_so.astype(np.int64) << NAMES.index(name)
    return bits


def _of_dates(ads: Ads, times: Times) -> dict[str, Flags]:
    made = submissions_in_ids(ads)
    queued = times.queued
    is_late = ads.has(names.JOB_MATERIALIZE_DIGEST_FILE)
    is_late &= queued.values < made.values
    is_far = ~is_late & (np.abs(queued.values - made.values) > QUEUED_SLACK_S)
    return {
        "queued_at_differs_from_global_job_id": made.known & (~queued.known | is_far),
        "queued_at_missing": ~queued.known,
        "last_start_missing": times.wall.is_true() & ~times.last_started.known,
    }


def _of_starts(ads: Ads, times: Times, universe: Numbers) -> dict[str, Flags]:
    starts, shadows = ads.integers(names.NUM_JOB_STARTS).values, times.shadow_starts
    is_executed = ads.has(names.JOB_CURRENT_START_EXECUTING_DATE)
    differs = np.abs(times.wall.values - times.last_run_wall.values) > RUN_SLACK_S
    is_only_run = (shadows.values == 1) & (times.runs <= 1)
    is_only_run &= ~times.reconnects.is_true()
    return {
        "starts_exceed_shadow_starts": shadows.known
        & (starts > shadows.values)
        & (universe != PARALLEL),
        "start_not_counted": times.wall.is_true() & (starts == 0) & is_executed,
        "only_run_differs_from_wall_time": is_only_run
        & times.last_run_wall.known
        & times.wall.known
        & differs,
    }


def _of_wall_time(times: Times, resources: Resources) -> dict[str, Flags]:
    slack_s = _run_slack_s(times)
    wall = times.wall
    least_s = wall.values + slack_s
    return {
        "wall_time_unreadable": ~times.is_wall_readable & times.has_started,
        "wall_time_below_last_run": wall.known & (least_s < times.last_run_wall.values),
        "wall_time_below_committed_time": wall.known
        & (least_s < times.committed.values),
        "wall_time_below_cpu_time": wall.known
        & _exceeds_cpus(times, resources, slack_s),
    }


def _run_slack_s(times: Times) -> Numbers:
    return RUN_SLACK_S * np.maximum(times.runs, 1)


def _exceeds_cpus(times: Times, resources: Resources, slack_s: Numbers) -> Flags:
    """Whether more CPU time was used than the cpus give in the wall time."""
    wall: Integers = times.last_run_wall.where(resources.cpu.is_of_last_run, times.wall)
    cpus_milli = resources.cpus_milli.values
    limit_ms = (wall.values + slack_s) * cpus_milli * MS_PER_S // MILLI
    exceeds: Flags = wall.known & (cpus_milli != 0)
    exceeds &= resources.cpu.total_ms > limit_ms
    return exceeds


def _of_slot(ads: Ads, times: Times, resources: Resources) -> dict[str, Flags]:
    weight, slot_time = slot_weights_milli(resources), resources.slot_time_ms
    differs = slot_time_is_off(slot_time.values, times, weight.values)
    differs |= slot_time_is_above(slot_time.values, times, weight.values)
    machine = ads.integers(names.MACHINE_ATTR_CPUS, scale=MILLI).values
    provisioned = ads.integers(names.CPUS_PROVISIONED, scale=MILLI)
    asked_gpus = ads.integers(names.REQUEST_GPUS).values
    return {
        "slot_time_differs_from_wall_time": slot_time.is_true()
        & weight.known
        & times.wall.known
        & differs,
        "cpus_below_slot": provisioned.known & (provisioned.values < machine),
        "cpus_above_slot": (machine != 0) & (provisioned.values > machine),
        "memory_of_slot_missing": provisioned.known
        & ~resources.memory_provisioned_bytes.known,
        "memory_below_request": _is_below_request(ads, resources),
        "gpus_below_request": resources.gpus.values < asked_gpus,
    }


def _is_below_request(ads: Ads, resources: Resources) -> Flags:
    """Whether the slot had less memory than was asked for when it was matched.

    What an expression was before the first run is the reference's to say; HTCondor's
    own default was undefined then.
    """
    provisioned = resources.memory_provisioned_bytes
    requested = resources.memory_requested_bytes
    is_below = provisioned.known & requested.known
    is_below &= requested.values - BYTES_PER_MIB > provisioned.values
    is_literal = _is_literal(ads, names.REQUEST_MEMORY, is_below)
    ran_once = ads.integers(names.NUM_SHADOW_STARTS).values == 1
    is_default = is_default_request_memory(ads)
    ads.leave(is_below & ~is_literal & ~is_default & ran_once)
    return is_below & is_literal


def _is_literal(ads: Ads, name: str, chosen: Flags) -> Flags:
    """Whether *name* is a plain number in each ad, where that is asked."""
    written = ads.written_kinds(name)
    is_literal = np.isin(written, (Kind.INTEGER, Kind.REAL, Kind.FRACTION))
    for record in places_of(chosen & ads.may_be_odd_number(name)).tolist():
        is_literal[record] = ads.is_literal(name, record)
    return is_literal
