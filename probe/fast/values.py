r"""What kind of value stands on each line, and the whole numbers among them.

Only what is certain is named: a plain string, a decimal number without needless
zeros, ``true`` or ``false``.  Everything else is ``OTHER`` and looked at one by one.
"""

import enum

import numpy as np
import numpy.typing as npt

from probe.fast.arrays import Bytes, Flags, Numbers, Places, Words, places_of
from probe.fast.text import BACKSLASH, LOW_BYTES, QUOTE, WORD_BYTES, Lines, Text


class Kind(enum.IntEnum):
    """The kinds of values; ``VOID`` is undefined or error, ``OTHER`` an expression.

    ``REAL`` is a whole number written with ``.0``, ``FRACTION`` any other real.
    """

    ABSENT = 0
    TEXT = 1
    ESCAPED = 2
    INTEGER = 3
    REAL = 4
    FRACTION = 5
    TRUE = 6
    FALSE = 7
    VOID = 8
    OTHER = 9


Kinds = npt.NDArray[np.uint8]

#: Every whole number of so many digits is an exact double, too.
_EXACT_DIGITS = 15
_INTEGER_LIMIT_CHARS = 2 * WORD_BYTES
_REAL_LIMIT_CHARS = 3 * WORD_BYTES

_EVERY_BYTE = 0x0101010101010101
_ZEROS = np.uint64(ord("0") * _EVERY_BYTE)
_HIGH_BITS = np.uint64(0x80 * _EVERY_BYTE)
_LOW_BITS = np.uint64(0x7F * _EVERY_BYTE)
#: Added to a byte, it sets the high bit of what is more than 9.
_BEYOND_NINE = np.uint64((0x80 - 10) * _EVERY_BYTE)
_POINTS = np.uint64(ord(".") * _EVERY_BYTE)
_FIRST_BYTE = np.uint64(0x80)
_TRUE = np.uint64(int.from_bytes(b"true", "little"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))
_MINUS, _POINT, _ZERO, _NINE = b"-.09"
_BYTE = np.uint64(0xFF)


def kinds_of(text: Text, lines: Lines) -> Kinds:
    """Return the kind of each line's value; what is no attribute is ``ABSENT``."""
    kinds = np.zeros(lines.starts.size, np.uint8)
    is_quoted = (lines.first_bytes == QUOTE) & (lines.last_bytes == QUOTE)
    is_quoted &= lines.value_ends - lines.values > 1
    is_quoted &= lines.is_attribute
    is_plain = is_quoted & (lines.tokens == 3)  # noqa: PLR2004 - "=" and two quotes
    kinds[is_plain] = Kind.TEXT
    others = places_of(is_quoted & ~is_plain)
    if others.size:
        kinds[others] = _kinds_of_quoted(text, lines, others)
    bare = places_of(lines.is_attribute & ~is_quoted)
    kinds[bare] = _kinds_of_bare(text, lines, bare)
    return kinds


def _kinds_of_quoted(text: Text, lines: Lines, chosen: Places) -> Kinds:
    r"""Return the kinds of values that begin and end with a quote.

    Old ClassAds know one escape, ``\"``; at the very end of a line it is none.
    """
    counts = lines.tokens[chosen]
    segments = np.cumsum(counts) - counts
    tokens = np.arange(counts.sum())
    tokens += np.repeat(lines.first_tokens[chosen] - segments, counts)
    places = lines.token_places[tokens]
    is_inner = lines.token_kinds[tokens] == QUOTE
    is_inner &= places > np.repeat(lines.values[chosen], counts)
    is_inner &= places < np.repeat(lines.value_ends[chosen] - 1, counts)
    is_bare = is_inner & (text.bytes[places - 1] != BACKSLASH)
    kinds = np.full(chosen.size, Kind.TEXT, np.uint8)
    kinds[np.logical_or.reduceat(is_inner, segments)] = Kind.ESCAPED
    kinds[np.logical_or.reduceat(is_bare, segments)] = Kind.OTHER
    return kinds


def _kinds_of_bare(text: Text, lines: Lines, chosen: Places) -> Kinds:
    """Return the kinds of values that are no string."""
    starts = lines.values[chosen]
    is_negative = lines.first_bytes[chosen] == _MINUS
    starts += is_negative
    lengths = lines.value_ends[chosen] - starts
    first = text.words[starts] & LOW_BYTES[np.clip(lengths, 0, WORD_BYTES)]
    kinds = _kinds_of_numbers(text, starts, lengths, first)
    kinds[~_is_digit(lines.last_bytes[chosen])] = Kind.OTHER
    kinds[(first == _TRUE) & ~is_negative] = Kind.TRUE
    kinds[(first == _FALSE) & ~is_negative] = Kind.FALSE
    return kinds


