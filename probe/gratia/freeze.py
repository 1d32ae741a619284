"""Freeze: ledger rows that are not registered become bundles, each row once for ever.

What is to be reported is the ledger's rows less the register's names.  For each bundle
(1) the names of its rows are written, the intent; (2) the bundle; (3) the names move
into the register; (4) the bundle moves to where it is sent from.  Each step is durable
before the next.  After a kill an intent without its bundle is thrown away, for nothing
was made of it, and one with its bundle is finished as it is: it is never rebuilt.
"""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from poolmeter.ledger.layout import day_files, day_of_folder
from poolmeter.ledger.schema import check_mark
from probe.gratia.bundle import (
    BODY_LIMIT_BYTES,
    FRAME_BYTES,
    encoded_bytes,
    envelope,
)
from probe.gratia.ledger_rows import Unfrozen, jobs_at, unfrozen
from probe.gratia.ledger_runs import Job, runs_of
from probe.gratia.outbox import (
    SUFFIX,
    Box,
    Outbox,
    has_reason,
    move,
    remove,
    remove_temporary_files,
    write_bundle,
    write_reason,
)
from probe.gratia.register import (
    Name,
    bundle_name,
    enter,
    intent_path,
    intents,
    write_intent,
)
from probe.gratia.reporting import Reporting
from probe.gratia.run_records import Run, usage_records
from probe.gratia.scanned import Scanned, load_scanned, stamp_of
from probe.gratia.usage_record_xml import record_xml
from probe.gratia.validation import faults_of


