"""What in an ad cannot be true at once.

An owner can ``condor_qedit`` the times, the universe, the cpus and the GlobalJobId
of a held job (tried on 23.9.6).  No single edit makes a job free or moves it unseen:
each check here gives its finding a name, which the record keeps and every statement
shows.  Edits of several attributes that agree with each other are beyond a job ad.
"""

import re
from collections.abc import Iterator, Mapping

from poolmeter import attributes as names
from poolmeter.units import BYTES_PER_MIB, MILLI, MS_PER_S, SECONDS_PER_DAY
from probe.job_ad import JobAd
from probe.normalise.billing import is_disguised
from probe.normalise.resources import (
    Resources,
    Slot,
    slot_of,
    slot_time_is_above,
    slot_time_is_off,
    slot_weight_milli,
)
from probe.normalise.times import DURATION_LIMIT_S, Times

#: A start, a run's end and their bookkeeping are whole seconds apart.
RUN_SLACK_S = 2
#: How far the end of a completed job's last run may lie from the job's end.
LAST_RUN_SLACK_S = 300
#: How far QDate may lie from the time in GlobalJobId.
QUEUED_SLACK_S = SECONDS_PER_DAY

#: HTCondor's JobStatus.
REMOVED, COMPLETED = 3, 4

#: Universe of jobs that one shadow starts on many slots.
PARALLEL = 11

#: What a request for memory may hang on, as it is until a job runs for the first time.
_BEFORE_FIRST_RUN: Mapping[str, int | None] = {
    names.MEMORY_USAGE: None,
    names.RESIDENT_SET_SIZE: None,
    names.RESIDENT_SET_SIZE_RAW: None,
    names.IMAGE_SIZE: None,
    names.IMAGE_SIZE_RAW: None,
    names.NUM_JOB_STARTS: 0,
    names.NUM_SHADOW_STARTS: 0,
}

_EPOCH_TIME = re.compile(r"#(\d{9,10})(?=#|\Z)")


def contradictions_of(
    ad: JobAd, times: Times, resources: Resources, universe: int | None
) -> tuple[str, ...]:
    """Return the names of all contradictions, in the order of the checks."""
    return (
        *_of_dates(ad, times),
        *_of_starts(ad, times, universe),
        *_of_wall_time(ad, times, resources),
        *_of_slot_time(times, resources),
        *contradictions_of_slot(ad, resources),
        *(("slot_in_slotless_universe",) if is_disguised(ad, universe) else ()),
    )


def _of_dates(ad: JobAd, times: Times) -> Iterator[str]:
    if _is_queued_elsewhen(ad, times.queued_s):
        yield "queued_at_differs_from_global_job_id"
    if times.queued_s is None:
        yield "queued_at_missing"
    if times.is_end_replaced or times.is_end_too_late:
        yield "end_outside_neighbours"
    if _is_completion_odd(ad, times):
        yield "completion_date_outside_last_run"
    if _is_removal_completed(ad, times):
        yield "completion_date_of_removed_job"
    if times.wall_s and not times.last_started_s:
        yield "last_start_missing"
    if (times.last_started_s or 0) > times.ended_s:
        yield "start_after_end"
    if (times.started_s or 0) > (times.last_started_s or times.ended_s):
        yield "first_start_after_last"
    if _is_last_run_adrift(ad, times) or _ends_before_it_was_vacated(ad, times):
        yield "last_run_does_not_end_with_job"


def _is_queued_elsewhen(ad: JobAd, queued_s: int | None) -> bool:
    """Whether QDate lies far from the time in GlobalJobId, which is the job's making.

    Where jobs are materialised late they are made for as long as the factory lives,
    and all have the QDate of their cluster (seen on 23.9.6).
    """
    made_s = submission_in_id(ad.text(names.GLOBAL_JOB_ID))
    if made_s is None:
        return False
    if queued_s is None:
        return True
    is_made_late = ad.has(names.JOB_MATERIALIZE_DIGEST_FILE) and queued_s < made_s
    return not is_made_late and abs(queued_s - made_s) > QUEUED_SLACK_S


