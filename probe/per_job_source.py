"""The source ``per-job``: PER_JOB_HISTORY_DIR, one file an ended job.

HTCondor writes each under another name and renames it, so that none is ever partial.
The files are left alone, unless they are to be deleted; then one is, when its job is
durable in the ledger.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from poolmeter.errors import UsageError
from poolmeter.ledger.tables import JOBS, MergedTable
from probe.checkpoint import Position
from probe.history_file import FileStat, RawRecord, open_history, stat_history
from probe.reading import Reading, SingleAdReading, identity_of
from probe.source import Loss

_NAME = re.compile(r"history\.\d+\.\d+")


class PerJobSource:
    """Finds the files of one folder that are new, and may delete what is done."""

    def __init__(
        self, folder: Path, known: Iterable[Position], *, now_s: int, delete: bool
    ) -> None:
        self.folder = folder
        self.strangers: dict[Path, str] = {}
        self._now_s = now_s
        self._delete = delete
        self._before = {position.identity: position for position in known}
        self._identity_of = {p.stat: p.identity for p in self._before.values()}
        self._positions: dict[str, Position] = {}
        self._done: dict[Path, FileStat] = {}

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.folder)

    @property
    def table(self) -> MergedTable:
        """Jobs."""
        return JOBS

    def readings(self) -> Iterator[Reading]:
        """Yield each file that is new, until a listing brings none.

        Raises:
            UsageError: The folder is missing or cannot be read.
        """
        seen: set[str] = set()
        while names := self._names() - seen:
            seen |= names
            for name in sorted(names):
                with contextlib.suppress(FileNotFoundError):
                    yield from self._reading_of(self.folder / name)

    def keep_progress(self, reading: Reading) -> None:
        """Take over that *reading* is done, if it is."""
        if reading.is_complete:
            self._positions[reading.identity] = reading.position(self._now_s)

    def positions(self, *, is_over: bool) -> list[Position]:
        """Return one position for each file that is there and done."""
        kept = {} if is_over else self._before
        return list({**kept, **self._positions}.values())

    def losses(self) -> list[Loss]:
        """Return nothing: a file that was never seen leaves no trace."""
        return []

    def done(self) -> None:
        """Delete what is in the ledger, where that is asked for."""
        for path, stat in self._done.items() if self._delete else ():
            if stat_history(path) == stat:
                path.unlink(missing_ok=True)

    def _names(self) -> set[str]:
        try:
            return {
                path.name
                for path in self.folder.iterdir()
                if _NAME.fullmatch(path.name) and not path.is_symlink()
            }
        except OSError as error:
            raise UsageError(
                str(self.folder),
                expected="what `condor_config_val PER_JOB_HISTORY_DIR` names",
                found=error.strerror or str(error),
                mend="let the probe's account read it (group condor)",
            ) from error

    def _reading_of(self, path: Path) -> Iterator[Reading]:
        stat = stat_history(path)
        known = self._identity_of.get(stat) if stat else None
        if known is not None and stat is not None:
            self._positions[known] = self._before[known]
            self._done[path] = stat
            return
        with open_history(path) as file:
            content = file.whole()
            identity = identity_of(RawRecord(0, len(content), content, b""))
            reading = SingleAdReading(self.folder, file, identity)
            yield reading
            self.keep_progress(reading)
            self._done[path] = file.stat()
