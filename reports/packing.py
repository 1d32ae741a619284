"""Which instance type a job would run on, and which share of it.

All arithmetic is on integers: a share is numerator / denominator with one
denominator for each type, so that engines can sum seconds x numerators.
"""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from poolmeter.errors import PriceBookError
from poolmeter.units import MILLI

_INT64_MAX = 2**63 - 1

#: ``cheapest-fit``: the share of a type that is large enough, where it costs least.
#: ``whole-instance``: a whole machine of the cheapest type that is large enough.
#: ``per-core``: cpus (and GPUs) only, as many as there are; memory and the size of
#: the type do not count.
PackingRule = Literal["cheapest-fit", "whole-instance", "per-core"]


@dataclasses.dataclass(frozen=True, slots=True)
class PricedType:
    """An instance type with the rate that holds at one time."""

    name: str
    vcpu: int
    memory_bytes: int
    accelerators: int
    per_hour: Fraction
    packing: PackingRule = "cheapest-fit"

    @property
    def share_denominator(self) -> int:
        """The number in which every job's share of this type is a whole number."""
        return math.lcm(MILLI * self.vcpu, self.memory_bytes, self.accelerators or 1)


class Shape(NamedTuple):
    """What a job occupies; ``None`` is unknown."""

    cpus_milli: int | None
    memory_bytes: int | None
    gpus: int


class Fit(NamedTuple):
    """The type that a job is packed on, and its share of it."""

    instance_type: str
    share_numerator: int


#: Why a job has no price; the words of a statement's ``unpriced`` lines.
NO_CPUS = "cpus_unknown"
NOTHING_FITS = "no_type_large_enough"
NO_GPU_TYPE = "no_type_with_gpus"
NO_RATE = "no_rate_at_that_time"


class _Scaled(NamedTuple):
    """A type with its cost for each unit of a resource, as integers of one scale."""

    kind: PricedType
    cpu: int
    memory: int
    gpu: int
    whole: int


class _Need(NamedTuple):
    """What a job needs: thousandths of vCPUs, bytes, GPUs."""

    cpus: int
    memory: int
    gpus: int


class Packer:
    """Packs jobs on the types of one time, by the rule that all of them have.

    ``vcpus_per_cpu`` is how many vCPUs one cpu of a slot stands for: 1 if slots are
    hyperthreads, 2 if they are cores.
    """

    def __init__(self, types: Sequence[PricedType], vcpus_per_cpu: int = 1) -> None:
        self._scaled = _scaled(types)
        self._vcpus_per_cpu = vcpus_per_cpu
        self._rule = types[0].packing if types else "cheapest-fit"
        for kind in types:
            if kind.share_denominator > _INT64_MAX:
                raise PriceBookError(
                    f"instance type {kind.name}",
                    expected="vCPUs, memory and accelerators of real machines",
                    found=f"{kind.vcpu}, {kind.memory_bytes}, {kind.accelerators}",
                )
        self.fit = lru_cache(maxsize=1 << 17)(self._fit)

    def _fit(self, shape: Shape) -> Fit | str:
        """Return where *shape* costs least, or the reason why it has no price.

        share = max(cpus / vcpu, memory / memory, gpus / accelerators), or as the rule
        has it; the type with the least share x rate wins, of equal ones the first by
        name.  Types with accelerators are for jobs with GPUs only.  Without known
        memory the cpus alone decide.
        """
        if not self._scaled:
            return NO_RATE
        if shape.cpus_milli is None or shape.cpus_milli <= 0:
            return NO_CPUS
        memory = 0 if self._rule == "per-core" else max(shape.memory_bytes or 0, 0)
        need = _Need(shape.cpus_milli * self._vcpus_per_cpu, memory, max(shape.gpus, 0))
        candidates = [s for s in self._scaled if self._may_run(need, s.kind)]
        if not candidates:
            return self._reason(need.gpus)
        best = min(candidates, key=lambda s: (self._cost(need, s), s.kind.name))
        numerator = self._share_numerator(need, best.kind)
        if numerator > _INT64_MAX:
            return NOTHING_FITS
        return Fit(best.kind.name, numerator)

    def _may_run(self, need: _Need, kind: PricedType) -> bool:
        if bool(kind.accelerators) != bool(need.gpus):
            return False
        return self._rule == "per-core" or (
            MILLI * kind.vcpu >= need.cpus
            and kind.memory_bytes >= need.memory
            and kind.accelerators >= need.gpus
        )

    def _cost(self, need: _Need, scaled: _Scaled) -> int:
        if self._rule == "whole-instance":
            return scaled.whole
        return max(
            need.cpus * scaled.cpu, need.memory * scaled.memory, need.gpus * scaled.gpu
        )

    def _share_numerator(self, need: _Need, kind: PricedType) -> int:
        whole = kind.share_denominator
        if self._rule == "whole-instance":
            return whole
        return max(
            need.cpus * (whole // (MILLI * kind.vcpu)),
            need.memory * (whole // kind.memory_bytes),
            need.gpus * (whole // (kind.accelerators or 1)),
        )

    def _reason(self, gpus: int) -> str:
        if gpus and not any(s.kind.accelerators for s in self._scaled):
            return NO_GPU_TYPE
        return NOTHING_FITS


def _scaled(types: Sequence[PricedType]) -> list[_Scaled]:
    """Return *types* with costs for a milli-cpu, a byte and a GPU in one integer scale.

    Comparing fractions would cost a hundred times as much for each job.
    """
    costs = [
        (
            kind.per_hour / (MILLI * kind.vcpu),
            kind.per_hour / kind.memory_bytes,
            kind.per_hour / (kind.accelerators or 1),
            kind.per_hour,
        )
        for kind in types
    ]
    scale = math.lcm(*(cost.denominator for row in costs for cost in row))
    return [
        _Scaled(kind, *(int(cost * scale) for cost in row))
        for kind, row in zip(types, costs, strict=True)
    ]
