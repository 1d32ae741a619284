"""One record of an epoch history in, one :class:`RunRecord` out, or why not.

The shadow writes the record when its run ends: the job's ad as the shadow has it, the
moment (``EpochWriteDate``, the last line, out of the owner's reach) and a banner with
the run's number.  The ad's wall time, slot time and CPU time of all runs lag by one
run, so that the run's own time is the difference of two moments.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from poolmeter import attributes as names
from poolmeter.config import Config, ProbeConfig
from poolmeter.run_record import NETWORK_SUM_COLUMNS, RunRecord
from probe.banner import Banner
from probe.job_ad import JobAd
from probe.normalise.contradictions import contradictions_of_slot
from probe.normalise.job import (
    INT8_MAX,
    NotAJobError,
    code_of,
    identity_columns,
    job_id,
)
from probe.normalise.network import network_of
from probe.normalise.resources import slot_of
from probe.normalise.times import LAST_SECOND, duration_ms, timestamp

#: Codes of VacateReasonCode below this are those of a hold.
_FIRST_VACATE_CODE = 1000
_INT32_MAX = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class NormalisedRun:
    """A run, and what in its ad was set aside on the way: attribute to reason."""

    record: RunRecord
    warnings: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _RunTimes:
    """From when to when a run held its slot, in Unix seconds."""

    queued_s: int | None
    started_s: int
    ended_s: int

    @property
    def wall_s(self) -> int:
        return max(0, self.ended_s - self.started_s)


def normalise_run(
    ad: JobAd, *, banner: Banner | None, schedd: str, config: Config
) -> NormalisedRun:
    """Return the run that *ad* and its *banner* describe.

    Raises:
        NotAJobError: The banner is missing, another job's or has no number of a run,
            or the ad has no start or end.
    """
    cluster_id, proc_id = job_id(ad, banner)
    times = _times_of(ad)
    columns = (
        {
            "schedd": schedd,
            "site": config.probe.site,
            "cluster_id": cluster_id,
            "proc_id": proc_id,
            "queued_at": timestamp(times.queued_s),
            "run": _number_of(banner),
            "started_at": timestamp(times.started_s),
            "ended_at": timestamp(times.ended_s),
            "wall_s": times.wall_s,
            "revision": 0,
        }
        | identity_columns(ad, config)
        | _usage_columns(ad, times, config.probe)
        | _place_columns(ad)
        | _ending_columns(ad, times)
    )
    del columns["payloads"]
    return NormalisedRun(RunRecord(**columns), ad.warnings)


def _number_of(banner: Banner | None) -> int:
    number = banner.integer("RunInstanceId") if banner else None
    if number is None or not 0 <= number <= _INT32_MAX:
        raise NotAJobError("the banner has no RunInstanceId")
    return number


def _times_of(ad: JobAd) -> _RunTimes:
    started_s = ad.integer(names.JOB_CURRENT_START_DATE, high=LAST_SECOND)
    if not started_s:
        started_s = ad.integer(names.SHADOW_BDAY, high=LAST_SECOND)
    ended_s = ad.integer(names.EPOCH_WRITE_DATE, high=LAST_SECOND)
    if not started_s or not ended_s:
        missing = names.EPOCH_WRITE_DATE if started_s else names.JOB_CURRENT_START_DATE
        raise NotAJobError(f"no {missing}")
    queued_s = ad.integer(names.Q_DATE, high=LAST_SECOND) or None
    return _RunTimes(queued_s, started_s, ended_s)


def _usage_columns(ad: JobAd, times: _RunTimes, config: ProbeConfig) -> dict[str, Any]:
    """Return what a run occupied and moved; a run is slot evidence, so it is billed."""
    universe = ad.integer(names.JOB_UNIVERSE, high=INT8_MAX)
    slot = slot_of(ad)
    contradictions = (*_of_times(times), *contradictions_of_slot(ad, slot))
    network = network_of(
        ad, universe=universe, has_started=True, other_names=config.network_other
    )
    sums = zip(NETWORK_SUM_COLUMNS, network.counts.values(), strict=True)
    return (
        dataclasses.asdict(slot)
        | dict(sums)
        | {
            "universe": universe,
            "billable": True,
            "unbilled_reason": None,
            "cpu_user_ms": duration_ms(ad, names.REMOTE_USER_CPU),
            "cpu_system_ms": duration_ms(ad, names.REMOTE_SYS_CPU),
            "network_trust": network.trust,
            "network_missing_reason": network.missing_reason,
            "time_trust": "contradicted" if contradictions else "consistent",
            "contradictions": contradictions,
        }
    )


def _of_times(times: _RunTimes) -> Iterator[str]:
    if times.queued_s is None:
        yield "queued_at_missing"
    if times.started_s > times.ended_s:
        yield "start_after_end"
    if times.started_s < (times.queued_s or 0):
        yield "start_before_queueing"


def _place_columns(ad: JobAd) -> dict[str, Any]:
    sites = (ad.text(name) for name in names.EXECUTE_SITE_SOURCES)
    return {
        "remote_host": ad.text(names.REMOTE_HOST),
        "execute_site": next((site for site in sites if site), None),
        "execute_pool": ad.text(names.REMOTE_POOL),
        "dag_job_id": ad.integer(names.DAGMAN_JOB_ID),
        "routed_from": ad.text(names.ROUTED_FROM_JOB_ID),
    }


def _ending_columns(ad: JobAd, times: _RunTimes) -> dict[str, Any]:
    """Return how the run ended; what earlier runs left behind is not of this one."""
    ending = _ending_of(ad, times)
    has_exited = ending == "exited"
    by_signal = ad.boolean(names.EXIT_BY_SIGNAL) is True
    is_vacated = ending in ("evicted", "held")
    signal = code_of(ad, names.EXIT_SIGNAL)
    code = code_of(ad, names.EXIT_CODE)
    return {
        "ending": ending,
        "exit_code": code if has_exited and not by_signal else None,
        "exit_signal": signal if has_exited and by_signal else None,
        "vacate_reason": ad.text(names.VACATE_REASON) if is_vacated else None,
        "vacate_reason_code": code_of(ad, names.VACATE_REASON_CODE)
        if is_vacated
        else None,
    }


def _ending_of(ad: JobAd, times: _RunTimes) -> str:
    """Return how the run ended: by the later of its own end and its eviction.

    The run before it may have been evicted in the second in which it began.
    """
    vacated_s = ad.integer(names.LAST_VACATE_TIME) or 0
    exited_s = ad.number_in(names.TICKET_OF_EXECUTION, "When") or 0
    if max(vacated_s, exited_s) < times.started_s:
        return "lost"
    if exited_s >= vacated_s:
        return "exited"
    code = ad.integer(names.VACATE_REASON_CODE) or 0
    return "held" if 0 < code < _FIRST_VACATE_CODE else "evicted"
