"""Which columns of a text table fit into a width."""

import dataclasses

from rich.cells import cell_len

#: What stands where nothing is known.
NOTHING = "-"
#: Blanks between two columns.
GUTTER = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A title and its cells; of the columns with a rank the lowest goes first."""

    title: str
    cells: list[str]
    drop_rank: int | None = None

    @property
    def width(self) -> int:
        """Columns of the terminal that it takes, with the gutter to its right."""
        return max(map(cell_len, [self.title, *self.cells])) + GUTTER

    @property
    def is_empty(self) -> bool:
        """Whether it may be left out and tells nothing."""
        return self.drop_rank is not None and set(self.cells) == {NOTHING}


def fitting(columns: list[Column], width: int) -> list[Column]:
    """Return *columns* without as many of the dispensable ones as *width* demands.

    >>> a, b = Column("a", ["x" * 50]), Column("b", ["y" * 40], drop_rank=1)
    >>> [c.title for c in fitting([a, b], 80)], len(fitting([a, b], 120))
    (['a'], 2)
    """
    kept = list(columns)
    for column in sorted(
        (c for c in columns if c.drop_rank is not None), key=lambda c: c.drop_rank or 0
    ):
        if total_width(kept) <= width:
            break
        kept.remove(column)
    return kept


def total_width(columns: list[Column]) -> int:
    """Return how wide *columns* are side by side.

    >>> total_width([Column("a", ["x"]), Column("b", ["yy"])])
    5
    """
    return sum(column.width for column in columns) - GUTTER
