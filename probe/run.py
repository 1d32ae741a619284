"""One run of the probe: what is new in the histories, into the ledger.

The order makes it safe to be killed anywhere: records are set aside and rows are
merged first, each durably; then the gaps; the checkpoint moves last.  What was done
before a kill is done again by the next run, and changes nothing.
"""

import collections
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from poolmeter.config import Config
from poolmeter.errors import ExitCode
from poolmeter.ledger.gaps import Gap, add_gaps
from poolmeter.ledger.layout import file_name_of, state_folder
from poolmeter.ledger.merge import MergeResult, merge_day
from poolmeter.ledger.scan import refuse_other_version
from poolmeter.ledger.tables import JOBS, RUNS, MergedTable
from poolmeter.locks import locked
from probe.batch import Batch
from probe.checkpoint import (
    load_checkpoint,
    refuse_other_schedd,
    save_checkpoint,
)
from probe.epoch_source import EpochSource
from probe.fast.reader import FastReader
from probe.history_file import RawRecord
from probe.history_source import HistorySource
from probe.normalise.job import Normalised
from probe.normalise.run import NormalisedRun
from probe.per_job_source import PerJobSource
from probe.quarantine import SetAside, keep
from probe.reader import Outcome, Rejected, Skipped, read
from probe.reading import Reading
from probe.run_reader import read_runs
from probe.source import Source
from probe.spool import Spool

#: After so many records what is done is made durable, whatever is still to come.
COMMIT_ROWS = 100_000

#: ``fast`` reads many records at once, ``reference`` one by one; the same rows.
ReaderName = Literal["fast", "reference"]

#: Told, while a run goes on, of the file, the bytes read of it, and its size.
Progress = Callable[[Path, int, int], None]


@dataclasses.dataclass(slots=True)
class RunReport:
    """What a run read and what became of it; every record is in exactly one count."""

    schedd: str
    read: int = 0
    merged: MergeResult = dataclasses.field(default_factory=MergeResult)
    runs_merged: MergeResult = dataclasses.field(default_factory=MergeResult)
    set_aside: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    skipped: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    warnings: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    contradicted: int = 0
    gaps: list[Gap] = dataclasses.field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """3 when input was set aside, rows conflict, or records may be lost."""
        conflicts = self.merged.conflicts + self.runs_merged.conflicts
        is_clean = not (self.set_aside or self.warnings or self.gaps or conflicts)
        return ExitCode.DONE if is_clean else ExitCode.SET_ASIDE


def run_probe(
    ledger: Path,
    schedd: str,
    histories: Sequence[Path],
    config: Config,
    *,
    now: dt.datetime,
    epoch_histories: Sequence[Path] = (),
    per_job_dir: Path | None = None,
    delete_per_job: bool = False,
    reader: ReaderName = "fast",
    progress: Progress | None = None,
) -> RunReport:
    """Read what is new in *histories* into *ledger* and return what was done.

    Args:
        ledger: The ledger's folder, made if it is missing.
        schedd: Name of the schedd that wrote the histories.
        histories: Paths of live history files; rotations are found beside them.
        config: VO rules, site and further attributes.
        now: The time of the run, aware.
        epoch_histories: Likewise, of the runs of jobs.
        per_job_dir: A folder with one history file an ended job.
        delete_per_job: Delete each of its files when its job is in the ledger.
        reader: Which of the two readers to use; both give the same rows.
        progress: Told how far reading has come.

    Raises:
        UsageError: A history is missing, unreadable or none.
        LedgerError: The ledger is busy, foreign, or cannot be written.
    """
    lock = state_folder(ledger) / "locks" / f"probe-{file_name_of(schedd)}.lock"
    with locked(lock, what=f"the probe of schedd {schedd}"):
        refuse_other_version(ledger)
        run = _Run(ledger, schedd, config, now, reader, progress)
        # A job's runs first: what they charge is in the ledger when the job comes.
        for epochs in epoch_histories:
            run.read(run.source(EpochSource, epochs))
        for history in histories:
            run.read(run.source(HistorySource, history))
        per_job = run.per_job(per_job_dir, delete=delete_per_job)
        if per_job is not None:
            run.read(per_job)
        run.finish()
        if per_job is not None:
            per_job.done()
        return run.report


