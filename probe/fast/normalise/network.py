"""What the jobs sent and received, by class; see ``probe.normalise.network``."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolmeter import attributes as names
from poolmeter.record import NETWORK_COLUMNS
from probe.fast.ads import Ads, Integers
from probe.fast.arrays import Flags, Numbers
from probe.fast.columns import Column, chosen_words, flag_column
from probe.fast.values import Kind
from probe.normalise.network import VM_UNIVERSE

_OTHER_COUNTS = pa.map_(pa.string(), pa.int64())
_REASONS = ("not_run", "vm", "docker", "not_published")


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """The network columns."""

    counts: dict[str, Integers]
    other: Column
    is_known: Flags
    missing_reason: Column

    def columns(self) -> dict[str, Column]:
        """Return the columns by name."""
        columns = {name: c.column() for name, c in self.counts.items()}
        trusts = np.where(self.is_known, 0, 1)
        return columns | {
            "network_other_bytes": self.other,
            "network_trust": chosen_words(("unsigned", "missing"), trusts),
            "network_missing_reason": self.missing_reason,
        }


def network_of(
    ads: Ads, *, universe: Numbers, has_started: Flags, other_names: Sequence[str]
) -> Network:
    """Return the counts; what is absent is unknown, never zero."""
    pairs = zip(NETWORK_COLUMNS, names.NETWORK_COUNTS, strict=True)
    counts = {column: ads.counts(name) for column, name in pairs}
    other = _other_counts(ads, other_names)
    is_known = np.zeros(ads.count, bool)
    for count in counts.values():
        is_known |= count.known
    reasons = _missing_reasons(ads, universe, has_started)
    none = pa.scalar(None, pa.string())
    missing = pc.if_else(flag_column(is_known), none, reasons)
    return Network(counts, other, is_known, missing)


def _missing_reasons(ads: Ads, universe: Numbers, has_started: Flags) -> Column:
    """Say why there are no counts: the node's own word, else what the ad shows."""
    is_docker = ads.kinds(names.WANT_DOCKER) == Kind.TRUE
    codes = np.select(
        [~has_started, universe == VM_UNIVERSE, is_docker], [0, 1, 2], default=3
    )
    shown = chosen_words(_REASONS, codes)
    stated: Column = pc.coalesce(ads.texts(names.POOLMETER_UNMEASURED), shown)
    return stated


def _other_counts(ads: Ads, other_names: Sequence[str]) -> Column:
    """Return the further attributes that the configuration names."""
    if not other_names:
        return pa.nulls(ads.count, _OTHER_COUNTS)
    found = [(name, ads.counts(name)) for name in other_names]
    rows = [
        {name: int(c.values[row]) for name, c in found if c.known[row]}
        for row in range(ads.count)
    ]
    maps = [list(row.items()) or None for row in rows]
    return pa.array(maps, _OTHER_COUNTS)
