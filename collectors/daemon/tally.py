"""What each run was counted so far: sums that never fall, whatever happens to rules."""

import dataclasses
from collections.abc import Iterable, Mapping

from collectors.rules.backend import RulesReading
from collectors.traffic import Count, JobCounts

_ZERO = Count()


@dataclasses.dataclass(slots=True)
class RunTally:
    """One run's counters: what the kernel shows, and what it showed before it fell."""

    shown: dict[str, Count] = dataclasses.field(default_factory=dict)
    before: dict[str, Count] = dataclasses.field(default_factory=dict)
    spoofed: Count = _ZERO

    def follow(self, shown: JobCounts) -> bool:
        """Take a new reading; return whether a counter fell (somebody reset it)."""
        fell = False
        for name, count in shown.items():
            last = self.shown.get(name, _ZERO)
            if count.packets < last.packets or count.ip_bytes < last.ip_bytes:
                self.before[name] = self.before.get(name, _ZERO) + last
                fell = True
        self.shown = dict(shown)
        return fell

    def counts(self) -> dict[str, Count]:
        """Return the sums."""
        names = dict.fromkeys((*self.shown, *self.before))
        return {
            name: self.before.get(name, _ZERO) + self.shown.get(name, _ZERO)
            for name in names
        }


class Tally:
    """The tallies of all live runs, by attach id."""

    def __init__(self) -> None:
        self._runs: dict[str, RunTally] = {}

    def begin(self, attach_id: str) -> None:
        """Follow a run from 0 on."""
        self._runs.setdefault(attach_id, RunTally())

    def adopt(self, attach_id: str, counts: JobCounts, kernel: JobCounts) -> bool:
        """Follow a run journaled with *counts*, whose counters are at *kernel* now.

        Returns whether a counter is below what was journaled: it was lost while no
        daemon looked, and the sum goes on from the journal's.
        """
        run = self._runs[attach_id] = RunTally(dict(kernel))
        for name, count in counts.items():
            shown = kernel.get(name, _ZERO)
            if shown.packets < count.packets or shown.ip_bytes < count.ip_bytes:
                run.before[name] = Count(
                    max(count.ip_bytes - shown.ip_bytes, 0),
                    max(count.packets - shown.packets, 0),
                )
        return bool(run.before)

    def forget(self, attach_id: str) -> None:
        """Follow a run no more."""
        self._runs.pop(attach_id, None)

    def follow(self, reading: RulesReading) -> list[str]:
        """Take a reading of the whole table; return the runs whose counters fell."""
        fell = []
        for attach_id, run in self._runs.items():
            shown = reading.jobs.get(attach_id)
            if shown is not None and run.follow(shown):
                fell.append(attach_id)
            run.spoofed = reading.spoofed.get(attach_id, run.spoofed)
        return fell

    def missing(self, reading: RulesReading, attach_ids: Iterable[str]) -> list[str]:
        """Return those of *attach_ids* that have no counters in *reading*."""
        return [name for name in attach_ids if name not in reading.jobs]

    def shown(self) -> Mapping[str, JobCounts]:
        """Return what counters that have to be made again start at."""
        return {name: run.shown for name, run in self._runs.items()}

    def counts(self, attach_id: str) -> dict[str, Count]:
        """Return a run's counts; empty for one that is not followed."""
        run = self._runs.get(attach_id)
        return run.counts() if run else {}

    def spoofed(self, attach_id: str) -> Count:
        """Return what a run sent from addresses that are not its own."""
        run = self._runs.get(attach_id)
        return run.spoofed if run else _ZERO
