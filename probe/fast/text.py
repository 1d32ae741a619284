"""A chunk of a history file as arrays: its bytes, and the lines in it.

Everything is done for all lines at once.  Eight neighbouring bytes are one number, a
word, and a word can be taken at every place.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from probe.fast.arrays import Bytes, Flags, HalfWords, Places, Words, places_of

#: Room behind a text, so that words can be taken at every place of it.
PAD_BYTES = 64
WORD_BYTES = 8
NEWLINE, RETURN, EQUALS, QUOTE, BACKSLASH = b'\n\r="\\'

#: The first bytes of a banner, and what stands between a name and its value.
_STARS = int.from_bytes(b"***", "little")
_BETWEEN = int.from_bytes(b" = ", "little")
_THREE_BYTES = 0xFFFFFF

#: ``LOW_BYTES[n]`` leaves the first n bytes of a word.
LOW_BYTES: Words = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


class Text:
    """Bytes, and the words and half-words at every place of them."""

    def __init__(self, padded: Bytes, length: int) -> None:
        """Take the first *length* bytes of *padded*; ``PAD_BYTES`` more follow."""
        self.padded = padded
        self.length = length
        self.bytes: Bytes = padded[:length]
        # numpy takes items from an array whose items overlap as from any other.
        self.words: Words = as_strided(
            padded[:8].view("<u8"), (length + PAD_BYTES - 7,), (1,), writeable=False
        )
        self.half_words: HalfWords = as_strided(
            padded[:4].view("<u4"), (length + PAD_BYTES - 3,), (1,), writeable=False
        )

    @property
    def memory(self) -> memoryview:
        """Return the bytes as Python's own view of them."""
        view: Any = self.bytes
        return memoryview(view)

    def part(self, start: int, end: int) -> "Text":
        """Return the text from *start* to *end* without copying it."""
        return Text(self.padded[start : end + PAD_BYTES], end - start)

    def raw(self, start: int, end: int) -> bytes:
        """Return a copy of the bytes from *start* to *end*."""
        return self.bytes[start:end].tobytes()


def text_of(raw: bytes) -> Text:
    """Return *raw* as a text of its own.

    >>> text_of(b"Owner = x").part(8, 9).raw(0, 1)
    b'x'
    """
    padded = np.zeros(len(raw) + PAD_BYTES, np.uint8)
    padded[: len(raw)] = np.frombuffer(raw, np.uint8)
    return Text(padded, len(raw))


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """All lines of a text, each an item: where it and its value begin and end.

    ``value_ends`` leaves out a carriage return.  ``is_attribute`` is false for what
    does not have the form ``Name = value`` with one blank on either side, and for
    banners; of such a line only its begin and end mean anything.  ``tokens`` counts
    the equals signs and quotes in the line.
    """

    starts: Places
    equals: Places
    values: Places
    value_ends: Places
    ends: Places
    first_words: Words
    first_bytes: HalfWords
    last_bytes: Bytes
    is_attribute: Flags
    is_banner: Flags
    tokens: Places
    token_places: Places
    token_kinds: Bytes
    first_tokens: Places


def lines_of(text: Text) -> Lines:
    """Return the lines of *text*, which ends with a newline."""
    places = _token_places(text.bytes)
    kinds = text.bytes[places]
    newlines = places_of(kinds == NEWLINE)
    first_tokens = _shifted(newlines)
    ends = places[newlines]
    starts = _shifted(ends)
    equals = places[first_tokens]
    first_words = text.words[starts]
    is_banner = (first_words & np.uint64(_THREE_BYTES)) == np.uint64(_STARS)
    between = text.half_words[equals - 1]
    is_attribute = (between & np.uint32(_THREE_BYTES)) == np.uint32(_BETWEEN)
    is_attribute &= equals < ends
    is_attribute &= ~is_banner
    value_ends, last_bytes = _trimmed(text, ends)
    values = equals + 2
    is_attribute &= values < value_ends
    return Lines(
        starts=starts,
        equals=equals,
        values=values,
        value_ends=value_ends,
        ends=ends,
        first_words=first_words,
        first_bytes=between >> np.uint32(24),
        last_bytes=last_bytes,
        is_attribute=is_attribute,
        is_banner=is_banner,
        tokens=newlines - first_tokens,
        token_places=places,
        token_kinds=kinds,
        first_tokens=first_tokens,
    )


def _token_places(raw: Bytes) -> Places:
    """Return where newlines, equals signs and quotes stand."""
    is_token = raw == NEWLINE
    is_other = raw == EQUALS
    is_token |= is_other
    np.equal(raw, QUOTE, out=is_other)
    is_token |= is_other
    return places_of(is_token)


def _shifted(last: Places) -> Places:
    """Return where each item begins, given where each one's last place is."""
    first = np.empty_like(last)
    first[:1] = 0
    np.add(last[:-1], 1, out=first[1:])
    return first


def _trimmed(text: Text, ends: Places) -> tuple[Places, Bytes]:
    """Return the ends without a carriage return, and the byte before each."""
    last_bytes = text.bytes[ends - 1]
    has_return = last_bytes == RETURN
    if has_return.any():
        ends = ends - has_return
        last_bytes = text.bytes[ends - 1]
    return ends, last_bytes
