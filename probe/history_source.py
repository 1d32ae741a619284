"""The source ``history``: a live history file with its rotations.

Everything is read from where the last run stopped, whatever the file is called now.
The live file is opened before the rotations are listed, and the listing is repeated
until it brings nothing new, so that a rotation in mid-run loses nothing.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from poolmeter.attributes import (
    CLUSTER_ID,
    ENTERED_CURRENT_STATUS,
    EPOCH_WRITE_DATE,
    PROC_ID,
)
from poolmeter.errors import NotHistoryError, UsageError
from poolmeter.ledger.tables import JOBS, MergedTable
from probe.banner import EPOCH, parse_banner
from probe.checkpoint import Position
from probe.history_file import (
    COMPRESSED_SUFFIXES,
    FileStat,
    HistoryFile,
    RawRecord,
    ShorterError,
    TornStreamError,
    not_history,
    open_history,
    stat_history,
)
from probe.job_ad import UnreadableAdError, parse_ad
from probe.reading import Reading, SingleAdReading, identity_of, tail_hash
from probe.rotation import history_files
from probe.source import Loss

#: A file without a banner may be one whose first record is still being written.
QUIET_S = 60
#: Rotations may outrun us; what is then left over is read by the next run.
PASSES_LIMIT = 10

#: ``history.CLUSTER.PROC``: written under another name and renamed, so never partial.
_MOMENT = re.compile(
    rf"(?m)^(?:{ENTERED_CURRENT_STATUS}|{EPOCH_WRITE_DATE}) = (\d{{9,11}})$".encode()
)
_PER_JOB_NAME = re.compile(r".*\.\d+\.\d+\Z")


class HistorySource:
    """Finds what is new in one history and keeps how far it has been read.

    With *may_be_absent* a file that was never there is none yet, and no error.
    """

    #: HTCondor's name for the file.
    knob = "HISTORY"

    def __init__(
        self,
        live: Path,
        known: Iterable[Position],
        *,
        now_s: int,
        may_be_absent: bool = False,
    ) -> None:
        self.live = live
        self.now_s = now_s
        self._may_be_absent = may_be_absent
        self.strangers: dict[Path, str] = {}
        self._before = {position.identity: position for position in known}
        self._positions = dict(self._before)
        self._sound: set[str] = set()  # found, and as they were left
        self._changed: dict[str, tuple[Path, str]] = {}
        self._torn: dict[Path, int] = {}  # and since when it is there
        self._live_identity: str | None = None
        self._listed: set[str] = set()  # and not read yet
        self._has_one_vanished = False  # since it was listed, unread

    @property
    def name(self) -> str:
        """The live file's path."""
        return str(self.live)

    @property
    def table(self) -> MergedTable:
        """Jobs."""
        return JOBS

    def readings(self) -> Iterator[Reading]:
        """Yield what is to be read, file by file, until a listing brings nothing new.

        Each reading has to be used up before the next is asked for.

        Raises:
            UsageError: The history does not exist, cannot be read, or is none.
        """
        self._refuse_absence()
        seen: set[FileStat] = set()
        for _ in range(PASSES_LIMIT):
            with self._open_live():
                paths = history_files(self.live)
                stats = {stat for path in paths if (stat := stat_history(path))}
                if stats <= seen and not self._has_one_vanished:
                    break
                seen |= stats
                self._has_one_vanished = False
                for path in paths:
                    self._note_listed(path)
                for path in paths:
                    is_being_made = (
                        path.suffix in COMPRESSED_SUFFIXES
                        and path.with_suffix("") in paths
                    )
                    yield from self._readings_of(path, may_be_torn=is_being_made)
        for identity, (path, _) in self._changed.items():
            if identity not in self._sound:
                yield from self._reading_anew(path, identity)

    def positions(self, *, is_over: bool) -> list[Position]:
        """Return how far each file that is there has been read.

        While the run is not over, what was live when the last one ended stays marked
        until it is found, and a listed file stands here before it is read: if this
        run is killed, the next one notices that either is gone.
        """
        known = self._sound | self._changed.keys()
        live = {self._live_identity} if self._live_identity else self._former_live()
        if not is_over:
            live |= self._former_live() - self._sound
            known |= self._listed | live
        return [
            dataclasses.replace(position, is_live=identity in live)
            for identity, position in self._positions.items()
            if identity in known
        ]

    def losses(self) -> list[Loss]:
        """Return what may have been lost since the last run."""
        losses = [
            Loss(reason, self._before[identity].read_until_s)
            for identity, (_, reason) in self._changed.items()
            if identity not in self._sound
        ]
        losses += [
            Loss(f"damaged compressed file {path.name}", since_s)
            for path, since_s in self._torn.items()
        ]
        lost = self._before.keys() - self._sound - self._changed.keys()
        former = self._former_live()
        losses += [
            Loss("live file lost", self._before[identity].read_until_s)
            for identity in self._before
            if identity in lost & former
        ]
        unread = [self._before[i] for i in lost - former]
        unread += [self._positions[i] for i in self._listed - self._before.keys()]
        losses += [
            Loss("file lost before it was read to its end", position.read_until_s)
            for position in unread
            if not position.is_complete
        ]
        return losses

    def keep_progress(self, reading: Reading) -> None:
        """Take over how far *reading* has come, also while it still goes on."""
        self._positions[reading.identity] = reading.position(self.now_s)

    def _former_live(self) -> set[str]:
        """Return the file that was live before; two where a run was killed."""
        return {i for i, position in self._before.items() if position.is_live}

    def _refuse_absence(self) -> None:
        try:
            is_absent = not history_files(self.live)
        except PermissionError as error:
            raise UsageError(
                str(self.live),
                found="permission denied",
                mend="let the probe's account read it (group condor)",
            ) from error
        if is_absent and not self._before and not self._may_be_absent:
            raise UsageError(
                str(self.live),
                found="no such file",
                mend=f"give the file that `condor_config_val {self.knob}` names",
            )

    @contextlib.contextmanager
    def _open_live(self) -> Iterator[None]:
        """Hold the live file open, so that a listing made now cannot miss it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(open_history(self.live))
            yield

    def _readings_of(self, path: Path, *, may_be_torn: bool) -> Iterator[Reading]:
        """Yield what is to be read of *path*.

        A compressed file ends in the middle while it is being made; then the plain
        one is still there.
        """
        self._torn.pop(path, None)
        try:
            with open_history(path) as file:
                yield from self._readings_of_open(file, may_be_torn=may_be_torn)
        except FileNotFoundError:
            # Renamed or compressed meanwhile; the next listing has it.
            self._has_one_vanished = True
        except TornStreamError:
            if not may_be_torn:
                self._note_torn(path)
        except NotHistoryError as error:
            if path == self.live:
                raise
            self.strangers[path] = str(error)

    def _readings_of_open(
        self, file: HistoryFile, *, may_be_torn: bool
    ) -> Iterator[Reading]:
        known = self._known_by_stat(file.stat())
        if known is not None:
            self._found(file, known)
            return
        first = file.first_record()
        if first is None:
            yield from self._reading_without_banner(file)
            return
        identity = identity_of(first)
        if identity not in self._before:
            self._refuse_other_kind(file, first)
        reading = Reading(self.live, file, identity)
        if self._resume(reading):
            self._found(file, identity)
            yield reading
            self.keep_progress(reading)
            if not reading.is_complete and not may_be_torn:
                self._note_torn(file.path)

    def _known_by_stat(self, stat: FileStat) -> str | None:
        positions = self._positions.values()
        return next((p.identity for p in positions if p.stat == stat), None)

    def _found(self, file: HistoryFile, identity: str) -> None:
        self._sound.add(identity)
        self._listed.discard(identity)
        if file.path == self.live:
            self._live_identity = identity

    def _resume(self, reading: Reading) -> bool:
        """Start *reading* where the last one stopped; false if that place is gone."""
        position = self._positions.get(reading.identity)
        if position is None:
            return True
        try:
            tail = reading.file.tail(position.offset)
        except ShorterError:
            return self._note_changed(reading, "history file truncated")
        if tail_hash(tail) != position.tail_hash:
            return self._note_changed(reading, "history file overwritten")
        reading.resume(position, tail)
        return True

    def _note_changed(self, reading: Reading, reason: str) -> bool:
        self._changed[reading.identity] = (reading.file.path, reason)
        return False

    def _reading_anew(self, path: Path, identity: str) -> Iterator[Reading]:
        """Read a file again from its beginning; what is known already stays once."""
        with contextlib.suppress(FileNotFoundError), open_history(path) as file:
            if path == self.live:
                self._live_identity = identity
            reading = Reading(self.live, file, identity)
            yield reading
            self.keep_progress(reading)

    def _note_torn(self, path: Path) -> None:
        stat = stat_history(path)
        self._torn[path] = stat.mtime_ns // 10**9 if stat else self.now_s

    def _reading_without_banner(self, file: HistoryFile) -> Iterator[Reading]:
        """Read a file without any banner as one ad, when it is whole and at rest."""
        content = file.whole()
        file.refuse_stranger()
        if not content or not self._is_at_rest(file):
            return
        if file.path == self.live and history_files(self.live) != [self.live]:
            return  # rotations beside it: its own first record is not whole yet
        if file.path != self.live or not content.endswith(b"\n"):
            raise not_history(file.path, found="no banner")
        try:
            ad = parse_ad(content.decode("utf-8", "backslashreplace"))
        except UnreadableAdError as error:
            raise not_history(file.path, found=f"no banner, and {error}") from error
        if not (ad.has(CLUSTER_ID) and ad.has(PROC_ID)):
            raise not_history(file.path, found="no banner, and no job's ad")
        identity = identity_of(RawRecord(0, len(content), content, b""))
        self._sound.add(identity)
        if identity not in self._positions:
            reading = SingleAdReading(self.live, file, identity)
            yield reading
            self.keep_progress(reading)

    def _note_listed(self, path: Path) -> None:
        """Note a file that is not known yet, as one of which nothing has been read."""
        with contextlib.suppress(FileNotFoundError, TornStreamError, NotHistoryError):
            with open_history(path) as file:
                if self._known_by_stat(file.stat()) is not None:
                    return
                first = file.first_record()
                if first is None or identity_of(first) in self._positions:
                    return
                self._refuse_other_kind(file, first)
                reading = Reading(self.live, file, identity_of(first))
            since_s = self._unread_since_s(first)
            position = dataclasses.replace(reading.position(since_s), is_live=False)
            self._positions[reading.identity] = position
            self._listed.add(reading.identity)

    def _unread_since_s(self, first: RawRecord) -> int:
        """Return since when a file that was not there may hold records.

        It came after the last run; in the first run its own first record tells.
        """
        read_until_s = [p.read_until_s for p in self._before.values() if p.is_live]
        moments_s = [int(text) for text in _MOMENT.findall(first.ad)]
        return max(read_until_s) if read_until_s else min([self.now_s, *moments_s])

    def _refuse_other_kind(self, file: HistoryFile, first: RawRecord) -> None:
        """Refuse a file whose first record is of an epoch history."""
        kind = parse_banner(first.banner.decode("utf-8", "replace")).kind
        if kind == EPOCH:
            found = f"a history of {kind} records"
            raise not_history(file.path, found=found, knob=self.knob)

    def _is_at_rest(self, file: HistoryFile) -> bool:
        age_s = self.now_s - file.stat().mtime_ns // 10**9
        return age_s >= QUIET_S or bool(_PER_JOB_NAME.match(file.path.name))
