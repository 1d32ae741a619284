"""One history file: opened whatever its compression, cut into records at banners.

A record ends with its banner's newline; what stands after the last banner is a
record that HTCondor is still writing and is left for the next run.  Offsets count
bytes of the decompressed text.
"""

import contextlib
import dataclasses
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import pyarrow as pa

from poolmeter.errors import NotHistoryError, UsageError
from probe.banner import MARK

Compression = Literal["gzip", "zstd"]

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_ATTRIBUTE_LINE = re.compile(rb"\s*[A-Za-z_][\w.]*\s*=\s")
_BEGUN_LINE = re.compile(rb"\s*[A-Za-z_][\w.]*\s*=?\Z")
#: By its name a file is compressed before its first bytes are there to tell.
COMPRESSED_SUFFIXES = (".gz", ".zst")

_MAGIC_BYTES = max(map(len, _MAGIC))

BUFFER_BYTES = 64 * 1024
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
    """An open history file; a rename or removal meanwhile does not disturb it.

    Every method reads from a position of its own, so that they can be mixed.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        head = os.pread(descriptor, _MAGIC_BYTES, 0)
        self.compression: Compression | None = _compression_of(head)
        self._is_hardly_begun = (
            path.suffix in COMPRESSED_SUFFIXES and len(head) < _MAGIC_BYTES
        )

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def stat(self) -> FileStat:
        """Return the present state of the open file."""
        return _as_file_stat(os.fstat(self._descriptor))

    def records(self, offset: int = 0) -> Iterator[RawRecord]:
        """Yield the complete records from *offset* on, in their order.

        Raises:
            ShorterError: The file ends before *offset*.
            TornStreamError: A compressed file ends in the middle.
            NotHistoryError: A record is longer than any job ad.
        """
        with self.text(offset) as text:
            yield from _split(text, offset, self.path)

    def first_record(self) -> RawRecord | None:
        """Return the first complete record, ``None`` without one.

        Raises:
            TornStreamError, NotHistoryError: As :meth:`records`.
        """
        return next(self.records(), None)

    def tail(self, offset: int) -> bytes:
        """Return the up to 256 bytes before *offset*.

        Raises:
            ShorterError: The file ends before *offset*.
            TornStreamError: A compressed file ends in the middle.
        """
        start = max(0, offset - TAIL_BYTES)
        with self.text(start) as text:
            tail = _read_up_to(text, offset - start)
        if len(tail) < offset - start:
            raise ShorterError
        return tail

    def whole(self) -> bytes:
        """Return the decompressed content, of a file known to be small.

        Raises:
            TornStreamError: A compressed file ends in the middle.
        """
        with self.text() as text:
            return _read_up_to(text, RECORD_LIMIT_BYTES)

    def refuse_stranger(self) -> None:
        """Refuse a file that is clearly not a history file.

        An attribute's line comes first, or a banner follows within the first MiB
        (a file cut at its head is history all the same).

        Raises:
            NotHistoryError: It is neither.
            TornStreamError: A compressed file ends in the middle.
        """
        with self.text() as text:
            head = _read_up_to(text, SNIFF_BYTES)
        has_banner = head.startswith(MARK) or b"\n" + MARK in head
        begins_well = _ATTRIBUTE_LINE.match(head) or _BEGUN_LINE.match(head)
        if head and not has_banner and not begins_well:
            raise not_history(self.path, found=_kind_of(head))

    @contextlib.contextmanager
    def text(self, offset: int = 0) -> Iterator[BinaryIO]:
        """Yield the decompressed text from *offset* on."""
        file = _PositionedFile(self._descriptor)
        if self._is_hardly_begun:
            raise TornStreamError(f"{self.path}: no compressed data yet")
        if self.compression is None:
            if self.stat().size_bytes < offset:
                raise ShorterError
            file.seek(offset)
            yield _buffered(file)
            return
        stream = pa.CompressedInputStream(pa.PythonFile(file, "r"), self.compression)
        with _buffered(stream) as text:
            try:
                _skip(text, offset)
                yield text
            except OSError as error:
                raise TornStreamError(f"{self.path}: {error}") from error


class _PositionedFile(io.RawIOBase):
    """A reader with its own position over a shared descriptor, which it leaves open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count


def _buffered(raw: Any) -> BinaryIO:  # noqa: ANN401 - Arrow's files are no RawIOBase
    return io.BufferedReader(raw, BUFFER_BYTES)


def _as_file_stat(now: os.stat_result) -> FileStat:
    return FileStat(now.st_ino, now.st_size, now.st_mtime_ns)


def stat_history(path: Path) -> FileStat | None:
    """Return the state of *path* without opening it, ``None`` if it is not there."""
    try:
        return _as_file_stat(path.stat())
    except OSError:
        return None


def not_history(path: Path, *, found: str, knob: str = "HISTORY") -> NotHistoryError:
    """Return the error that *path* is no history of HTCondor's *knob* but *found*."""
    return NotHistoryError(
        str(path),
        expected="job history: lines `Name = value` and `***` banners",
        found=found,
        mend=f"give the file that `condor_config_val {knob}` names",
    )


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


def _compression_of(head: bytes) -> Compression | None:
    return next((kind for mark, kind in _MAGIC.items() if head.startswith(mark)), None)


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
        raise not_history(
            path, found=f"{length_bytes} bytes without a banner from byte {start}"
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
