"""What every source of records is to a run: readings, positions, losses.

A source knows how to find records and how far it has come; it knows nothing of the
ledger.  One file each: ``history_source``, ``epoch_source``, ``per_job_source``,
``remote_source``.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from poolmeter.ledger.tables import MergedTable
from probe.checkpoint import Position
from probe.reading import Reading


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """Why records may be missing, and since when (Unix seconds)."""

    reason: str
    since_s: int


class Source(Protocol):
    """Where records come from.

    ``name`` stands for it in checkpoints and gaps, ``table`` is that into which its
    records go, ``strangers`` are files beside it that are none of it, and why.
    """

    @property
    def name(self) -> str:
        """The source's name: a path, or a schedd's name and pool."""
        ...

    @property
    def table(self) -> MergedTable:
        """The table into which its records go."""
        ...

    @property
    def strangers(self) -> Mapping[Path, str]:
        """Files that seemed to belong to it and do not, and why."""
        ...

    def readings(self) -> Iterator[Reading]:
        """Yield what is to be read; each is used up before the next is asked for."""
        ...

    def keep_progress(self, reading: Reading) -> None:
        """Take over how far *reading* has come, also while it still goes on."""
        ...

    def positions(self, *, is_over: bool) -> list[Position]:
        """Return how far each of its files has been read, for the checkpoint.

        Until the run *is_over* more is kept, so that a killed run loses nothing unsaid.
        """
        ...

    def losses(self) -> list[Loss]:
        """Return what may have been lost since the last run; asked at its end."""
        ...
