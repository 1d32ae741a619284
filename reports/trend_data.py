"""How a month compares: with the months before it, and with itself as closed."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reports.line import Line


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One payer's month in short."""

    wall_s: int = 0
    core_s: int | None = None
    total_cost: Decimal = Decimal("0.00")
    network_complete: bool = True

    @classmethod
    def of(cls, line: Line) -> "TrendPoint":
        """Return the point of a statement's line."""
        return cls(
            wall_s=line.wall_s,
            core_s=line.core_s,
            total_cost=line.total_cost,
            network_complete=line.network_complete,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return dataclasses.asdict(self) | {"total_cost": str(self.total_cost)}


#: ``None``: nothing is known of the month; the ledger begins later, or the book does.
Points = tuple[TrendPoint | None, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The last months, the statement's own the last of them.

    ``lines`` has the points of every key of the statement, each of as many months as
    ``months``; ``totals`` those of all use of each month, also of other keys.
    """

    months: tuple[str, ...]
    totals: Points
    lines: Mapping[str, Points]

    def previous(self, key: str | None = None) -> TrendPoint | None:
        """Return the point of *key* (or of all) in the month before the last one."""
        points = self.totals if key is None else self.lines.get(key, ())
        return points[-2] if len(points) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        return {
            "months": list(self.months),
            "totals": _points_json(self.totals),
            "lines": {key: _points_json(row) for key, row in self.lines.items()},
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a closed month stood, and what has been added to it since.

    ``corrections`` are the statement's lines less the closed ones, those that differ;
    ``None`` where the two are priced by different books or settings.
    """

    closed_at: dt.datetime
    book_id: str
    book_sha256: str
    inputs_sha256: str
    totals: Line
    corrections: tuple[Line, ...] | None

    def to_json(self) -> dict[str, Any]:
        """Return it under its names in the format."""
        lines = self.corrections
        totals = self.totals.to_json()
        del totals["key"]
        return {
            "closed_at": self.closed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "book": {"id": self.book_id, "sha256": self.book_sha256},
            "inputs_sha256": self.inputs_sha256,
            "totals": totals,
            "corrections": None if lines is None else [x.to_json() for x in lines],
        }


def _points_json(points: Points) -> list[dict[str, Any] | None]:
    return [None if point is None else point.to_json() for point in points]
