"""One file's share of a run: where reading starts, and how far it has come."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from probe.batch import Batch
from probe.checkpoint import Position
from probe.fast.chunks import Chunk, chunks_of
from probe.history_file import (
    TAIL_BYTES,
    FileStat,
    HistoryFile,
    RawRecord,
    TornStreamError,
)


class Reading:
    """Reads one file's records from an offset on; moves only when it is told to.

    ``reached`` is called when a record has been dealt with, so that at every moment
    the position says what is done, not what was looked at.  ``has_banners`` is false
    where records are not cut at banners; such a reading has no ``chunks``.
    """

    has_banners = True

    def __init__(self, source: Path, file: HistoryFile, identity: str) -> None:
        self.file = file
        self.identity = identity
        self.source = source
        self.offset = 0
        self.tail = b""
        self.earliest_s: int | None = None
        self.is_complete = False
        self._read_until_s: int | None = None
        self._stat_at_start = file.stat()

    def resume(self, position: Position, tail: bytes) -> None:
        """Start from *position*, before which the bytes *tail* stand."""
        self.offset = position.offset
        self.earliest_s = position.earliest_s
        self.tail = tail
        self._read_until_s = position.read_until_s

    def records(self) -> Iterator[RawRecord]:
        """Yield the records that are not done yet, as far as the file can be read.

        ``is_complete`` tells afterwards whether that was its end, or the place where
        a compressed file is torn.

        Raises:
            NotHistoryError: As :meth:`HistoryFile.records`.
        """
        with contextlib.suppress(TornStreamError):
            yield from self.file.records(self.offset)
            self.is_complete = True

    def chunks(self) -> Iterator[Chunk]:
        """Yield the same records as :meth:`records`, many at once, for the fast reader.

        Raises:
            NotHistoryError: As :meth:`HistoryFile.records`.
        """
        with contextlib.suppress(TornStreamError):
            yield from chunks_of(self.file, self.offset)
            self.is_complete = True

    def reached(self, raw: RawRecord, earliest_s: int | None) -> None:
        """Note that *raw* has been dealt with."""
        self.offset = raw.end
        self.earliest_s = earliest_s
        self.tail = (self.tail + raw.ad + raw.banner)[-TAIL_BYTES:]

    def reached_end_of(self, batch: Batch) -> None:
        """Note that all records of *batch* have been dealt with."""
        self.offset = batch.end
        self.earliest_s = batch.earliest_s
        self.tail = (self.tail + batch.tail)[-TAIL_BYTES:]

    def position(self, now_s: int) -> Position:
        """Return how far the file has been read.

        Only a file that was read to its end is known again by its stat alone, and has
        been read until now; of another one the last record's end tells.
        """
        before_s = self._read_until_s or self.earliest_s or now_s
        return Position(
            source=str(self.source),
            identity=self.identity,
            offset=self.offset,
            tail_hash=tail_hash(self.tail),
            stat=self._stat_at_start if self.is_complete else FileStat(0, -1, 0),
            earliest_s=self.earliest_s,
            read_until_s=now_s if self.is_complete else before_s,
        )


class SingleAdReading(Reading):
    """Reads a file that holds one ad and no banner, as HTCondor's per-job files do."""

    has_banners = False

    def records(self) -> Iterator[RawRecord]:
        """Yield the one record."""
        content = self.file.whole()
        yield RawRecord(0, len(content), content, b"")
        self.is_complete = True


def identity_of(record: RawRecord) -> str:
    """Return what a file is known by: the hash of its first record with its banner."""
    return hashlib.sha256(record.ad + record.banner).hexdigest()


def tail_hash(tail: bytes) -> str:
    """Return the hash of the bytes before an offset."""
    return hashlib.sha256(tail).hexdigest()
