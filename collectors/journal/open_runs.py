"""Which runs the journal has begun and not ended."""

import dataclasses
import datetime as dt
from collections.abc import Iterable

from collectors.journal.entries import (
    SCHEMA_VERSION,
    AnyEntry,
    Carried,
    End,
    JournalCounts,
    Restored,
    Snapshot,
    Start,
)


@dataclasses.dataclass(slots=True)
class OpenRun:
    """A run without an end, its last journaled counts, and whether they are partial."""

    start: Start
    counts: JournalCounts = dataclasses.field(default_factory=dict)
    partial: bool = False


@dataclasses.dataclass(slots=True)
class OpenRuns:
    """The state of a journal after some of its lines."""

    runs: dict[str, OpenRun] = dataclasses.field(default_factory=dict)
    #: Attach ids whose end was seen: their rules may still be there after a kill.
    ended: set[str] = dataclasses.field(default_factory=set)

    def follow(self, entries: Iterable[AnyEntry]) -> None:
        """Apply *entries* in their order."""
        for entry in entries:
            self._apply(entry)

    def _apply(self, entry: AnyEntry) -> None:
        if isinstance(entry, Start):
            self.runs[entry.attach_id] = OpenRun(entry)
        elif isinstance(entry, End):
            self.runs.pop(entry.attach_id, None)
            self.ended.add(entry.attach_id)
        elif isinstance(entry, Snapshot):
            self._count(entry.counts)
        elif isinstance(entry, Restored):
            self._mark_partial(entry.attach_ids)
        elif isinstance(entry, Carried):
            self.runs = {start.attach_id: OpenRun(start) for start in entry.starts}
            self._count(entry.counts)
            self._mark_partial(entry.partial)
            self.ended = set(entry.ended)

    def _count(self, counts: dict[str, JournalCounts]) -> None:
        for attach_id, of_run in counts.items():
            if attach_id in self.runs:
                self.runs[attach_id].counts = of_run

    def _mark_partial(self, attach_ids: Iterable[str]) -> None:
        for attach_id in attach_ids:
            if attach_id in self.runs:
                self.runs[attach_id].partial = True

    def released(self, attach_ids: Iterable[str]) -> None:
        """Forget that these ended: nothing of them is left on the node."""
        self.ended.difference_update(attach_ids)

    def carried(self, at: dt.datetime) -> Carried:
        """Return the first line of a new file."""
        return Carried(
            at=at,
            version=SCHEMA_VERSION,
            starts=tuple(run.start for run in self.runs.values()),
            counts={name: run.counts for name, run in self.runs.items() if run.counts},
            partial=tuple(name for name, run in self.runs.items() if run.partial),
            ended=tuple(sorted(self.ended)),
        )
