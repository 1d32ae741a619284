"""A history file in chunks of whole records, each in the same memory."""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from probe.banner import MARK
from probe.fast.text import PAD_BYTES, Text
from probe.history_file import (
    BUFFER_BYTES,
    RECORD_LIMIT_BYTES,
    HistoryFile,
    TornStreamError,
    not_history,
)

#: So much of a file is looked at together, and never much more.
CHUNK_BYTES = 32 * 1024**2

_NEXT_BANNER = b"\n" + MARK


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Whole records, and where they begin in the file."""

    start: int
    text: Text


def chunks_of(file: HistoryFile, offset: int) -> Iterator[Chunk]:
    """Yield the complete records from *offset* on; a chunk is used up before the next.

    Raises:
        ShorterError: The file ends before *offset*.
        TornStreamError: A compressed file ends in the middle.
        NotHistoryError: A record is longer than any job ad.
    """
    with file.text(offset) as stream:
        buffer = _Buffer(stream, file)
        while buffer.fill():
            cut = buffer.end_of_records()
            if cut:
                buffer.refuse_long_record(offset)
                yield Chunk(offset, buffer.text(cut))
                buffer.drop(cut)
                offset += cut
            elif buffer.is_full:
                buffer.grow(offset)
    if buffer.is_torn:
        raise TornStreamError(f"{file.path}: torn")


class _Buffer:
    """Memory that is filled from a stream and cut from its front."""

    def __init__(self, stream: BinaryIO, file: HistoryFile) -> None:
        self._stream = stream
        self._file = file
        self._memory = bytearray(CHUNK_BYTES + PAD_BYTES)
        self._filled = 0
        self.is_torn = False

    @property
    def is_full(self) -> bool:
        return self._filled == len(self._memory) - PAD_BYTES

    def fill(self) -> bool:
        """Read until it is full or nothing more comes; false if nothing new came."""
        before = self._filled
        while not self.is_full and (count := self._read()):
            self._filled += count
        return self._filled > before

    def _read(self) -> int:
        room = len(self._memory) - PAD_BYTES - self._filled
        # In small steps, so that all that stands before a tear is got.
        step = min(room, BUFFER_BYTES) if self._file.compression else room
        with memoryview(self._memory) as view:
            try:
                return self._stream.readinto1(view[self._filled :][:step])  # type: ignore[attr-defined, no-any-return]
            except OSError:
                if not self._file.compression:
                    raise
                self.is_torn = True
                return 0

    def end_of_records(self) -> int:
        """Return where the last complete record ends, 0 without one."""
        before = self._filled
        while True:
            banner = self._memory.rfind(_NEXT_BANNER, 0, before) + 1
            if not banner and not self._memory.startswith(MARK):
                return 0
            end = self._memory.find(b"\n", banner, self._filled) + 1
            if end or not banner:
                return end
            before = banner

    def text(self, length: int) -> Text:
        return Text(np.frombuffer(self._memory, np.uint8)[: length + PAD_BYTES], length)

    def drop(self, count: int) -> None:
        """Move what stands behind *count* to the front."""
        left = self._memory[count : self._filled]
        self._memory[: len(left)] = left
        self._filled = len(left)

    def grow(self, offset: int) -> None:
        """Make room for a longer record, if a record can be so long."""
        if self._filled > RECORD_LIMIT_BYTES:
            self._refuse(offset)
        self._memory = self._memory + bytes(CHUNK_BYTES)

    def refuse_long_record(self, offset: int) -> None:
        """Refuse a first record that is longer than any job ad."""
        if self._filled > RECORD_LIMIT_BYTES:
            ad_bytes = self._memory.find(_NEXT_BANNER, 0, self._filled) + 1
            if ad_bytes > RECORD_LIMIT_BYTES:
                self._refuse(offset)

    def _refuse(self, offset: int) -> None:
        end = self._memory.find(b"\n", RECORD_LIMIT_BYTES, self._filled) + 1
        raise not_history(
            self._file.path,
            found=f"{end or self._filled} bytes without a banner from byte {offset}",
        )
