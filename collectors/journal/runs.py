"""The journal as a list of runs, for people and programs."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

from collectors.errors import JournalError
from collectors.journal.entries import (
    AnyEntry,
    Carried,
    End,
    JournalCounts,
    Restored,
    Snapshot,
    Start,
    Unmeasured,
)
from collectors.journal.files import journal_files, read_entries


@dataclasses.dataclass(slots=True)
class JournaledRun:
    """What the journal knows of one run; ``ended_at`` is ``None`` while it goes on."""

    start: Start
    ended_at: dt.datetime | None = None
    how: str | None = None
    final: bool = False
    partial: bool = False
    counts: JournalCounts = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class JournalSummary:
    """All runs of the journal's files, and what was set aside."""

    runs: dict[str, JournaledRun] = dataclasses.field(default_factory=dict)
    unmeasured: list[Unmeasured] = dataclasses.field(default_factory=list)
    #: Lines that cannot be read, and lines that contradict earlier ones.
    faults: list[str] = dataclasses.field(default_factory=list)


def read_journal(folder: Path) -> Iterator[AnyEntry | JournalError]:
    """Yield every line of the journal, oldest first.

    Raises:
        JournalError: A file cannot be read, or a newer version wrote it.
    """
    for path in journal_files(folder):
        yield from read_entries(path)


def summarise(entries: Iterable[AnyEntry | JournalError]) -> JournalSummary:
    """Return the runs that *entries* tell of."""
    summary = JournalSummary()
    for entry in entries:
        if isinstance(entry, JournalError):
            summary.faults.append(str(entry))
        else:
            _apply(summary, entry)
    return summary


def _apply(summary: JournalSummary, entry: AnyEntry) -> None:
    runs = summary.runs
    if isinstance(entry, Start):
        if entry.attach_id in runs:
            summary.faults.append(f"{entry.attach_id}: started twice")
        runs[entry.attach_id] = JournaledRun(entry)
    elif isinstance(entry, Carried):
        for start in entry.starts:
            runs.setdefault(start.attach_id, JournaledRun(start))
    elif isinstance(entry, Unmeasured):
        summary.unmeasured.append(entry)
    elif isinstance(entry, Snapshot):
        for name, counts in entry.counts.items():
            if name in runs:
                runs[name].counts = counts
    elif isinstance(entry, Restored):
        for name in entry.attach_ids:
            if name in runs:
                runs[name].partial = True
    elif isinstance(entry, End):
        _end(summary, entry)


def _end(summary: JournalSummary, end: End) -> None:
    run = summary.runs.get(end.attach_id)
    if run is None:
        summary.faults.append(f"{end.attach_id}: ended without a start")
        return
    if run.ended_at is not None:
        summary.faults.append(f"{end.attach_id}: ended twice")
    run.ended_at, run.how, run.final = end.at, end.how, end.final
    run.partial = run.partial or end.partial
    run.counts = end.counts
