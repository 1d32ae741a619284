"""Where the shapes of the ledger's jobs are packed, as engines know it: by numbers."""

import dataclasses
from collections.abc import Iterator, Sequence

from reports import charge_expression
from reports.charge_expression import WALL_UNKNOWN_FIT
from reports.charges import PRICED, UNPRICED, WALL_UNKNOWN
from reports.engine import Engine, ShapeRow
from reports.packing import Fit, Packer, Shape
from reports.price_periods import PricePeriod


@dataclasses.dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a shape: a type, or no price for a reason."""

    outcome: str
    reason: str | None = None
    instance_type: str | None = None


class Fits:
    """Numbers for what becomes of shapes, in one price period."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._numbers: dict[Fate, int] = {}
        self._known = {WALL_UNKNOWN_FIT: Fate(UNPRICED, WALL_UNKNOWN)}

    def __getitem__(self, number: int) -> Fate:
        """Return what the engine's *number* stands for."""
        return self._known[number]

    def row_of(self, shape: Shape) -> ShapeRow:
        """Return the row of *shape* in the engine's table."""
        fit = self._packer.fit(shape)
        if isinstance(fit, Fit):
            fate = Fate(PRICED, instance_type=fit.instance_type)
            return ShapeRow(*shape, fit.share_numerator, self._number(fate))
        return ShapeRow(*shape, None, self._number(Fate(UNPRICED, fit)))

    def _number(self, fate: Fate) -> int:
        number = self._numbers.setdefault(fate, len(self._numbers))
        self._known[number] = fate
        return number


@dataclasses.dataclass(frozen=True, slots=True)
class PackedPeriod:
    """A price period, by its place in the month, for which the shapes are packed."""

    index: int
    period: PricePeriod
    fits: Fits


def packed_periods(
    engine: Engine, periods: Sequence[PricePeriod], vcpus_per_cpu: int
) -> Iterator[PackedPeriod]:
    """Yield each of *periods* while the engine's table of shapes is packed for it.

    Raises:
        LedgerError: A file cannot be read.
    """
    shapes = charge_expression.shapes_of(charge_expression.jobs_table())
    seen = [Shape(*row) for row in engine.rows(shapes)]
    for index, period in enumerate(periods):
        fits = Fits(Packer(period.types, vcpus_per_cpu))
        engine.set_shapes([fits.row_of(shape) for shape in seen])
        yield PackedPeriod(index, period, fits)
