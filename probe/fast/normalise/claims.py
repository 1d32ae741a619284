"""What only a match with a startd leaves; see ``probe.normalise.claims``."""

import functools

import numpy as np

from poolmeter import attributes as names
from probe.fast.ads import Ads
from probe.fast.arrays import Flags
from probe.normalise.claims import CLAIM_EVIDENCE


def has_claim(ads: Ads) -> Flags:
    """Whether each job had a slot of this pool."""
    return functools.reduce(np.logical_or, (ads.has(name) for name in CLAIM_EVIDENCE))


def is_routed_source(ads: Ads) -> Flags:
    """Whether a job router ran a copy of each job, and no slot ran the job itself."""
    return ads.has_text(names.ROUTED_TO_JOB_ID) & ~has_claim(ads)
