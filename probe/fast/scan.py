"""From the text of whole records to cells: one wanted attribute of one record each.

What is not wanted is looked at, too: a single line that is no attribute makes its
record unreadable, and such a record is marked, for the reference to say why.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from probe.fast.arrays import Flags, Numbers, Places, places_of
from probe.fast.names import NOT_WANTED, UNKNOWN, Names
from probe.fast.shapes import Shapes
from probe.fast.text import Lines, Text, lines_of
from probe.fast.values import Kind, Kinds, kinds_of, whole_numbers

#: Lines are looked at in blocks of so many bytes, for what fits in a core's cache.
BLOCK_BYTES = 1024**2

_FIRST_NOT_ASCII = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Wanted values in the order of the text; places count from its begin."""

    columns: Numbers
    records: Numbers
    kinds: Kinds
    starts: Places
    ends: Places
    numbers: Numbers


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """The records of a text: where each stands, and what it holds.

    A record is its ad, from ``starts`` to ``banners``, and its banner, which goes to
    ``ends``.  What ``is_sound`` excludes is not certain to be one ad that classad2
    reads as it is read here.
    """

    text: Text
    starts: Places
    banners: Places
    ends: Places
    is_sound: Flags
    cells: Cells


@dataclasses.dataclass(frozen=True, slots=True)
class _Block:
    starts: Places
    banners: Places
    ends: Places
    is_sound: Flags
    cells: Cells
    #: Values that are neither a plain string nor a plain number.
    odd_records: Numbers
    odd_starts: Places
    odd_ends: Places


def scan(text: Text, names: Names, shapes: Shapes, identity: Sequence[int]) -> Scan:
    """Return the records of *text*, which ends with a banner.

    *identity* are the columns that one record may have one value of.
    """
    blocks: list[_Block] = []
    first_record = 0
    for start, end in _block_bounds(text):
        block = _scan_block(text.part(start, end), names, identity)
        blocks.append(_moved(block, start, first_record))
        first_record += block.starts.size
    found = _joined(blocks)
    _mark_strange_bytes(text, found)
    is_readable = shapes.are_readable(text, found.odd_starts, found.odd_ends)
    found.is_sound[found.odd_records[~is_readable]] = False
    return Scan(
        text, found.starts, found.banners, found.ends, found.is_sound, found.cells
    )


def _block_bounds(text: Text) -> Iterator[tuple[int, int]]:
    """Yield begin and end of blocks of whole records, the last one what is left."""
    raw = text.memory
    start = 0
    while text.length - start > BLOCK_BYTES:
        end = _end_of_record(raw, start + BLOCK_BYTES)
        yield start, end
        start = end
    if start < text.length:
        yield start, text.length


def _end_of_record(raw: memoryview, about: int) -> int:
    """Return the end of a record near *about*, or that of the text."""
    piece = bytes(raw[about : about + BLOCK_BYTES])
    banner = piece.find(b"\n***")
    if banner < 0:
        rest = bytes(raw[about:])
        banner = rest.find(b"\n***")
        piece = rest
    end = piece.find(b"\n", banner + 1) if banner >= 0 else -1
    return about + end + 1 if end >= 0 else len(raw)


def _scan_block(text: Text, names: Names, identity: Sequence[int]) -> _Block:
    lines = lines_of(text)
    numbers = names.numbers(text, lines)
    kinds = kinds_of(text, lines)
    banners = places_of(lines.is_banner)
    counts = np.diff(banners, prepend=-1)
    record_of = np.repeat(np.arange(banners.size), counts)
    is_sound = counts > 1
    is_bad = (numbers == UNKNOWN) | ~lines.is_attribute
    is_bad &= ~lines.is_banner
    is_sound[record_of[is_bad]] = False
    ends = lines.ends[banners] + 1
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1]
    cells = _cells_of(text, lines, names.columns[numbers], kinds, record_of)
    _mark_doubled(cells, identity, is_sound)
    odd = places_of(kinds == Kind.OTHER)
    return _Block(
        starts=starts,
        banners=lines.starts[banners],
        ends=ends,
        is_sound=is_sound,
        cells=cells,
        odd_records=record_of[odd],
        odd_starts=lines.values[odd],
        odd_ends=lines.value_ends[odd],
    )


def _cells_of(
    text: Text, lines: Lines, columns: Numbers, kinds: Kinds, record_of: Numbers
) -> Cells:
    wanted = places_of(columns != NOT_WANTED)
    kinds = kinds[wanted]
    starts, ends = lines.values[wanted], lines.value_ends[wanted]
    numbers = np.zeros(wanted.size, np.int64)
    whole = places_of((kinds == Kind.INTEGER) | (kinds == Kind.REAL))
    numbers[whole] = whole_numbers(text, starts[whole], ends[whole], kinds[whole])
    return Cells(columns[wanted], record_of[wanted], kinds, starts, ends, numbers)


def _mark_doubled(cells: Cells, identity: Sequence[int], is_sound: Flags) -> None:
    """Mark records that say twice which job they are of."""
    for column in identity:
        records = cells.records[cells.columns == column]
        is_sound[records[1:][records[1:] == records[:-1]]] = False


def _moved(block: _Block, place: int, record: int) -> _Block:
    cells = block.cells
    return _Block(
        starts=block.starts + place,
        banners=block.banners + place,
        ends=block.ends + place,
        is_sound=block.is_sound,
        cells=dataclasses.replace(
            cells,
            records=cells.records + record,
            starts=cells.starts + place,
            ends=cells.ends + place,
        ),
        odd_records=block.odd_records + record,
        odd_starts=block.odd_starts + place,
        odd_ends=block.odd_ends + place,
    )


def _joined(blocks: Sequence[_Block]) -> _Block:
    fields = [field.name for field in dataclasses.fields(_Block)]
    joined = _concatenated(blocks, [name for name in fields if name != "cells"])
    names = [field.name for field in dataclasses.fields(Cells)]
    cells = Cells(**_concatenated([block.cells for block in blocks], names))
    return _Block(cells=cells, **joined)


def _concatenated(parts: Sequence[object], names: Sequence[str]) -> dict[str, Any]:
    return {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }


def _mark_strange_bytes(text: Text, found: _Block) -> None:
    """Mark records with a NUL, which classad2 refuses, or with what is no UTF-8."""
    if text.bytes.min() == 0:
        places = places_of(text.bytes == 0)
        found.is_sound[_records_at(found, places)] = False
    if text.bytes.max() >= _FIRST_NOT_ASCII:
        places = places_of(text.bytes >= _FIRST_NOT_ASCII)
        for record in np.unique(_records_at(found, places)).tolist():
            start, end = int(found.starts[record]), int(found.ends[record])
            if not _is_utf_8(text.raw(start, end)):
                found.is_sound[record] = False


def _records_at(found: _Block, places: Places) -> Numbers:
    return np.searchsorted(found.ends, places, "right")


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
