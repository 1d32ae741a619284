"""The files of the journal: names, reading, and the repair of a torn last line."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from collectors.errors import JournalError
from collectors.journal.entries import (
    SCHEMA_VERSION,
    AnyEntry,
    Carried,
    decode_entry,
)
from collectors.journal.open_runs import OpenRuns

FOLDER_MODE = 0o700
FILE_MODE = 0o600

_NAME = re.compile(r"(\d{8})-\d{8}\.jsonl")


#: The kind of an entry stands within this.
LINE_HEAD_BYTES = 32


class _Version(msgspec.Struct):
    version: int = SCHEMA_VERSION


def journal_files(folder: Path) -> list[Path]:
    """Return the files of the journal, oldest first: by number, never by date."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(str(folder), found=error.strerror) from error
    return [folder / name for name in sorted(names) if _NAME.fullmatch(name)]


def next_file(folder: Path, day: str) -> Path:
    """Return the name of the file after all that are there; *day* is YYYYMMDD."""
    files = journal_files(folder)
    number = int(files[-1].name[:8]) + 1 if files else 1
    return folder / f"{number:08d}-{day}.jsonl"


def read_entries(path: Path) -> Iterator[AnyEntry | JournalError]:
    """Yield each line of *path*; one that is no entry as the error that says so.

    A last line without its end is being written, or was torn by a crash: it was never
    acknowledged to anybody, and is left out.

    Raises:
        JournalError: The file cannot be read, or a newer version wrote it.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.endswith(b"\n"):
                    yield _entry(f"{path}:{number}", line)
    except OSError as error:
        raise JournalError(str(path), found=error.strerror) from error


def _entry(where: str, line: bytes) -> AnyEntry | JournalError:
    _refuse_newer(where, line)
    try:
        return decode_entry(line)
    except msgspec.MsgspecError as error:
        return JournalError(where, expected="a journal entry", found=str(error))


def _refuse_newer(where: str, line: bytes) -> None:
    if b'"carried"' not in line[:LINE_HEAD_BYTES]:
        return
    try:
        version = msgspec.json.decode(line, type=_Version).version
    except msgspec.MsgspecError:
        return
    if version > SCHEMA_VERSION:
        raise JournalError(
            where,
            expected=f"version {SCHEMA_VERSION} or older",
            found=f"version {version}",
            mend="use the poolmeter that wrote it, or a newer one",
        )


def repair_tail(path: Path) -> int:
    """Cut a torn last line off *path*; return how many bytes that were.

    What a crash tore was not fsynced, so nobody was told that it is there.
    """
    with path.open("rb+") as file:
        content_bytes = file.seek(0, os.SEEK_END)
        keep_bytes = _end_of_last_line(path)
        if keep_bytes < content_bytes:
            file.truncate(keep_bytes)
            os.fsync(file.fileno())
    return content_bytes - keep_bytes


def _end_of_last_line(path: Path) -> int:
    block_bytes = 65536
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - block_bytes)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
    return 0


def state_of(folder: Path) -> OpenRuns:
    """Return what the journal has begun and not ended.

    The newest file is enough, if its first line is whole: it says what was open.

    Raises:
        JournalError: A file cannot be read, or a newer version wrote it.
    """
    wanted: list[AnyEntry] = []
    for path in reversed(journal_files(folder)):
        entries = [e for e in read_entries(path) if not isinstance(e, JournalError)]
        wanted = entries + wanted
        if entries and isinstance(entries[0], Carried):
            break
    state = OpenRuns()
    state.follow(wanted)
    return state


def forget_old_files(folder: Path, *, older_than_unix_s: float) -> list[Path]:
    """Delete files last written before that time, never the newest; return which."""
    gone = []
    for path in journal_files(folder)[:-1]:
        if path.stat().st_mtime < older_than_unix_s:
            path.unlink()
            gone.append(path)
    return gone
