"""What was set aside: listed, shown, and tried again after a repair.

A record that can be read now goes into the ledger first, durably; then its file is
deleted.  A kill in between makes no second row.
"""

import base64
import binascii
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from poolmeter.config import Config
from poolmeter.errors import LedgerError, UsageError
from poolmeter.ledger.layout import file_name_of, state_folder
from poolmeter.ledger.merge import MergeResult, merge_jobs
from poolmeter.ledger.scan import refuse_other_version
from poolmeter.ledger.schema import table_with
from poolmeter.ledger.tables import JOBS, RUNS
from poolmeter.locks import locked
from probe.banner import EPOCH, parse_banner
from probe.history_file import RawRecord
from probe.normalise.job import Normalised
from probe.normalise.run import NormalisedRun
from probe.quarantine import quarantine_folder
from probe.reader import Outcome, Rejected, read, text_of
from probe.run_reader import read_runs


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A record in the quarantine, by the name of its file."""

    name: str
    schedd: str
    source: str
    kind: str
    reason: str
    raw: RawRecord


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """What became of a record that was tried again; ``reason`` if it stays."""

    name: str
    is_read: bool
    reason: str


def kept_records(ledger: Path) -> Iterator[Kept]:
    """Yield every record in *ledger*'s quarantine, in the order of names.

    Raises:
        LedgerError: The quarantine cannot be read, or a file of it is damaged.
    """
    try:
        paths = sorted(quarantine_folder(ledger).glob("*.json"))
    except OSError as error:
        raise _unreadable(quarantine_folder(ledger), str(error)) from error
    yield from map(_read, paths)


def find_kept(ledger: Path, name: str) -> Kept:
    """Return the record whose name begins with *name*.

    Raises:
        UsageError: There is none, or more than one.
        LedgerError: As :func:`kept_records`.
    """
    found = [kept for kept in kept_records(ledger) if kept.name.startswith(name)]
    if len(found) != 1:
        raise UsageError(
            f"quarantine {name}",
            expected="the beginning of one record's name",
            found=f"{len(found)} of them",
            mend="poolmeter probe quarantine list",
        )
    return found[0]


def retry(
    ledger: Path, kept: Sequence[Kept], config: Config, *, now: dt.datetime
) -> list[Tried]:
    """Read *kept* again; what can be read is in the ledger afterwards.

    Raises:
        LedgerError: The ledger is busy, foreign, or cannot be written.
    """
    tried = []
    refuse_other_version(ledger)
    for record in kept:
        lock = state_folder(ledger) / "locks" / f"probe-{file_name_of(record.schedd)}"
        what = f"the probe of schedd {record.schedd}"
        with locked(lock.with_name(f"{lock.name}.lock"), what=what):
            tried.append(_try(ledger, record, config, int(now.timestamp())))
    return tried


def _try(ledger: Path, kept: Kept, config: Config, now_s: int) -> Tried:
    result = _outcome(kept, config, now_s).result
    match result:
        case Normalised(record) | NormalisedRun(record):
            table = RUNS if isinstance(result, NormalisedRun) else JOBS
            rows = table_with(table.schema(), [record])
            done = merge_jobs(ledger, kept.schedd, rows, table)
            return _settled(ledger, kept, done)
        case Rejected() as rejected:
            return Tried(kept.name, is_read=False, reason=rejected.reason)
        case _:
            return Tried(kept.name, is_read=False, reason="a record of another kind")


def _settled(ledger: Path, kept: Kept, done: MergeResult) -> Tried:
    if done.conflicts:
        reason = "the ledger has another row of that job"
        return Tried(kept.name, is_read=False, reason=reason)
    (quarantine_folder(ledger) / f"{kept.name}.json").unlink(missing_ok=True)
    return Tried(kept.name, is_read=True, reason="")


def _outcome(kept: Kept, config: Config, now_s: int) -> Outcome:
    if parse_banner(text_of(kept.raw.banner)).kind == EPOCH:
        found = read_runs([kept.raw], schedd=kept.schedd, config=config)
    else:
        found = read(
            [kept.raw],
            schedd=kept.schedd,
            config=config,
            earliest_s=None,
            now_s=now_s,
        )
    return next(iter(found))


def _read(path: Path) -> Kept:
    try:
        fields = json.loads(path.read_text("utf-8"))
        raw = RawRecord(
            fields["start_byte"],
            fields["end_byte"],
            base64.b64decode(fields["ad_base64"], validate=True),
            base64.b64decode(fields["banner_base64"], validate=True),
        )
        texts = {n: str(fields[n]) for n in ("schedd", "source", "kind", "reason")}
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise _unreadable(path, str(error)) from error
    return Kept(name=path.stem, raw=raw, **texts)


def _unreadable(path: Path, found: str) -> LedgerError:
    return LedgerError(
        str(path),
        expected="a record that was set aside",
        found=found,
        mend="run as the probe's account; a damaged file can be deleted",
    )