def submission_in_id(global_job_id: str | None) -> int | None:
    """Return the time of submission that a GlobalJobId holds, in Unix seconds.

    Both orders of its fields occur; anything else is silent, not suspicious.

    >>> submission_in_id("ap.example.org#9.0#1795338475")
    1795338475
    >>> submission_in_id("ap.example.org#1795338475#9.0")
    1795338475
    >>> submission_in_id("renamed") is None
    True
    """
    found = _EPOCH_TIME.findall(global_job_id or "")
    return int(found[-1]) if found else None


def _is_completion_odd(ad: JobAd, times: Times) -> bool:
    """Whether a completed job's CompletionDate is absent or far from its end.

    The schedd may enter the last status a second before the CompletionDate, which is
    then not the end and still no contradiction (seen on 23.9.6).
    """
    if ad.integer(names.JOB_STATUS) != COMPLETED:
        return False
    completed_s = times.completed_s
    return completed_s is None or abs(completed_s - times.ended_s) > LAST_RUN_SLACK_S


def _is_removal_completed(ad: JobAd, times: Times) -> bool:
    """Whether a removed job that never completed has its end from a CompletionDate."""
    return (
        ad.integer(names.JOB_STATUS) == REMOVED
        and ad.integer(names.LAST_JOB_STATUS) != COMPLETED
        and times.ended_s == times.completed_s != times.entered_s
    )


def _is_last_run_adrift(ad: JobAd, times: Times) -> bool:
    """Whether a completed job's last run ended at another time than the job.

    A reconnected shadow counts its own life only, so that such a job proves nothing.
    """
    is_completed = ad.integer(names.JOB_STATUS) == COMPLETED
    if not is_completed or times.reconnects or not times.last_started_s:
        return False
    is_only_run = times.runs <= 1 and (times.shadow_starts or 0) <= 1
    last_run_wall_s = times.wall_s if is_only_run else times.last_run_wall_s
    if last_run_wall_s is None:
        return False
    last_run_end_s = times.last_started_s + last_run_wall_s
    return abs(times.ended_s - last_run_end_s) > LAST_RUN_SLACK_S


def _ends_before_it_was_vacated(ad: JobAd, times: Times) -> bool:
    """Whether the last run ended before it was ordered off its slot.

    How long it took to go after that is up to the job and the site.
    """
    vacated_s = ad.integer(names.LAST_VACATE_TIME)
    if not (vacated_s and times.last_started_s and times.last_run_wall_s is not None):
        return False
    last_run_end_s = times.last_started_s + times.last_run_wall_s
    is_of_last_run = times.last_started_s < vacated_s <= times.ended_s
    return is_of_last_run and last_run_end_s < vacated_s - LAST_RUN_SLACK_S


def _of_starts(ad: JobAd, times: Times, universe: int | None) -> Iterator[str]:
    """A shadow starts a job once; a transfer that fails leaves no start behind."""
    starts = ad.integer(names.NUM_JOB_STARTS)
    shadows = times.shadow_starts
    if shadows is not None and (starts or 0) > shadows and universe != PARALLEL:
        yield "starts_exceed_shadow_starts"
    if times.wall_s and not starts and ad.has(names.JOB_CURRENT_START_EXECUTING_DATE):
        yield "start_not_counted"
    if _is_only_run_another(times):
        yield "only_run_differs_from_wall_time"


def _is_only_run_another(times: Times) -> bool:
    """Whether the one run that there was took another time than all runs together."""
    return (
        times.shadow_starts == 1
        and times.runs <= 1
        and not times.reconnects
        and times.last_run_wall_s is not None
        and times.wall_s is not None
        and abs(times.wall_s - times.last_run_wall_s) > RUN_SLACK_S
    )