@dataclasses.dataclass(slots=True)
class Frozen:
    """What one run has frozen."""

    records: int = 0
    bundles: int = 0
    #: Records in the quarantine, by the reason why they must not be sent.
    set_aside: Counter[str] = dataclasses.field(default_factory=Counter)
    #: Rows of days whose names are not kept any more; they are not reported.
    late: Counter[dt.date] = dataclasses.field(default_factory=Counter)
    #: The outbox had no room for more; the rest waits in the ledger.
    is_full: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How large the outbox and its bundles may become."""

    outbox_bytes: int
    bundle_records: int
    bundle_bytes: int = BODY_LIMIT_BYTES - FRAME_BYTES


def freeze(
    ledger: Path,
    outbox: Outbox,
    reporting: Reporting,
    limits: Limits,
    *,
    now: dt.datetime,
) -> Frozen:
    """Freeze what *ledger* holds and the register does not.

    Whoever calls holds the lane's lock.

    Raises:
        LedgerError: A file cannot be read or written; what was frozen stays so.
    """
    for box in outbox.boxes():
        recover(box)
    run = _Run(ledger, outbox, reporting, limits, now)
    files = day_files(ledger, "jobs", first_day=reporting.cutover.date())
    for stem in sorted({path.stem for path in files}):
        run.freeze_schedd(stem, [path for path in files if path.stem == stem])
    return run.frozen


def recover(box: Box) -> None:
    """Finish what a killed run has begun.

    Raises:
        LedgerError: A file cannot be moved.
    """
    for stage in (box.making, box.due, box.quarantine):
        remove_temporary_files(stage)
    for intent in intents(box):
        if intent.with_suffix(SUFFIX).exists():
            enter(box, intent)
        else:
            remove(box.quarantine / intent.name)
            remove(intent)
    for bundle in sorted(box.making.glob(f"*{SUFFIX}")):
        _publish(box, bundle)


def _publish(box: Box, bundle: Path) -> None:
    is_bad = has_reason(box, bundle.stem)
    move(bundle, box.quarantine if is_bad else box.due)


class _FullError(Exception):
    """The outbox has no room for a further bundle."""


class _Run:
    def __init__(
        self,
        ledger: Path,
        outbox: Outbox,
        reporting: Reporting,
        limits: Limits,
        now: dt.datetime,
    ) -> None:
        self.frozen = Frozen()
        self._ledger = ledger
        self._outbox = outbox
        self._reporting = reporting
        self.limits = limits
        self._now = now
        self._size_bytes = outbox.size_bytes

    def freeze_schedd(self, stem: str, files: list[Path]) -> None:
        """Freeze what is new in a schedd's day files, oldest first."""
        box = Box(self._outbox.folder / "schedds" / stem)
        scanned = load_scanned(box, self._reporting)
        for path in files:
            day = day_of_folder(path.parent)
            if day is not None and not self.frozen.is_full:
                self._look_through(box, scanned, day, path)
        scanned.close_old_days(now=self._now)

    def _look_through(
        self, box: Box, scanned: Scanned, day: dt.date, path: Path
    ) -> None:
        stamp = stamp_of(path)
        known = scanned.days.get(day)
        if known is not None and known.stamp == stamp:
            return
        with pq.ParquetFile(path) as file:
            check_mark(file.schema_arrow, path)
            is_closed = known is not None and known.is_closed
            if is_closed or self._freeze_day(box, day, file, path):
                late_rows = scanned.note(day, stamp, file.metadata.num_rows)
                self.frozen.late += Counter({day: late_rows})

    def _freeze_day(
        self, box: Box, day: dt.date, file: pq.ParquetFile, path: Path
    ) -> bool:
        """Freeze what is ripe; return whether that is all that will be, for now."""
        found = unfrozen(file, box, day, self._reporting, now=self._now)
        runs = self._runs_of(found, day, path)
        packer = _Packer(self, box, day, str(path))
        jobs = jobs_at(file, found.positions)
        try:
            for name, job in zip(found.names, jobs, strict=True):
                of_job = runs.get((job.cluster_id, job.proc_id), ())
                records = usage_records(job, of_job, self._reporting)
                packer.add(name, [record_xml(record) for record in records])
            packer.flush()
        except _FullError:
            self.frozen.is_full = True
        return found.is_all and not self.frozen.is_full

    def _runs_of(
        self, found: Unfrozen, day: dt.date, path: Path
    ) -> Mapping[Job, Sequence[Run]]:
        """Return the runs of the jobs that are to be reported run by run."""
        if not self._reporting.per_run or found.first_start is None:
            return {}
        first_day = found.first_start.date()
        return runs_of(
            self._ledger, path.stem, found.restarted, first_day=first_day, last_day=day
        )

    def keep(
        self,
        box: Box,
        day: dt.date,
        ledger_file: str,
        names: list[Name],
        records: list[bytes],
        *,
        reason: str | None = None,
    ) -> None:
        """Make one bundle, by the four steps."""
        content = envelope(records)
        if self._size_bytes + len(content) > self.limits.outbox_bytes:
            raise _FullError
        name = bundle_name(day, names)
        write_intent(box, name, ledger_file, names)
        if reason is not None:
            write_reason(box, name, reason)
        bundle = box.making / f"{name}{SUFFIX}"
        write_bundle(bundle, content)
        enter(box, intent_path(box, name))
        _publish(box, bundle)
        self._size_bytes += len(content)
        if reason is None:
            self.frozen.records += len(records)
            self.frozen.bundles += 1
        else:
            self.frozen.set_aside[reason] += len(records)


class _Packer:
    """Fills bundles with the records of one day file."""

    def __init__(self, run: _Run, box: Box, day: dt.date, ledger_file: str) -> None:
        self._run = run
        self._box = box
        self._day = day
        self._ledger_file = ledger_file
        self._names: list[Name] = []
        self._records: list[bytes] = []
        self._bytes = 0

    def add(self, name: Name, records: list[bytes]) -> None:
        """Take the records of one job, which stay together.

        Where one of them must not be sent they go to the quarantine, without others.
        """
        faults = dict.fromkeys(fault for r in records for fault in faults_of(r))
        if faults:
            self._keep([name], records, reason="; ".join(faults))
            return
        size_bytes = sum(map(encoded_bytes, records))
        limits = self._run.limits
        if (
            len(self._records) >= limits.bundle_records
            or self._bytes + size_bytes > limits.bundle_bytes
        ):
            self.flush()
        self._names.append(name)
        self._records += records
        self._bytes += size_bytes

    def flush(self) -> None:
        """Make a bundle of what is there."""
        if self._records:
            self._keep(self._names, self._records)
        self._names, self._records, self._bytes = [], [], 0

    def _keep(
        self, names: list[Name], records: list[bytes], *, reason: str | None = None
    ) -> None:
        self._run.keep(
            self._box, self._day, self._ledger_file, names, records, reason=reason
        )