def _kinds_of_numbers(
    text: Text, starts: Places, lengths: Places, first: Words
) -> Kinds:
    """Return the kinds of what may be numbers, if their last byte is a digit."""
    others = _others_in(first, np.minimum(lengths, WORD_BYTES))
    is_whole = others == 0
    has_point = _is_one_point(first, others)
    is_real = has_point & (others != _FIRST_BYTE)
    for word in (1, 2):
        long = places_of(lengths > word * WORD_BYTES)
        if not long.size:
            break
        more = text.words[starts[long] + word * WORD_BYTES]
        others = _others_in(more, np.minimum(lengths[long] - word * WORD_BYTES, 8))
        is_real[long] = np.where(
            others == 0, is_real[long], is_whole[long] & _is_one_point(more, others)
        )
        is_whole[long] &= others == 0
    kinds = np.full(starts.size, Kind.OTHER, np.uint8)
    kinds[is_whole & (lengths <= _INTEGER_LIMIT_CHARS)] = Kind.INTEGER
    kinds[is_real & (lengths <= _REAL_LIMIT_CHARS)] = Kind.FRACTION
    is_round = is_real & (lengths <= _EXACT_DIGITS + 2)
    is_round[is_round] = _ends_in_point_zero(text, (starts + lengths)[is_round])
    kinds[is_round] = Kind.REAL
    kinds[_begins_with_needless_zero(first, lengths)] = Kind.OTHER
    return kinds


def _others_in(words: Words, lengths: Places) -> Words:
    """Return the high bit of every byte that is no digit, of the first *lengths*."""
    digits = words ^ _ZEROS
    others = digits & _LOW_BITS
    others += _BEYOND_NINE
    others |= digits
    others &= _HIGH_BITS
    others &= LOW_BYTES[lengths]
    return others


def _is_one_point(words: Words, others: Words) -> Flags:
    """Whether the only byte marked in *others* is a point."""
    is_single: Flags = (others & (others - np.uint64(1))) == 0
    is_single &= others != 0
    marked = (others >> np.uint64(7)) * _BYTE
    is_single &= ((words ^ _POINTS) & marked) == 0
    return is_single


def _is_digit(raw: Bytes) -> Flags:
    is_digit: Flags = (raw >= _ZERO) & (raw <= _NINE)
    return is_digit


def _ends_in_point_zero(text: Text, ends: Places) -> Flags:
    is_so: Flags = text.bytes[ends - 1] == _ZERO
    is_so &= text.bytes[ends - 2] == _POINT
    return is_so


def _begins_with_needless_zero(first: Words, lengths: Places) -> Flags:
    """``010`` is octal and refused, ``0`` and ``0.5`` are what they seem."""
    is_zero: Flags = (first & _BYTE) == _ZERO
    is_zero &= lengths > 1
    is_zero &= ((first >> np.uint64(8)) & _BYTE) != _POINT
    return is_zero


def whole_numbers(text: Text, starts: Places, ends: Places, kinds: Kinds) -> Numbers:
    """Return the numbers of the kinds ``INTEGER`` and ``REAL``; of others, nothing.

    >>> from probe.fast.text import text_of
    >>> whole_numbers(text_of(b"-12 1795338484"), np.array([0, 4]), np.array([3, 14]),
    ...     np.array([3, 3])).tolist()
    [-12, 1795338484]
    """
    is_negative = text.bytes[starts] == _MINUS
    starts = starts + is_negative
    lengths = ends - starts
    lengths -= 2 * (kinds == Kind.REAL)
    np.clip(lengths, 0, _INTEGER_LIMIT_CHARS, out=lengths)
    numbers = _parsed(text.words[starts], np.minimum(lengths, WORD_BYTES))
    long = places_of(lengths > WORD_BYTES)
    if long.size:
        rest = lengths[long] - WORD_BYTES
        more = _parsed(text.words[starts[long] + WORD_BYTES], rest)
        numbers[long] = numbers[long] * _TENS[rest] + more
    np.negative(numbers, out=numbers, where=is_negative)
    return numbers


_TENS: Numbers = 10 ** np.arange(WORD_BYTES + 1, dtype=np.int64)
#: Shifting by the whole width of a word is not defined; a word without digits is 0.
_SHIFTS: Words = np.array([0, *(64 - 8 * n for n in range(1, 9))], np.uint64)


def _parsed(words: Words, lengths: Places) -> Numbers:
    """Return the number that the first *lengths* bytes, all digits, stand for.

    Neighbouring digits are joined to pairs, pairs to fours, and fours to eight.
    """
    digits = (words & LOW_BYTES[lengths] & np.uint64(0x0F0F0F0F0F0F0F0F)) << _SHIFTS[
        lengths
    ]
    digits = (digits * np.uint64(2561)) >> np.uint64(8)
    digits = ((digits & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> (
        np.uint64(16)
    )
    digits = (
        (digits & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)
    ) >> np.uint64(32)
    return digits.astype(np.int64)
