"""Arrow columns out of arrays, and out of pieces of a text."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from probe.fast.arrays import Flags, Numbers, Places
from probe.fast.text import Text

#: A column of any type.
Column: TypeAlias = "pa.Array[Any]"


def number_column(
    values: "npt.NDArray[Any]", known: Flags, kind: "pa.DataType"
) -> Column:
    """Return *values*, which are of Arrow's *kind*, null where not *known*.

    >>> number_column(np.array([1, 2]), np.array([True, False]), pa.int64()).to_pylist()
    [1, None]
    """
    validity = None if known.all() else buffer_of(np.packbits(known, bitorder="little"))
    array: Column = pa.Array.from_buffers(
        kind, values.size, [validity, buffer_of(np.ascontiguousarray(values))]
    )
    return array


def buffer_of(values: "npt.NDArray[Any]") -> pa.Buffer:
    """Return the memory of *values*, which are not to be changed any more."""
    memory: Any = values.view(np.uint8)
    return pa.py_buffer(memoryview(memory))


def chosen(column: Column, places: Numbers, known: Flags | None = None) -> Column:
    """Return the items of *column* at *places*, null where not *known*."""
    wanted: Any = (
        pa.Array.from_buffers(pa.int64(), places.size, [None, buffer_of(places)])
        if known is None
        else number_column(places, known, pa.int64())
    )
    taken: Column = column.take(wanted)
    return taken


def chosen_words(
    words: Sequence[str], codes: Numbers, known: Flags | None = None
) -> Column:
    """Return the word with each code's number, null where it is not *known*.

    >>> chosen_words(("a", "b"), np.array([1, 0]), np.array([True, False])).to_pylist()
    ['b', None]
    """
    return chosen(pa.array(words, pa.string()), codes, known)


def pieces_at(text: Text, starts: Places, ends: Places) -> Column:
    """Return the pieces from *starts* to *ends*, which are in the text's order.

    >>> from probe.fast.text import text_of
    >>> pieces_at(text_of(b"abcdef"), np.array([0, 4]), np.array([2, 6])).to_pylist()
    [b'ab', b'ef']
    """
    # Pieces and what lies between them, in turn: Arrow needs no copy for that.
    offsets = np.empty(2 * starts.size + 1, np.int32)
    offsets[0:-1:2] = starts
    offsets[1::2] = ends
    offsets[-1] = ends[-1] if ends.size else 0
    both: Column = pa.Array.from_buffers(
        pa.binary(), 2 * starts.size, [None, buffer_of(offsets), buffer_of(text.bytes)]
    )
    return chosen(both, np.arange(0, 2 * starts.size, 2))


def flags_of(column: Column) -> Flags:
    """Return a column of truth values as an array."""
    flags: Flags = column.to_numpy(zero_copy_only=False)
    return flags


def flag_column(flags: Flags) -> "pa.BooleanArray":
    """Return *flags* as a column."""
    bits = buffer_of(np.packbits(flags, bitorder="little"))
    array: Any = pa.Array.from_buffers(pa.bool_(), flags.size, [None, bits])
    return cast("pa.BooleanArray", array)