class _Run:
    """The state of one run."""

    def __init__(  # noqa: PLR0917 - each is one thing of a run
        self,
        ledger: Path,
        schedd: str,
        config: Config,
        now: dt.datetime,
        reader: ReaderName,
        progress: Progress | None,
    ) -> None:
        self.ledger = ledger
        self.schedd = schedd
        self.config = config
        self.now = now
        self.progress = progress or _silent
        self.fast = None
        if reader == "fast":
            self.fast = FastReader(schedd, config, now_s=int(now.timestamp()))
        self.report = RunReport(schedd)
        self._positions = {
            (position.source, position.identity): position
            for position in load_checkpoint(ledger, schedd)
        }
        self._spools = [Spool(ledger, schedd, table) for table in (RUNS, JOBS)]
        self._clear_spools()

    def source(self, kind: type[HistorySource], live: Path) -> Source:
        """Return the source of *kind* that reads *live* and its rotations."""
        live = live.absolute()
        known = [p for p in self._positions.values() if p.source == str(live)]
        return kind(live, known, now_s=int(self.now.timestamp()))

    def per_job(self, folder: Path | None, *, delete: bool) -> PerJobSource | None:
        """Return the source that reads the files of *folder*."""
        if folder is None:
            return None
        name = str(folder.absolute())
        known = [p for p in self._positions.values() if p.source == name]
        now_s = int(self.now.timestamp())
        return PerJobSource(Path(name), known, now_s=now_s, delete=delete)

    def read(self, source: Source) -> None:
        """Read what is new in one source."""
        for reading in source.readings():
            refuse_other_schedd(self.ledger, self.schedd, {reading.identity})
            self._read_file(source, reading)
        self._commit()
        self._note_losses(source)
        self._take_positions(source, is_over=True)
        for path in source.strangers:
            self.report.set_aside[f"not a history file: {path.name}"] += 1

    def finish(self) -> None:
        """Make the checkpoint durable: the last thing that a run does."""
        save_checkpoint(self.ledger, self.schedd, self._positions.values())
        self._clear_spools()

    def _steps(self, source: Source, reading: Reading) -> Iterator[Outcome | Batch]:
        if source.table is RUNS:
            return read_runs(reading.records(), schedd=self.schedd, config=self.config)
        if self.fast and reading.has_banners:
            return self.fast.read(reading.chunks(), earliest_s=reading.earliest_s)
        return read(
            reading.records(),
            schedd=self.schedd,
            config=self.config,
            earliest_s=reading.earliest_s,
            now_s=int(self.now.timestamp()),
        )

    def _read_file(self, source: Source, reading: Reading) -> None:
        size_bytes = reading.file.stat().size_bytes
        for step in self._steps(source, reading):
            if isinstance(step, Batch):
                self._take_batch(step, reading)
                reading.reached_end_of(step)
            else:
                self._take(step, reading)
                reading.reached(step.raw, step.earliest_s)
            self.progress(reading.file.path, reading.offset, size_bytes)
            if sum(spool.rows for spool in self._spools) >= COMMIT_ROWS:
                self._commit()
                source.keep_progress(reading)
                self._take_positions(source, is_over=False)
                save_checkpoint(self.ledger, self.schedd, self._positions.values())

    def _take(self, outcome: Outcome, reading: Reading) -> None:
        self.report.read += 1
        match outcome.result:
            case Normalised(record, warnings) | NormalisedRun(record, warnings):
                is_run = isinstance(outcome.result, NormalisedRun)
                self._spool_of(RUNS if is_run else JOBS).add(record)
                self.report.contradicted += bool(record.contradictions)
                self.report.warnings.update(
                    f"{a}: {why}" for a, why in warnings.items()
                )
            case Rejected() as rejected:
                self._set_aside(outcome.raw, rejected, reading)
            case Skipped(kind):
                self.report.skipped[kind] += 1

    def _take_batch(self, batch: Batch, reading: Reading) -> None:
        for raw, rejected in batch.rejected:
            self._set_aside(raw, rejected, reading)
        self._spool_of(JOBS).extend(batch.rows)
        self.report.read += batch.read
        self.report.contradicted += batch.contradicted
        self.report.warnings += batch.warnings
        self.report.skipped += batch.skipped

    def _set_aside(self, raw: RawRecord, rejected: Rejected, reading: Reading) -> None:
        record = SetAside(
            schedd=self.schedd,
            source=str(reading.file.path),
            identity=reading.identity,
            raw=raw,
            kind=rejected.kind,
            reason=rejected.reason,
        )
        keep(self.ledger, record)
        self.report.set_aside[rejected.kind] += 1

    def _commit(self) -> None:
        """Merge what was read so far; each touched day is rewritten once."""
        for spool in self._spools:
            for day, rows in spool.days():
                done = merge_day(self.ledger, self.schedd, day, rows, spool.table)
                if spool.table is RUNS:
                    self.report.runs_merged += done
                else:
                    self.report.merged += done
        self._clear_spools()

    def _spool_of(self, table: MergedTable) -> Spool:
        return next(spool for spool in self._spools if spool.table is table)

    def _clear_spools(self) -> None:
        for spool in self._spools:
            spool.clear()

    def _note_losses(self, source: Source) -> None:
        gaps = [
            Gap(
                schedd=self.schedd,
                source=source.name,
                reason=loss.reason,
                from_at=dt.datetime.fromtimestamp(loss.since_s, dt.UTC),
                to_at=self.now.replace(microsecond=0),
            )
            for loss in source.losses()
        ]
        add_gaps(self.ledger, gaps)
        self.report.gaps += gaps

    def _take_positions(self, source: Source, *, is_over: bool) -> None:
        """Take over how far *source* was read; at its end what is gone is forgotten."""
        name = source.name
        if is_over:
            self._positions = {
                key: p for key, p in self._positions.items() if p.source != name
            }
        for position in source.positions(is_over=is_over):
            self._positions[name, position.identity] = position


def _silent(path: Path, done_bytes: int, size_bytes: int) -> None:
    """Report no progress."""
