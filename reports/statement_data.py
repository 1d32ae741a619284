"""A statement as data: what every rendering shows and nothing computes again."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from poolmeter.ledger.gaps import Gap
from poolmeter.record import NETWORK_COLUMNS
from reports.line import UNKNOWN, Line, add_known
from reports.question import By
from reports.trend_data import Closing, Trend
from reports.use_data import Use

__all__ = [
    "COMPARED",
    "UNKNOWN",
    "Amount",
    "Aside",
    "By",
    "ContradictedJob",
    "Coverage",
    "Line",
    "Reconciliation",
    "Statement",
    "Trust",
    "add_known",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Jobs without a price, for one reason: how many, how long, what they moved."""

    reason: str
    jobs: int = 0
    wall_s: int = 0
    network: tuple[int | None, ...] = (None,) * len(NETWORK_COLUMNS)

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return {
            "reason": self.reason,
            "jobs": self.jobs,
            "wall_s": self.wall_s,
            **dict(zip(NETWORK_COLUMNS, self.network, strict=True)),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """Jobs that count in the month, and seconds that lie in it."""

    jobs: int = 0
    wall_s: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Return both together."""
        return Amount(self.jobs + other.jobs, self.wall_s + other.wall_s)


@dataclasses.dataclass(frozen=True, slots=True)
class ContradictedJob:
    """One job whose ad contradicts itself, and in what."""

    job: str
    owner: str
    contradictions: tuple[str, ...]
    wall_s: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far the inputs can be trusted.

    ``network`` covers the jobs that are priced or unpriced; ``time`` and
    ``contradictions`` cover the unbilled ones as well, since an edited ad can make a
    job look as if it had never run.
    """

    network: Mapping[str, Amount]
    time: Mapping[str, Amount]
    contradictions: Mapping[str, Amount]
    contradicted_jobs: tuple[ContradictedJob, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For how much of the priced work the traffic that costs money is known.

    ``core_s_with_cpu`` is the core time of which the CPU time is known.  ``jobs`` are
    those whose bytes belong to the month.  ``incomplete_lines`` are the keys whose
    network cost is a lower bound.
    """

    jobs: int
    jobs_with_network: int
    wall_s: int
    wall_s_with_network: int
    core_s_with_cpu: int
    missing: Mapping[str, int]
    incomplete_lines: tuple[str, ...]
    gaps: tuple[Gap, ...]

    @property
    def is_lower_bound(self) -> bool:
        """Whether traffic that costs money may be missing in the costs."""
        return bool(self.incomplete_lines or self.gaps)


#: What the reconciliation compares.
COMPARED = ("jobs", "wall_s", *NETWORK_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What the ledger holds for the month, counted on its own, against the statement.

    Each maps a name of ``COMPARED`` to its sum.
    """

    in_ledger: Mapping[str, int]
    priced: Mapping[str, int]
    unbilled: Mapping[str, int]
    unpriced: Mapping[str, int]

    @property
    def difference(self) -> int:
        """All differences added up without sign; anything but 0 is our error."""
        return sum(
            abs(
                self.in_ledger[name]
                - self.priced[name]
                - self.unbilled[name]
                - self.unpriced[name]
            )
            for name in COMPARED
        )

    def to_json(self) -> dict[str, int]:
        """Return it under its names in the format."""
        sides = {
            "in_ledger": self.in_ledger,
            "priced": self.priced,
            "unbilled": self.unbilled,
            "unpriced": self.unpriced,
        }
        named = {
            f"{name}_{side}": values[name]
            for name in COMPARED
            for side, values in sides.items()
        }
        return {**named, "difference": self.difference}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The month of one pool, or of one VO of it, in money and in what it stands for.

    ``use``, ``trend`` and ``closing`` are ``None`` where they were not asked for;
    ``closing`` also where the month has not been closed.
    """

    month: str
    by: By
    vo: str | None
    currency: str
    book_id: str
    book_sha256: str
    vcpus_per_cpu: int
    lines: tuple[Line, ...]
    totals: Line
    unpriced: tuple[Aside, ...]
    unbilled: tuple[Aside, ...]
    interval_source: Mapping[str, int]
    memory_unknown: Amount
    trust: Trust
    coverage: Coverage
    reconciliation: Reconciliation
    notes: tuple[str, ...]
    use: Use | None = None
    trend: Trend | None = None
    closing: Closing | None = None

    @property
    def difference(self) -> int:
        """What our own sums disagree about; anything but 0 is our error."""
        return self.reconciliation.difference + (self.use.difference if self.use else 0)

    @property
    def is_empty(self) -> bool:
        """Whether the ledger holds nothing for the month."""
        return not (self.lines or self.unpriced or self.unbilled)

    def to_json(self) -> dict[str, Any]:
        """Return the statement as JSON knows it: costs are decimal strings."""
        totals = self.totals.to_json()
        del totals["key"]
        return {
            "month": self.month,
            "by": self.by,
            "vo": self.vo,
            "currency": self.currency,
            "book": {"id": self.book_id, "sha256": self.book_sha256},
            "vcpus_per_cpu": self.vcpus_per_cpu,
            "lines": [line.to_json() for line in self.lines],
            "totals": totals,
            "unpriced": [aside.to_json() for aside in self.unpriced],
            "unbilled": [aside.to_json() for aside in self.unbilled],
            "interval_source": dict(self.interval_source),
            "memory_unknown": dataclasses.asdict(self.memory_unknown),
            "trust": _trust_json(self.trust),
            "coverage": _coverage_json(self.coverage),
            "reconciliation": self.reconciliation.to_json(),
            "notes": list(self.notes),
            "use": None if self.use is None else self.use.to_json(),
            "trend": None if self.trend is None else self.trend.to_json(),
            "closing": None if self.closing is None else self.closing.to_json(),
        }


def _trust_json(trust: Trust) -> dict[str, Any]:
    return {
        "network": _amounts_json(trust.network),
        "time": _amounts_json(trust.time),
        "contradictions": _amounts_json(trust.contradictions),
        "contradicted_jobs": [
            {**dataclasses.asdict(job), "contradictions": list(job.contradictions)}
            for job in trust.contradicted_jobs
        ],
    }


def _amounts_json(amounts: Mapping[str, Amount]) -> dict[str, dict[str, int]]:
    return {name: dataclasses.asdict(amount) for name, amount in amounts.items()}


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "jobs": coverage.jobs,
        "jobs_with_network": coverage.jobs_with_network,
        "wall_s": coverage.wall_s,
        "wall_s_with_network": coverage.wall_s_with_network,
        "core_s_with_cpu": coverage.core_s_with_cpu,
        "missing": dict(coverage.missing),
        "lower_bound": coverage.is_lower_bound,
        "incomplete_lines": list(coverage.incomplete_lines),
        "gaps": [_gap_json(gap) for gap in coverage.gaps],
    }


def _gap_json(gap: Gap) -> dict[str, str]:
    return {
        "schedd": gap.schedd,
        "source": gap.source,
        "reason": gap.reason,
        "from_at": _iso(gap.from_at),
        "to_at": _iso(gap.to_at),
    }


def _iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
