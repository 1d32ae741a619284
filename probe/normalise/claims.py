"""What only a match with a startd leaves in an ad: a claim, which the owner lacks.

A routed job's source has none of it: the job router copies wall time and the last
run's CPU time back into the source, but nothing of a slot.
"""

from poolmeter import attributes as names
from probe.job_ad import JobAd

CLAIM_EVIDENCE: tuple[str, ...] = (
    names.STARTD_PRINCIPAL,
    names.MACHINE_ATTR_CPUS,
    names.LAST_PUBLIC_CLAIM_ID,
)


def has_claim(ad: JobAd) -> bool:
    """Whether the job had a slot of this pool."""
    return any(ad.has(name) for name in CLAIM_EVIDENCE)


def is_routed_source(ad: JobAd) -> bool:
    """Whether a job router ran a copy of the job, and no slot ran the job itself."""
    return ad.text(names.ROUTED_TO_JOB_ID) is not None and not has_claim(ad)