def _of_wall_time(ad: JobAd, times: Times, resources: Resources) -> Iterator[str]:
    if not _has_readable_wall_time(ad) and times.has_started:
        yield "wall_time_unreadable"
    if times.wall_s is None:
        return
    slack_s = RUN_SLACK_S * max(times.runs, 1)
    if times.started_s and times.wall_s > times.ended_s - times.started_s + slack_s:
        yield "wall_time_exceeds_life"
    if times.wall_s < (times.last_run_wall_s or 0) - slack_s:
        yield "wall_time_below_last_run"
    if times.wall_s < (times.committed_s or 0) - slack_s:
        yield "wall_time_below_committed_time"
    if _exceeds_cpus(times, resources, slack_s):
        yield "wall_time_below_cpu_time"


def _has_readable_wall_time(ad: JobAd) -> bool:
    return ad.integer(names.REMOTE_WALL_CLOCK_TIME, high=DURATION_LIMIT_S) is not None


def _exceeds_cpus(times: Times, resources: Resources, slack_s: int) -> bool:
    """Whether more CPU time was used than the cpus give in the wall time."""
    is_last_run = resources.cpu.scope == "last_run"
    wall_s = times.last_run_wall_s if is_last_run else times.wall_s
    if wall_s is None or not resources.cpus_milli:
        return False
    limit_ms = (wall_s + slack_s) * resources.cpus_milli * MS_PER_S // MILLI
    return resources.cpu.total_ms > limit_ms


def _of_slot_time(times: Times, resources: Resources) -> Iterator[str]:
    weight_milli = slot_weight_milli(resources)
    # 0 beside wall time is a slot time that nobody keeps, as in a routed job's source.
    if (
        resources.slot_time_ms
        and weight_milli is not None
        and times.wall_s is not None
        and (
            slot_time_is_off(resources.slot_time_ms, times, weight_milli)
            or slot_time_is_above(resources.slot_time_ms, times, weight_milli)
        )
    ):
        yield "slot_time_differs_from_wall_time"


def contradictions_of_slot(ad: JobAd, slot: Slot | Resources) -> Iterator[str]:
    """Yield what cannot be true of the slot that a job, or one run of it, had."""
    machine_milli = ad.integer(names.MACHINE_ATTR_CPUS, scale=MILLI) or 0
    provisioned_milli = ad.integer(names.CPUS_PROVISIONED, scale=MILLI)
    if provisioned_milli is not None and provisioned_milli < machine_milli:
        yield "cpus_below_slot"
    if machine_milli and (provisioned_milli or 0) > machine_milli:
        yield "cpus_above_slot"
    if provisioned_milli is not None and slot.memory_provisioned_bytes is None:
        yield "memory_of_slot_missing"
    if _is_below_request(ad, slot):
        yield "memory_below_request"
    if (slot.gpus or 0) < (ad.integer(names.REQUEST_GPUS) or 0):
        yield "gpus_below_request"


def _is_below_request(ad: JobAd, slot: Slot | Resources) -> bool:
    """Whether the slot had less memory than was asked for when it was matched.

    A request that is an expression may have grown with the job after the match: then
    what it was before the first run counts, for a job that ran once.
    """
    provisioned_bytes = slot.memory_provisioned_bytes
    requested_bytes = slot.memory_requested_bytes
    if provisioned_bytes is None or requested_bytes is None:
        return False
    limit_bytes = provisioned_bytes + BYTES_PER_MIB
    if requested_bytes <= limit_bytes:
        return False
    if ad.is_literal(names.REQUEST_MEMORY):
        return True
    if (ad.integer(names.NUM_SHADOW_STARTS) or 0) != 1:
        return False
    first_bytes = slot_of(ad.changed(**_BEFORE_FIRST_RUN)).memory_requested_bytes
    return first_bytes is not None and first_bytes > limit_bytes
