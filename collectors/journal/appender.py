"""Appends to the journal's file so that what was said to be durable is."""

import contextlib
import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path

from collectors.errors import JournalError
from collectors.journal.entries import AnyEntry, encode_entry
from collectors.journal.files import (
    FILE_MODE,
    FOLDER_MODE,
    forget_old_files,
    journal_files,
    next_file,
    repair_tail,
    state_of,
)

#: A file is followed by another when it is larger, and at each UTC day's first line.
ROTATE_BYTES = 64 * 2**20


class Appender:
    """The open file of a journal.  One process, one thread at a time."""

    def __init__(self, folder: Path, *, keep_days: int) -> None:
        """Make the folder if it is missing, and repair a torn last line.

        Raises:
            JournalError: The folder cannot be used, or a newer version wrote in it.
        """
        self.folder = folder
        self.keep_days = keep_days
        self.repaired_bytes = 0
        self._descriptor = -1
        self._path: Path | None = None
        #: How much of the file is durable; what is behind it may be written again.
        self._durable_bytes = 0
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._open_newest()
        except OSError as error:
            raise self._error(error) from error
        self.state = state_of(folder)

    def append(self, entries: Sequence[AnyEntry], at: dt.datetime) -> None:
        """Write *entries* and fsync, all or none of them.

        Raises:
            JournalError: Nothing was written (disk full or failing); try again later.
        """
        try:
            if self._is_full(at):
                self._rotate(at)
            self._write(b"".join(encode_entry(entry) for entry in entries))
        except OSError as error:
            raise self._error(error) from error
        self.state.follow(entries)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open_newest(self) -> None:
        files = journal_files(self.folder)
        if files:
            self.repaired_bytes = repair_tail(files[-1])
            self._open(files[-1], os.O_RDWR)

    def _open(self, path: Path, flags: int) -> None:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        self.close()
        self._descriptor, self._path = descriptor, path
        self._durable_bytes = os.fstat(descriptor).st_size

    def _is_full(self, at: dt.datetime) -> bool:
        if self._path is None or self._durable_bytes == 0:
            return True
        day = self._path.stem.partition("-")[2]
        return day != _day(at) or self._durable_bytes >= ROTATE_BYTES

    def _rotate(self, at: dt.datetime) -> None:
        """Begin a file with what is open; an empty one, of a crash, is used first."""
        if self._path is None or self._durable_bytes:
            path = next_file(self.folder, _day(at))
            self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            _fsync_folder(self.folder)
        self._write(encode_entry(self.state.carried(at)))
        limit = at - dt.timedelta(days=self.keep_days)
        with contextlib.suppress(OSError):
            forget_old_files(self.folder, older_than_unix_s=limit.timestamp())

    def _write(self, content: bytes) -> None:
        """Write at the end of what is durable.

        After a failed fsync the kernel takes the pages for clean though they are not on
        the disk; so they are cut off and written again, not only synced again.
        """
        try:
            position = self._durable_bytes
            for_write = memoryview(content)
            while for_write:
                written = os.pwrite(self._descriptor, for_write, position)
                for_write = for_write[written:]
                position += written
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._durable_bytes)
            raise
        self._durable_bytes = position

    def _error(self, error: OSError) -> JournalError:
        return JournalError(
            f"cannot write the journal {self.folder}",
            found=error.strerror or str(error),
            mend="free space there: rules and counters are kept until it is written",
        )


def _day(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m%d}"


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
