"""How things stand: what waits, what was set aside, what was corrected since."""

import dataclasses
import datetime as dt
from pathlib import Path

from poolmeter.config import Config
from poolmeter.errors import ExitCode
from probe.gratia.bundle import records_in
from probe.gratia.corrections import Correction, corrections
from probe.gratia.outbox import (
    Lane,
    Outbox,
    due_bundles,
    outbox_at,
    quarantined_bundles,
    read_bundle,
    reason_of,
)
from probe.gratia.scanned import read_days
from probe.gratia.server_state import ServerState, read_state

_BYTES_PER_MB = 10**6
#: A server that has taken nothing for a day is somebody's business.
ALARM_S = 24 * 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantined:
    """One bundle that was set aside."""

    path: Path
    records: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How one lane of the outbox stands."""

    mode: str
    url: str | None
    now: dt.datetime
    due_bundles: int
    due_bytes: int
    oldest_due_at: dt.datetime | None  # when the oldest due bundle was frozen
    quarantined: tuple[Quarantined, ...]
    late_rows: int
    corrections: tuple[Correction, ...]
    outbox_bytes: int
    limit_bytes: int
    server: ServerState

    @property
    def oldest_due_s(self) -> int:
        """The age of the oldest bundle that is due, 0 without any."""
        if self.oldest_due_at is None:
            return 0
        return max(0, int((self.now - self.oldest_due_at).total_seconds()))

    @property
    def quarantined_records(self) -> int:
        """How many records are set aside."""
        return sum(bundle.records for bundle in self.quarantined)

    @property
    def is_alarming(self) -> bool:
        """Whether what is due has been due for too long."""
        return self.mode == "live" and self.oldest_due_s > ALARM_S

    @property
    def exit_code(self) -> ExitCode:
        """3 when something is set aside, late, or due for too long."""
        is_clean = not (self.quarantined or self.late_rows or self.is_alarming)
        return ExitCode.DONE if is_clean else ExitCode.SET_ASIDE


def status_of(config: Config, *, now: dt.datetime) -> Status:
    """Return how the outbox of *config* stands; with the mode off, that of live.

    It takes no lock: what moves meanwhile may be counted in either place.

    Raises:
        LedgerError: A file cannot be read.
    """
    gratia = config.gratia
    lane: Lane = "shadow" if gratia.mode == "shadow" else "live"
    outbox = outbox_at(Path(gratia.outbox), lane)
    stats = [
        path.stat()
        for box in outbox.boxes()
        for path in due_bundles(box)
        if path.exists()
    ]
    made_at = [dt.datetime.fromtimestamp(stat.st_mtime, dt.UTC) for stat in stats]
    return Status(
        mode=gratia.mode,
        url=gratia.url,
        now=now,
        due_bundles=len(stats),
        due_bytes=sum(stat.st_size for stat in stats),
        oldest_due_at=min(made_at, default=None),
        quarantined=tuple(_quarantined(outbox)),
        late_rows=sum(
            day.late_rows for box in outbox.boxes() for day in read_days(box).values()
        ),
        corrections=tuple(corrections(Path(config.ledger.path), outbox)),
        outbox_bytes=outbox.size_bytes,
        limit_bytes=gratia.size_limit_mb * _BYTES_PER_MB,
        server=read_state(outbox),
    )


def _quarantined(outbox: Outbox) -> list[Quarantined]:
    return [
        Quarantined(
            path, len(records_in(read_bundle(path))), reason_of(path) or "not said"
        )
        for box in outbox.boxes()
        for path in quarantined_bundles(box)
    ]
