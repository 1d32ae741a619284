"""Whether a job's usage is priced, and if not, why.

A job that held a slot is priced whatever its owner says of its universe.
"""

from poolmeter import attributes as names
from probe.job_ad import JobAd
from probe.normalise.claims import CLAIM_EVIDENCE, has_claim, is_routed_source
from probe.normalise.times import Times

SCHEDULER_UNIVERSE = 7
GRID_UNIVERSE = 9
LOCAL_UNIVERSE = 12

#: Universes whose jobs run on the access point itself, or elsewhere as other jobs.
SLOTLESS = {
    SCHEDULER_UNIVERSE: "scheduler_universe",
    LOCAL_UNIVERSE: "local_universe",
    GRID_UNIVERSE: "grid_universe",
}


def unbilled_reason(
    ad: JobAd, *, universe: int | None, times: Times, bill_routed_source: bool
) -> str | None:
    """Return why the job is not priced, ``None`` if it is."""
    if not times.wall_s and not times.has_started:
        return "never_started"
    if universe in SLOTLESS and not has_slot_evidence(ad, universe):
        return SLOTLESS[universe]
    if is_routed_source(ad) and not bill_routed_source:
        return "routed_source"
    return None


def has_slot_evidence(ad: JobAd, universe: int | None) -> bool:
    """Whether the ad shows that the job held a slot.

    A grid job's LastRemoteHost is the remote system's word, no slot of this pool.
    """
    evidence = CLAIM_EVIDENCE
    if universe != GRID_UNIVERSE:
        evidence = (*evidence, names.LAST_REMOTE_HOST)
    return any(ad.has(name) for name in evidence)


def is_disguised(ad: JobAd, universe: int | None) -> bool:
    """Whether the universe or the route says "not here" and a slot says otherwise."""
    if universe in SLOTLESS:
        return has_slot_evidence(ad, universe)
    return ad.text(names.ROUTED_TO_JOB_ID) is not None and has_claim(ad)
