"""Which attribute a line is of: its name, looked up in a table of the names seen.

A history holds a few hundred names, written millions of times.  A name's first and
last eight bytes and its length give its place in the table; every byte is then
compared, so that no name is ever taken for another, whatever an owner invents.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from probe.fast.arrays import Flags, Numbers, Places, Words, places_of
from probe.fast.text import LOW_BYTES, WORD_BYTES, Lines, Text
from probe.job_ad import is_readable

#: A longer name is none that HTCondor, a site or we give an attribute.
NAME_LIMIT_BYTES = 48
#: So many names are kept; a record with yet another one is left to the reference.
NAMES_LIMIT = 8192

#: Names that would change how a number or a word is read elsewhere in their ad.
_PECULIAR = frozenset([b"true", b"false", b"undefined", b"error", b"e"])
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

_TABLE_BITS = 18
_FIRST_SHIFT, _SECOND_SHIFT = np.uint64(64 - _TABLE_BITS), np.uint64(20)
_TABLE_MASK = np.uint64((1 << _TABLE_BITS) - 1)
_FACTORS = [
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
]
#: Places of a long name's words that its first and last word leave out.
_MIDDLE_WORDS = range(WORD_BYTES, NAME_LIMIT_BYTES - WORD_BYTES, WORD_BYTES)

UNKNOWN = 0
NOT_WANTED = -1


@dataclasses.dataclass(frozen=True, slots=True)
class _Keys:
    """The names of some lines, as numbers."""

    starts: Places
    lengths: Places
    first_words: Words
    last_words: Words
    hashes: Words

    def at(self, lines: Places) -> "_Keys":
        """Return the keys of some of the lines."""
        return _Keys(
            self.starts[lines],
            self.lengths[lines],
            self.first_words[lines],
            self.last_words[lines],
            self.hashes[lines],
        )


class Names:
    """The names seen so far, and which of them is which wanted attribute.

    ``columns`` maps a name's number to the number of the wanted attribute, or to
    ``NOT_WANTED``; the case of a name does not matter for it.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        """Know which attributes are *wanted*; their order gives their numbers."""
        self._column_of = {
            name.lower().encode(): number for number, name in enumerate(wanted)
        }
        self._names: list[bytes] = [b""]
        self._unsound: set[bytes] = set()
        self._tables = [np.zeros(1 << _TABLE_BITS, np.int16) for _ in range(2)]
        self._lengths: Numbers = np.full(NAMES_LIMIT, -1, np.int64)
        self._first_words: Words = np.zeros(NAMES_LIMIT, np.uint64)
        self._last_words: Words = np.zeros(NAMES_LIMIT, np.uint64)
        self._middle_words: list[Words] = [
            np.zeros(NAMES_LIMIT, np.uint64) for _ in _MIDDLE_WORDS
        ]
        self.columns: Numbers = np.full(NAMES_LIMIT, NOT_WANTED, np.int64)

    def numbers(self, text: Text, lines: Lines) -> Numbers:
        """Return the number of each line's name, ``UNKNOWN`` if it is not sound."""
        keys = _keys_of(text, lines)
        found = self._look_up(text, keys)
        while (new := places_of((found == UNKNOWN) & lines.is_attribute)).size:
            if not self._learn(text, keys.at(new)):
                break
            found[new] = self._look_up(text, keys.at(new))
        return found

    def _look_up(self, text: Text, keys: _Keys) -> Numbers:
        slots = (keys.hashes >> _FIRST_SHIFT).astype(np.int64)
        found = self._tables[0][slots].astype(np.int64)
        is_right = self._is_right(text, keys, found)
        wrong = places_of(~is_right)
        if wrong.size:
            others = keys.at(wrong)
            found[wrong] = self._look_up_second(text, others)
        return found

    def _look_up_second(self, text: Text, keys: _Keys) -> Numbers:
        slots = ((keys.hashes >> _SECOND_SHIFT) & _TABLE_MASK).astype(np.int64)
        found = self._tables[1][slots].astype(np.int64)
        found[~self._is_right(text, keys, found)] = UNKNOWN
        return found

    def _is_right(self, text: Text, keys: _Keys, found: Numbers) -> Flags:
        """Compare whole names; the number ``UNKNOWN`` is right for none."""
        is_right: Flags = self._first_words[found] == keys.first_words
        is_right &= self._last_words[found] == keys.last_words
        is_right &= self._lengths[found] == keys.lengths
        for place, words in zip(_MIDDLE_WORDS, self._middle_words, strict=True):
            long = places_of(keys.lengths > place + WORD_BYTES)
            if not long.size:
                break
            here = text.words[keys.starts[long] + place]
            is_right[long] &= words[found[long]] == here
        return is_right

    def _learn(self, text: Text, keys: _Keys) -> bool:
        """Take the sound names among *keys* into the tables; false if none is new."""
        known = len(self._names)
        _, firsts = np.unique(keys.hashes, return_index=True)
        for line in firsts.tolist():
            start = int(keys.starts[line])
            name = text.raw(start, start + int(keys.lengths[line]))
            if name[: NAME_LIMIT_BYTES + 1] not in self._unsound:
                self._add(text, name, keys, line)
        return len(self._names) > known

    def _add(self, text: Text, name: bytes, keys: _Keys, line: int) -> None:
        """Take *name* in, if it is sound and there is room for it."""
        slots = (
            int(keys.hashes[line] >> _FIRST_SHIFT),
            int((keys.hashes[line] >> _SECOND_SHIFT) & _TABLE_MASK),
        )
        free = [
            (table, slot)
            for table, slot in zip(self._tables, slots, strict=True)
            if table[slot] == UNKNOWN
        ]
        if not free or len(self._names) >= NAMES_LIMIT or not _is_sound(name):
            self._note_unsound(name)
            return
        number = len(self._names)
        table, slot = free[0]
        table[slot] = number
        self._names.append(name)
        self._lengths[number] = len(name)
        self._first_words[number] = keys.first_words[line]
        self._last_words[number] = keys.last_words[line]
        for place, words in zip(_MIDDLE_WORDS, self._middle_words, strict=True):
            words[number] = text.words[int(keys.starts[line]) + place]
        self.columns[number] = self._column_of.get(name.lower(), NOT_WANTED)

    def _note_unsound(self, name: bytes) -> None:
        """Remember that *name* is not taken in, as long as these are not too many."""
        if len(self._unsound) >= NAMES_LIMIT:
            self._unsound.clear()
        self._unsound.add(name[: NAME_LIMIT_BYTES + 1])


def _keys_of(text: Text, lines: Lines) -> _Keys:
    lengths = lines.equals - 1 - lines.starts
    first_words = lines.first_words.copy()
    last_words = text.words[lines.equals - (WORD_BYTES + 1)]
    short = places_of(lengths < WORD_BYTES)
    first_words[short] &= LOW_BYTES[np.maximum(lengths[short], 0)]
    last_words[short] = 0
    hashes = first_words * _FACTORS[0]
    hashes ^= last_words * _FACTORS[1]
    hashes ^= hashes >> np.uint64(32)
    hashes *= _FACTORS[2]
    hashes += lengths.astype(np.uint64) * _FACTORS[1]
    hashes ^= hashes >> np.uint64(29)
    return _Keys(lines.starts, lengths, first_words, last_words, hashes)


def _is_sound(name: bytes) -> bool:
    """Whether *name* is a name, and nothing in its ad is read otherwise for it."""
    return (
        len(name) <= NAME_LIMIT_BYTES
        and _NAME.fullmatch(name) is not None
        and name.lower() not in _PECULIAR
        and is_readable(f"{name.decode('ascii')} = 1")
    )
