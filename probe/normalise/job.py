"""One history record in, one :class:`JobRecord` out, or the reason why not."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from poolmeter import attributes as names
from poolmeter.config import Config, ProbeConfig
from poolmeter.record import JobRecord
from probe.banner import Banner
from probe.job_ad import JobAd
from probe.normalise.billing import unbilled_reason
from probe.normalise.contradictions import contradictions_of
from probe.normalise.identity import identity_of, payload_trust, vo_of
from probe.normalise.network import network_of
from probe.normalise.resources import resources_of
from probe.normalise.times import NoEndError, Surroundings, Times, times_of

STATUSES = {3: "removed", 4: "completed"}
INT8_MAX = 2**7 - 1
INT32_MAX = 2**31 - 1


class NotAJobError(ValueError):
    """The ad is readable and yet no record of an ended job; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Normalised:
    """A record, and what in its ad was set aside on the way: attribute to reason."""

    record: JobRecord
    warnings: Mapping[str, str]


def normalise(
    ad: JobAd,
    *,
    banner: Banner | None,
    schedd: str,
    config: Config,
    around: Surroundings,
) -> Normalised:
    """Return the record of the job that *ad* describes.

    Args:
        ad: The job's ad.
        banner: The line behind it in a history file, if there is one.
        schedd: Name of the schedd.
        config: VO rules, site and further attributes.
        around: When the file says that it was written.

    Raises:
        NotAJobError: The ad is of no ended job, or the banner is another job's.
    """
    cluster_id, proc_id = job_id(ad, banner)
    try:
        times = times_of(ad, around)
    except NoEndError as error:
        raise NotAJobError(str(error)) from error
    status = _status(ad)
    columns = (
        {
            "schedd": schedd,
            "site": config.probe.site,
            "cluster_id": cluster_id,
            "proc_id": proc_id,
            "job_status": status,
            "revision": 0,
        }
        | identity_columns(ad, config)
        | _usage_columns(ad, times, config.probe)
        | _place_columns(ad)
        | _ending_columns(ad)
        | _extra_columns(ad, config.probe)
    )
    return Normalised(JobRecord(**columns), ad.warnings)


def job_id(ad: JobAd, banner: Banner | None) -> tuple[int, int]:
    """Return ClusterId and ProcId of *ad*, which its *banner* has to confirm.

    Raises:
        NotAJobError: It does not, or there is none.
    """
    cluster_id = ad.integer(names.CLUSTER_ID)
    proc_id = ad.integer(names.PROC_ID, high=INT32_MAX)
    if cluster_id is None or proc_id is None:
        raise NotAJobError(f"no {names.CLUSTER_ID} or {names.PROC_ID}")
    if banner is not None:
        of_banner = (banner.integer("ClusterId"), banner.integer("ProcId"))
        if of_banner != (cluster_id, proc_id):
            raise NotAJobError("the banner is of another job, or damaged")
    return cluster_id, proc_id


def _status(ad: JobAd) -> str:
    code = ad.integer(names.JOB_STATUS)
    if code not in STATUSES:
        found = "nothing" if code is None else code
        raise NotAJobError(
            f"{names.JOB_STATUS}: expected 3 (removed) or 4 (completed), found {found}"
        )
    return STATUSES[code]


def identity_columns(ad: JobAd, config: Config) -> dict[str, Any]:
    """Return the columns that say whose the job is."""
    identity = identity_of(ad)
    vo, vo_source = vo_of(identity, config.vo.rules)
    return identity.columns() | {
        "global_job_id": ad.text(names.GLOBAL_JOB_ID),
        "vo": vo,
        "vo_source": vo_source,
        "payloads": None,
        "payload_trust": payload_trust(identity),
    }


def _usage_columns(ad: JobAd, times: Times, config: ProbeConfig) -> dict[str, Any]:
    universe = ad.integer(names.JOB_UNIVERSE, high=INT8_MAX)
    resources = resources_of(ad, times)
    contradictions = contradictions_of(ad, times, resources, universe)
    reason = unbilled_reason(
        ad,
        universe=universe,
        times=times,
        bill_routed_source=config.bill_routed_source,
    )
    network = network_of(
        ad,
        universe=universe,
        has_started=times.has_started,
        other_names=config.network_other,
    )
    return (
        times.columns()
        | resources.columns()
        | network.columns()
        | {
            "universe": universe,
            "billable": reason is None,
            "unbilled_reason": reason,
            "time_trust": "contradicted" if contradictions else "consistent",
            "contradictions": contradictions,
        }
    )


def _place_columns(ad: JobAd) -> dict[str, Any]:
    sites = (ad.text(name) for name in names.EXECUTE_SITE_SOURCES)
    return {
        "last_remote_host": ad.text(names.LAST_REMOTE_HOST),
        "execute_site": next((site for site in sites if site), None),
        "execute_pool": ad.text(names.LAST_REMOTE_POOL),
        "dag_job_id": ad.integer(names.DAGMAN_JOB_ID),
        "routed_from": ad.text(names.ROUTED_FROM_JOB_ID),
        "routed_to": ad.text(names.ROUTED_TO_JOB_ID),
    }


def _ending_columns(ad: JobAd) -> dict[str, Any]:
    """Return how the job ended; a signal counts only where ExitBySignal is true."""
    is_held_now = ad.text(names.HOLD_REASON) is not None
    reason, code, subcode = (
        (names.HOLD_REASON, names.HOLD_REASON_CODE, names.HOLD_REASON_SUBCODE)
        if is_held_now
        else (
            names.LAST_HOLD_REASON,
            names.LAST_HOLD_REASON_CODE,
            names.LAST_HOLD_REASON_SUBCODE,
        )
    )
    by_signal = ad.boolean(names.EXIT_BY_SIGNAL) is True
    return {
        "exit_code": code_of(ad, names.EXIT_CODE),
        "exit_signal": code_of(ad, names.EXIT_SIGNAL) if by_signal else None,
        "removal_reason": ad.text(names.REMOVE_REASON),
        "hold_reason": ad.text(reason),
        "hold_reason_code": code_of(ad, code),
        "hold_reason_subcode": code_of(ad, subcode),
        "holds": code_of(ad, names.NUM_HOLDS),
        "vacate_reason_code": code_of(ad, names.VACATE_REASON_CODE),
    }


def code_of(ad: JobAd, name: str) -> int | None:
    """Return the code *name*, which may be negative."""
    return ad.integer(name, low=-INT32_MAX, high=INT32_MAX)


def _extra_columns(ad: JobAd, config: ProbeConfig) -> dict[str, Any]:
    extra = {
        name: text
        for name in config.extra_attributes
        if (text := ad.raw_text(name)) is not None
    }
    scaling = ad.number(config.benchmark_attribute or names.MACHINE_ATTR_APEL_SCALING)
    return {
        "extra": extra or None,
        "benchmark_scaling": None if scaling is None else float(scaling),
    }
