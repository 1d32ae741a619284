"""One line of a statement: what a payer used and what it would cost."""

import dataclasses
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from poolmeter.record import NETWORK_COLUMNS

#: What stands where the ledger names nobody.
UNKNOWN = "(unknown)"
#: What the ledger has for a job whose VO no rule could tell.
NO_VO = "unknown"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One payer's month.

    ``network`` holds the six byte sums in the order of ``NETWORK_COLUMNS``; a sum is
    ``None`` where no job of the line has that count.  ``core_s_with_cpu`` is the core
    time of the jobs whose CPU time is known.  ``network_cost`` is ``None``
    where nothing that costs money was counted; it is a lower bound unless
    ``network_complete``.
    """

    key: str
    jobs: int = 0
    wall_s: int = 0
    core_s: int | None = None
    cpu_s: int | None = None
    core_s_with_cpu: int | None = None
    gpu_s: int = 0
    network: tuple[int | None, ...] = (None,) * len(NETWORK_COLUMNS)
    compute_cost: Decimal = Decimal("0.00")
    network_cost: Decimal | None = None
    network_complete: bool = True

    @property
    def total_cost(self) -> Decimal:
        """What is known of both costs together."""
        return self.compute_cost + (self.network_cost or Decimal("0.00"))

    def __add__(self, other: "Line") -> "Line":
        """Return both lines as one, under this one's key."""
        pairs = zip(self.network, other.network, strict=True)
        return Line(
            key=self.key,
            jobs=self.jobs + other.jobs,
            wall_s=self.wall_s + other.wall_s,
            core_s=add_known(self.core_s, other.core_s),
            cpu_s=add_known(self.cpu_s, other.cpu_s),
            core_s_with_cpu=add_known(self.core_s_with_cpu, other.core_s_with_cpu),
            gpu_s=self.gpu_s + other.gpu_s,
            network=tuple(add_known(mine, theirs) for mine, theirs in pairs),
            compute_cost=self.compute_cost + other.compute_cost,
            network_cost=_add_costs(self.network_cost, other.network_cost),
            network_complete=self.network_complete and other.network_complete,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the line under its names in the format; costs are strings."""
        return {
            "key": self.key,
            "jobs": self.jobs,
            "wall_s": self.wall_s,
            "core_s": self.core_s,
            "cpu_s": self.cpu_s,
            "gpu_s": self.gpu_s,
            **dict(zip(NETWORK_COLUMNS, self.network, strict=True)),
            "compute_cost": str(self.compute_cost),
            "network_cost": None
            if self.network_cost is None
            else str(self.network_cost),
            "total_cost": str(self.total_cost),
        }


def joined(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return *lines* with those of one key as one, the most costly first."""
    found: dict[str, Line] = {}
    for line in lines:
        found[line.key] = found[line.key] + line if line.key in found else line
    return tuple(sorted(found.values(), key=lambda line: (-line.total_cost, line.key)))


def add_known(mine: int | None, theirs: int | None) -> int | None:
    """Return the sum of what is known; ``None`` only if neither is.

    >>> add_known(None, 2), add_known(None, None)
    (2, None)
    """
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return mine + theirs


def _add_costs(mine: Decimal | None, theirs: Decimal | None) -> Decimal | None:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return mine + theirs
