"""How far the probe is: what is unread, lost, set aside, and how sure the rest is."""

import collections
import contextlib
import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path

from poolmeter.errors import PoolmeterError
from poolmeter.ledger.gaps import Gap, read_gaps
from poolmeter.ledger.scan import job_batches
from probe.checkpoint import Position, known_schedds, load_checkpoint
from probe.history_file import TornStreamError, open_history, stat_history
from probe.quarantine import quarantine_folder
from probe.reading import identity_of
from probe.rotation import history_files
from probe.run_reconciliation import RunReconciliation, reconcile_runs

#: Trust and runs are told of the jobs that ended in so many days.
DAYS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class SourceLag:
    """What one source holds that is not in the ledger yet."""

    source: str
    files: int
    unread_records: int
    unread_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class ScheddStatus:
    """How far one schedd's history is in the ledger, and when the last run ended."""

    schedd: str
    last_run_at: dt.datetime
    lag_s: int
    sources: tuple[SourceLag, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """All of a ledger, as the probe sees it; counts are of the last ``DAYS`` days."""

    schedds: tuple[ScheddStatus, ...]
    gaps: tuple[Gap, ...]
    set_aside: int
    jobs: int
    network_trust: Counter[str]
    time_trust: Counter[str]
    runs: RunReconciliation | None


def status_of(ledger: Path, *, now: dt.datetime) -> Status:
    """Return the state of *ledger*.

    Raises:
        LedgerError: It cannot be read.
    """
    last_day = now.astimezone(dt.UTC).date()
    first_day = last_day - dt.timedelta(days=DAYS)
    network, time = _trust(ledger, first_day)
    return Status(
        schedds=tuple(_schedd(ledger, name, now) for name in known_schedds(ledger)),
        gaps=tuple(read_gaps(ledger)),
        set_aside=len(list(quarantine_folder(ledger).glob("*.json"))),
        jobs=network.total(),
        network_trust=network,
        time_trust=time,
        runs=reconcile_runs(ledger, first_day, last_day),
    )


def _schedd(ledger: Path, schedd: str, now: dt.datetime) -> ScheddStatus:
    positions = load_checkpoint(ledger, schedd)
    read_until_s = max((p.read_until_s for p in positions), default=0)
    names = sorted({position.source for position in positions})
    lags = [_lag(Path(n), [p for p in positions if p.source == n]) for n in names]
    has_news = any(lag.unread_records for lag in lags)
    return ScheddStatus(
        schedd=schedd,
        last_run_at=dt.datetime.fromtimestamp(read_until_s, dt.UTC),
        lag_s=max(0, int(now.timestamp()) - read_until_s) if has_news else 0,
        sources=tuple(lags),
    )


def _lag(live: Path, positions: list[Position]) -> SourceLag:
    """Count what is unread of a history; a folder of single jobs by its files."""
    if live.is_dir():
        done = {position.stat for position in positions}
        files = [p for p in live.glob("history.*") if p.is_file()]
        new = [stat for p in files if (stat := stat_history(p)) and stat not in done]
        size_bytes = sum(stat.size_bytes for stat in new)
        return SourceLag(str(live), len(files), len(new), size_bytes)
    records = size_bytes = 0
    paths = history_files(live)
    for path in paths:
        # What cannot be read now is the next run's to say.
        with contextlib.suppress(OSError, TornStreamError, PoolmeterError):
            found, length = _unread(path, positions)
            records, size_bytes = records + found, size_bytes + length
    return SourceLag(str(live), len(paths), records, size_bytes)


def _unread(path: Path, positions: list[Position]) -> tuple[int, int]:
    stat = stat_history(path)
    if any(position.stat == stat for position in positions):
        return 0, 0
    with open_history(path) as file:
        first = file.first_record()
        if first is None:
            return 0, 0
        identity = identity_of(first)
        offsets = [p.offset for p in positions if p.identity == identity]
        found = [raw.end - raw.start for raw in file.records(max(offsets, default=0))]
    return len(found), sum(found)


def _trust(ledger: Path, first_day: dt.date) -> tuple[Counter[str], Counter[str]]:
    network: Counter[str] = collections.Counter()
    time: Counter[str] = collections.Counter()
    names = ("network_trust", "time_trust")
    for batch in job_batches(ledger, columns=names, first_day=first_day):
        network.update(map(str, batch["network_trust"].to_pylist()))
        time.update(map(str, batch["time_trust"].to_pylist()))
    return network, time
