"""One history file: opened whatever its compression, cut into records at banners.

A record ends with its banner's newline; what stands after the last banner is a
record that HTCondor is still writing and is left for the next run.  Offsets count
bytes of the decompressed text.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from poolmeter.errors import NotHistoryError, UsageError
from probe.banner import MARK

Compression = Literal["gzip", "zstd"]

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_ATTRIBUTE_LINE = re.compile(rb"\s*[A-Za-z_][\w.]*\s*=\s")

#: How many bytes before an offset are hashed, to know the place again.
TAIL_BYTES = 256
#: A record longer than this is no job ad.
RECORD_LIMIT_BYTES = 64 * 1024**2
#: How far a banner is looked for before a file without attributes is refused.
SNIFF_BYTES = 1024**2


class TornStreamError(Exception):
    """A compressed file ends in the middle or is damaged.

    While the compressing goes on that is so; the plain file is then still there.
    """


class ShorterError(Exception):
    """A file ends before the offset that was reached in it earlier."""


@dataclasses.dataclass(frozen=True, slots=True)
class RawRecord:
    """The bytes of one record: the ad's lines, and its banner's line (may be empty)."""

    start: int
    end: int
    ad: bytes
    banner: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class FileStat:
    """What tells cheaply that a file is the one seen before, and has not grown."""

    inode: int
    size_bytes: int
    mtime_ns: int


class HistoryFile:
    """An open history file; a rename or removal meanwhile does not disturb it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._file = os.fdopen(descriptor, "rb")
        self.compression = _compression_of(self._file)

    def stat(self) -> FileStat:
        """Return the present state of the open file."""
        now = os.fstat(self._file.fileno())
        return FileStat(now.st_ino, now.st_size, now.st_mtime_ns)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def records(self, offset: int = 0) -> Iterator[RawRecord]:
        """Yield the complete records from *offset* on, in their order.

        Raises:
            ShorterError: The file ends before *offset*.
            TornStreamError: A compressed file ends in the middle.
            NotHistoryError: A record is longer than any job ad.
        """
        with self._text(offset) as text:
            yield from _split(text, offset, self.path)

    def identity(self) -> str | None:
        """Return the hash of the first record with its banner, ``None`` without one.

        It stays the same when the file grows, is renamed, copied or compressed.
        """
        first = next(self.records(), None)
        if first is None:
            return None
        return hashlib.sha256(first.ad + first.banner).hexdigest()

    def tail_hash(self, offset: int) -> str:
        """Return the hash of the up to 256 bytes before *offset*.

        Raises:
            ShorterError: The file ends before *offset*.
            TornStreamError: A compressed file ends in the middle.
        """
        start = max(0, offset - TAIL_BYTES)
        with self._text(start) as text:
            tail = _read_up_to(text, offset - start)
        if len(tail) < offset - start:
            raise ShorterError
        return hashlib.sha256(tail).hexdigest()

    def whole(self) -> bytes:
        """Return the decompressed content, of a file known to be small."""
        with self._text() as text:
            return _read_up_to(text, RECORD_LIMIT_BYTES)

    def refuse_stranger(self) -> None:
        """Refuse a file that is clearly not a history file.

        An attribute's line comes first, or a banner follows within the first MiB
        (a file cut at its head is history all the same).

        Raises:
            NotHistoryError: It is neither.
        """
        with contextlib.suppress(TornStreamError), self._text() as text:
            head = _read_up_to(text, SNIFF_BYTES)
            has_banner = head.startswith(MARK) or b"\n" + MARK in head
            if head and not has_banner and not _ATTRIBUTE_LINE.match(head):
                raise NotHistoryError(
                    str(self.path),
                    expected="job history: lines `Name = value` and `***` banners",
                    found=_kind_of(head),
                    mend="give the file that `condor_config_val HISTORY` names",
                )

    @contextlib.contextmanager
    def _text(self, offset: int = 0) -> Iterator[BinaryIO]:
        """Yield the decompressed text from *offset* on."""
        if self.compression is None:
            if self.stat().size_bytes < offset:
                raise ShorterError
            self._file.seek(offset)
            yield self._file
            return
        with _decompressed(self._file, self.compression) as text:
            try:
                _skip(text, offset)
                yield text
            except OSError as error:
                raise TornStreamError(f"{self.path}: {error}") from error


def open_history(path: Path) -> HistoryFile:
    """Open *path* for reading.

    Raises:
        FileNotFoundError: There is no such file.
        UsageError: It may not be read, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            str(path),
            found=error.strerror or str(error),
            mend="let the probe's account read it (group condor)",
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(str(path), expected="a regular file", mend="check --history")
    return HistoryFile(path, descriptor)


def _compression_of(file: BinaryIO) -> Compression | None:
    head = file.read(4)
    return next((kind for mark, kind in _MAGIC.items() if head.startswith(mark)), None)


def _decompressed(file: BinaryIO, compression: Compression) -> BinaryIO:
    twin = os.fdopen(os.dup(file.fileno()), "rb")  # closing the stream closes it
    os.lseek(twin.fileno(), 0, os.SEEK_SET)  # the buffer's own seek may not reach it
    stream = pa.CompressedInputStream(pa.PythonFile(twin, mode="r"), compression)
    return cast("BinaryIO", io.BufferedReader(stream))


def _skip(text: BinaryIO, count: int) -> None:
    while count:
        skipped = len(text.read(min(count, SNIFF_BYTES)))
        if not skipped:
            raise ShorterError
        count -= skipped


def _read_up_to(text: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0 and (part := text.read(min(count, SNIFF_BYTES))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _split(text: BinaryIO, offset: int, path: Path) -> Iterator[RawRecord]:
    lines: list[bytes] = []
    start = at = offset
    for line in text:
        at += len(line)
        if not line.endswith(b"\n"):
            return
        if line.startswith(MARK):
            yield RawRecord(start, at, b"".join(lines), line)
            start, lines = at, []
        else:
            lines.append(line)
            _check_length(at - start, start, path)


def _check_length(length_bytes: int, start: int, path: Path) -> None:
    if length_bytes > RECORD_LIMIT_BYTES:
        raise NotHistoryError(
            f"{path} at byte {start}",
            expected="a `***` banner after a job ad",
            found=f"none in {length_bytes} bytes",
            mend="give the file that `condor_config_val HISTORY` names",
        )


def _kind_of(head: bytes) -> str:
    """Say what a file seems to be, by its first characters."""
    first = head.lstrip()[:5]
    if first.startswith(b"<"):
        return "XML"
    if first.startswith((b"[", b"{")):
        return "JSON, new ClassAds or a Python dictionary"
    if first.startswith(b"Submi"):
        return "the output of condor_submit"
    return "other text" if head[:512].isascii() else "binary data"
