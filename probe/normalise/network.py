"""What the job sent and received, by class, and how far the counts can be trusted.

Only the exact names count: HTCondor's own ``NetworkInputMb`` of docker jobs (real
megabytes) and whatever a site or an owner invents share the prefix.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from poolmeter import attributes as names
from poolmeter.record import NETWORK_COLUMNS
from probe.job_ad import JobAd

VM_UNIVERSE = 13


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """The network columns of a record."""

    counts: dict[str, int | None]
    other: dict[str, int] | None
    trust: str
    missing_reason: str | None

    def columns(self) -> dict[str, Any]:
        """Return the columns by name."""
        return self.counts | {
            "network_other_bytes": self.other,
            "network_trust": self.trust,
            "network_missing_reason": self.missing_reason,
        }


def network_of(
    ad: JobAd, *, universe: int | None, has_started: bool, other_names: Sequence[str]
) -> Network:
    """Return the counts in *ad*; what is absent is unknown, never zero.

    A value that is no whole number >= 0 is left out with a warning in *ad*; the job
    is kept.
    """
    pairs = zip(NETWORK_COLUMNS, names.NETWORK_COUNTS, strict=True)
    counts = {column: _count(ad, name) for column, name in pairs}
    other = {
        name: value for name in other_names if (value := _count(ad, name)) is not None
    }
    if any(value is not None for value in counts.values()):
        return Network(counts, other or None, "unsigned", None)
    reason = _missing_reason(ad, universe=universe, has_started=has_started)
    return Network(counts, other or None, "missing", reason)


def _count(ad: JobAd, name: str) -> int | None:
    value = ad.number(name)
    if isinstance(value, float):
        ad.warnings[str(name)] = "expected a whole number of bytes"
        return None
    return value


def _missing_reason(ad: JobAd, *, universe: int | None, has_started: bool) -> str:
    """Say why there are no counts: the node's own word, else what the ad shows."""
    stated = ad.text(names.POOLMETER_UNMEASURED)
    if stated:
        return stated
    if not has_started:
        return "not_run"
    if universe == VM_UNIVERSE:
        return "vm"
    if ad.boolean(names.WANT_DOCKER):
        return "docker"
    return "not_published"
