"""Whether each job's usage is priced; see ``probe.normalise.billing``."""

import numpy as np

from poolmeter import attributes as names
from probe.fast.ads import Ads
from probe.fast.arrays import Flags, Numbers
from probe.fast.columns import Column, chosen_words, flag_column
from probe.fast.normalise.claims import has_claim, is_routed_source
from probe.fast.normalise.times import Times
from probe.normalise.billing import GRID_UNIVERSE, SLOTLESS

_REASONS = ("never_started", *SLOTLESS.values(), "routed_source")


def billing_columns(
    ads: Ads, times: Times, universe: Numbers, *, bill_routed_source: bool
) -> dict[str, Column]:
    """Return whether each job is priced, and why not."""
    is_never = ~times.wall.is_true() & ~times.has_started
    has_slot = has_slot_evidence(ads, universe)
    conditions = [is_never]
    conditions += [(universe == code) & ~has_slot for code in SLOTLESS]
    conditions.append(is_routed_source(ads) & (not bill_routed_source))
    codes = np.select(conditions, list(range(len(_REASONS))), default=len(_REASONS))
    is_unbilled = codes < len(_REASONS)
    return {
        "billable": flag_column(~is_unbilled),
        "unbilled_reason": chosen_words(_REASONS, codes, is_unbilled),
    }


def has_slot_evidence(ads: Ads, universe: Numbers) -> Flags:
    """Whether each ad shows that the job held a slot."""
    is_here: Flags = (universe != GRID_UNIVERSE) & ads.has(names.LAST_REMOTE_HOST)
    return has_claim(ads) | is_here


def is_disguised(ads: Ads, universe: Numbers) -> Flags:
    """Whether the universe or the route says "not here" and a slot says otherwise."""
    is_slotless = np.isin(universe, list(SLOTLESS))
    is_routed = ads.has_text(names.ROUTED_TO_JOB_ID) & has_claim(ads)
    return np.where(is_slotless, has_slot_evidence(ads, universe), is_routed)
