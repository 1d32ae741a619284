"""How a month's slots were used, as data: waste, resources, efficiency, holds."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reports.line import Line


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KindOfUse:
    """All seconds of one kind (``reports.use_kinds``), and what they cost.

    A job that lost a run and then did well counts in ``jobs`` of both kinds.
    """

    kind: str
    jobs: int = 0
    wall_s: int = 0
    core_s: int = 0
    gpu_s: int = 0
    compute_cost: Decimal = Decimal("0.00")

    @property
    def is_waste(self) -> bool:
        """Whether nothing came of it."""
        return self.kind != "good"

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return {
            "kind": self.kind,
            "jobs": self.jobs,
            "wall_s": self.wall_s,
            "core_s": self.core_s,
            "gpu_s": self.gpu_s,
            "compute_cost": str(self.compute_cost),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HoldReason:
    """One reason of holds: what was lost to it by priced jobs."""

    code: int | None
    reason: str
    jobs: int = 0
    wall_s: int = 0
    compute_cost: Decimal = Decimal("0.00")

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return dataclasses.asdict(self) | {"compute_cost": str(self.compute_cost)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """What one line made of its memory, and its work in units of a benchmark.

    Byte seconds are of the jobs whose peak and whose slot's memory are both known;
    ``scaled_core_s`` is core seconds x benchmark scaling of those where that is known,
    ``core_s_with_scaling`` of them.  ``None`` where no job of the line has it.
    """

    memory_used_byte_s: int | None = None
    memory_held_byte_s: int | None = None
    scaled_core_s: int | None = None
    core_s_with_scaling: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What ran on the machines of one kind of owner; only ``own-pool`` is our site."""

    resource: str
    lines: tuple[Line, ...]
    totals: Line

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        totals = self.totals.to_json()
        del totals["key"]
        return {
            "resource": self.resource,
            "lines": [line.to_json() for line in self.lines],
            "totals": totals,
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The month's priced use, seen from another side than the lines.

    ``difference`` compares its jobs, seconds and cents with the lines' totals, which
    another query summed; anything but 0 is our error.
    """

    kinds: tuple[KindOfUse, ...]
    blocks: tuple[Block, ...]
    efficiency: Mapping[str, Efficiency]
    overall: Efficiency
    hold_reasons: tuple[HoldReason, ...]
    difference: int

    @property
    def waste(self) -> KindOfUse:
        """Return all that was in vain, together."""
        wasted = [kind for kind in self.kinds if kind.is_waste]
        return KindOfUse(
            kind="waste",
            jobs=sum(kind.jobs for kind in wasted),
            wall_s=sum(kind.wall_s for kind in wasted),
            core_s=sum(kind.core_s for kind in wasted),
            gpu_s=sum(kind.gpu_s for kind in wasted),
            compute_cost=sum((k.compute_cost for k in wasted), Decimal("0.00")),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return {
            "kinds": [kind.to_json() for kind in self.kinds],
            "blocks": [block.to_json() for block in self.blocks],
            "efficiency": {
                key: dataclasses.asdict(value) for key, value in self.efficiency.items()
            },
            "overall": dataclasses.asdict(self.overall),
            "hold_reasons": [reason.to_json() for reason in self.hold_reasons],
            "difference": self.difference,
        }
