"""One run of the probe: what is new in the histories, into the ledger.

The order makes it safe to be killed anywhere: records are set aside and rows are
merged first, each durably; then the gaps; the checkpoint moves last.  What was done
before a kill is done again by the next run, and changes nothing.
"""

import collections
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from poolmeter.config import Config
from poolmeter.errors import ExitCode
from poolmeter.ledger.gaps import Gap, add_gaps
from poolmeter.ledger.layout import file_name_of, state_folder
from poolmeter.ledger.merge import MergeResult, merge_day
from poolmeter.ledger.scan import refuse_other_version
from poolmeter.locks import locked
from probe.checkpoint import (
    load_checkpoint,
    refuse_other_schedd,
    save_checkpoint,
)
from probe.history_source import HistorySource
from probe.normalise.job import Normalised
from probe.quarantine import SetAside, keep
from probe.reader import Outcome, Rejected, Skipped, read
from probe.reading import Reading
from probe.spool import Spool

#: After so many records what is done is made durable, whatever is still to come.
COMMIT_ROWS = 100_000

#: Told, while a run goes on, of the file, the bytes read of it, and its size.
Progress = Callable[[Path, int, int], None]


@dataclasses.dataclass(slots=True)
class RunReport:
    """What a run read and what became of it; every record is in exactly one count."""

    schedd: str
    read: int = 0
    merged: MergeResult = dataclasses.field(default_factory=MergeResult)
    set_aside: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    skipped: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    warnings: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    contradicted: int = 0
    gaps: list[Gap] = dataclasses.field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """3 when input was set aside, rows conflict, or records may be lost."""
        is_clean = not (
            self.set_aside or self.warnings or self.gaps or self.merged.conflicts
        )
        return ExitCode.DONE if is_clean else ExitCode.SET_ASIDE


def run_probe(
    ledger: Path,
    schedd: str,
    histories: Sequence[Path],
    config: Config,
    *,
    now: dt.datetime,
    progress: Progress | None = None,
) -> RunReport:
    """Read what is new in *histories* into *ledger* and return what was done.

    Args:
        ledger: The ledger's folder, made if it is missing.
        schedd: Name of the schedd that wrote the histories.
        histories: Paths of live history files; rotations are found beside them.
        config: VO rules, site and further attributes.
        now: The time of the run, aware.
        progress: Told how far reading has come.

    Raises:
        UsageError: A history is missing, unreadable or none.
        LedgerError: The ledger is busy, foreign, or cannot be written.
    """
    lock = state_folder(ledger) / "locks" / f"probe-{file_name_of(schedd)}.lock"
    with locked(lock, what=f"the probe of schedd {schedd}"):
        refuse_other_version(ledger)
        run = _Run(ledger, schedd, config, now, progress)
        for history in histories:
            run.read_history(history)
        run.finish()
        return run.report


class _Run:
    """The state of one run."""

    def __init__(
        self,
        ledger: Path,
        schedd: str,
        config: Config,
        now: dt.datetime,
        progress: Progress | None,
    ) -> None:
        self.ledger = ledger
        self.schedd = schedd
        self.config = config
        self.now = now
        self.progress = progress or _silent
        self.report = RunReport(schedd)
        self._positions = {
            (position.source, position.identity): position
            for position in load_checkpoint(ledger, schedd)
        }
        self._spool = Spool(ledger, schedd)
        self._spool.clear()

    def read_history(self, live: Path) -> None:
        """Read what is new in one history."""
        live = live.absolute()
        known = [p for p in self._positions.values() if p.source == str(live)]
        source = HistorySource(live, known, now_s=int(self.now.timestamp()))
        for reading in source.readings():
            refuse_other_schedd(self.ledger, self.schedd, {reading.identity})
            self._read_file(source, reading)
        self._commit()
        self._note_losses(source)
        self._take_positions(source, forget_missing=True)
        for path in source.strangers:
            self.report.set_aside[f"not a history file: {path.name}"] += 1

    def finish(self) -> None:
        """Make the checkpoint durable: the last thing that a run does."""
        save_checkpoint(self.ledger, self.schedd, self._positions.values())
        self._spool.clear()

    def _read_file(self, source: HistorySource, reading: Reading) -> None:
        size_bytes = reading.file.stat().size_bytes
        outcomes = read(
            reading.records(),
            schedd=self.schedd,
            config=self.config,
            earliest_s=reading.earliest_s,
            now_s=source.now_s,
        )
        for outcome in outcomes:
            self._take(outcome, reading)
            reading.reached(outcome.raw, outcome.earliest_s)
            self.progress(reading.file.path, reading.offset, size_bytes)
            if self._spool.rows >= COMMIT_ROWS:
                self._commit()
                source.keep_progress(reading)
                self._take_positions(source, forget_missing=False)
                save_checkpoint(self.ledger, self.schedd, self._positions.values())

    def _take(self, outcome: Outcome, reading: Reading) -> None:
        self.report.read += 1
        match outcome.result:
            case Normalised(record, warnings):
                self._spool.add(record)
                self.report.contradicted += bool(record.contradictions)
                self.report.warnings.update(
                    f"{a}: {why}" for a, why in warnings.items()
                )
            case Rejected() as rejected:
                self._set_aside(outcome, rejected, reading)
            case Skipped(kind):
                self.report.skipped[kind] += 1

    def _set_aside(
        self, outcome: Outcome, rejected: Rejected, reading: Reading
    ) -> None:
        record = SetAside(
            schedd=self.schedd,
            source=str(reading.file.path),
            identity=reading.identity,
            raw=outcome.raw,
            kind=rejected.kind,
            reason=rejected.reason,
        )
        keep(self.ledger, record)
        self.report.set_aside[rejected.kind] += 1

    def _commit(self) -> None:
        """Merge what was read so far; each touched day is rewritten once."""
        for day, rows in self._spool.days():
            self.report.merged += merge_day(self.ledger, self.schedd, day, rows)
        self._spool.clear()

    def _note_losses(self, source: HistorySource) -> None:
        gaps = [
            Gap(
                schedd=self.schedd,
                source=str(source.live),
                reason=loss.reason,
                from_at=dt.datetime.fromtimestamp(loss.since_s, dt.UTC),
                to_at=self.now.replace(microsecond=0),
            )
            for loss in source.losses()
        ]
        add_gaps(self.ledger, gaps)
        self.report.gaps += gaps

    def _take_positions(self, source: HistorySource, *, forget_missing: bool) -> None:
        """Take over how far *source* was read; files that are gone may be forgotten."""
        name = str(source.live)
        if forget_missing:
            self._positions = {
                key: p for key, p in self._positions.items() if p.source != name
            }
        for position in source.positions():
            self._positions[name, position.identity] = position


def _silent(path: Path, done_bytes: int, size_bytes: int) -> None:
    """Report no progress."""
