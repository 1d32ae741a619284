"""How far the ledger's day files have been looked through.

A file that has not changed since all its rows were frozen is not opened again.  A day
whose file has not changed for 45 days is closed: its names are forgotten, and rows
that come after that are counted and not reported, for nobody could tell them from
those that were.
"""

import datetime as dt
from pathlib import Path

import msgspec

from poolmeter import __version__
from poolmeter.durable import make_folder, write_text
from poolmeter.errors import LedgerError
from probe.gratia.outbox import Box
from probe.gratia.register import forget, registered_days
from probe.gratia.reporting import Reporting

#: So long the names of a day are kept after the last change of its file.
KEEP_DAYS = 45
_NS_PER_S = 10**9

#: What changes when a file is replaced: inode, modification time, size.
Stamp = tuple[int, int, int]


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One day file as it was when all its rows had been frozen."""

    stamp: Stamp
    rows: int
    is_closed: bool = False
    late_rows: int = 0  # that came when it was closed


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """What was seen, and under which rules; other rules may want other rows."""

    rules: str
    days: dict[dt.date, Day] = {}


class Scanned:
    """The day files of one schedd."""

    def __init__(self, box: Box, content: _Content) -> None:
        self._box = box
        self._content = content

    @property
    def days(self) -> dict[dt.date, Day]:
        """What is known of each day's file."""
        return self._content.days

    def note(self, day: dt.date, stamp: Stamp, rows: int) -> int:
        """Note that *day*'s file holds *rows* rows, and none that is still to come.

        Returns how many rows came too late, because the day is closed.
        """
        known = self.days.get(day)
        if known is None or not known.is_closed:
            self.days[day] = Day(stamp, rows)
            return 0
        late_rows = max(0, rows - known.rows)
        self.days[day] = msgspec.structs.replace(
            known, stamp=stamp, rows=rows, late_rows=known.late_rows + late_rows
        )
        return late_rows

    def close_old_days(self, *, now: dt.datetime) -> None:
        """Close the days that have not changed for long, and forget their names.

        Raises:
            LedgerError: A file cannot be written or deleted.
        """
        last_kept = now - dt.timedelta(days=KEEP_DAYS)
        last_kept_ns = int(last_kept.timestamp()) * _NS_PER_S
        for day, known in self.days.items():
            if day < last_kept.date() and known.stamp[1] < last_kept_ns:
                self.days[day] = msgspec.structs.replace(known, is_closed=True)
        # First the note that a day is closed: without its names it looks unreported.
        self.save()
        for day in registered_days(self._box):
            if day in self.days and self.days[day].is_closed:
                forget(self._box, day)

    def save(self) -> None:
        """Durably keep what is known.

        Raises:
            LedgerError: It cannot be written.
        """
        make_folder(self._box.folder)
        text = msgspec.json.encode(self._content).decode()
        write_text(_path(self._box), f"{text}\n")


def load_scanned(box: Box, reporting: Reporting) -> Scanned:
    """Return what is known of the schedd of *box*, nothing before the first run.

    Raises:
        LedgerError: The file is damaged, or gone while the register is there.
    """
    rules = f"{__version__} {reporting.cutover.astimezone(dt.UTC).isoformat()}"
    content = _read(box)
    if content is None:
        scanned = Scanned(box, _Content(rules))
        scanned.save()
        return scanned
    if content.rules != rules:
        closed = {day: known for day, known in content.days.items() if known.is_closed}
        content = _Content(rules, closed)
    return Scanned(box, content)


def read_days(box: Box) -> dict[dt.date, Day]:
    """Return what is known of each day's file.

    Raises:
        LedgerError: As :func:`load_scanned`.
    """
    content = _read(box)
    return content.days if content else {}


def stamp_of(path: Path) -> Stamp:
    """Return what is known of the file at *path* from outside."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _path(box: Box) -> Path:
    return box.folder / "scanned.json"


def _read(box: Box) -> _Content | None:
    path = _path(box)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Content)
    except FileNotFoundError:
        if not registered_days(box):
            return None
        found = "nothing"
    except (OSError, msgspec.DecodeError) as error:
        found = str(error)
    raise LedgerError(
        str(path),
        expected="the days that were reported",
        found=found,
        mend="put it back from a backup: without it old jobs are reported again",
    )
