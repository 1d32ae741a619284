"""Whether classad2 can read an expression, without asking it for each one.

Whether it can does not depend on which digits a number has, but for a zero in front.
So each run of digits is cut to one, and what is left is a shape; a pool writes few
shapes, and classad2 is asked once for each.
"""

import re
from typing import Any, cast

import numpy as np
import pyarrow as pa

from probe.expressions import LENGTH_LIMIT_CHARS
from probe.fast.arrays import Bytes, Flags, Places
from probe.fast.columns import Column, buffer_of, pieces_at
from probe.fast.text import Text
from probe.job_ad import is_readable

#: So many shapes are remembered, then all are forgotten; longer ones never are.
SHAPES_LIMIT = 8192
SHAPE_LIMIT_BYTES = 1024

#: Other characters may be blanks to one and none to another.
_ORDINARY = re.compile(rb"[\t -~]*")


class Shapes:
    """The shapes seen so far, and whether each can be read."""

    def __init__(self) -> None:
        self._known: dict[bytes, bool] = {}

    def are_readable(self, text: Text, starts: Places, ends: Places) -> Flags:
        """Whether each value is one that classad2 reads; false where that is unsure."""
        is_short = ends - starts <= LENGTH_LIMIT_CHARS
        values: Any = pieces_at(text, starts, ends).dictionary_encode()
        shapes: Any = _shapes(values.dictionary).dictionary_encode()
        verdicts = [self._is_readable(shape) for shape in shapes.dictionary.to_pylist()]
        is_readable = np.array(verdicts, np.bool_)[shapes.indices.to_numpy()]
        is_readable = is_readable[values.indices.to_numpy()] & is_short
        return cast("Flags", is_readable)

    def _is_readable(self, shape: bytes) -> bool:
        if shape in self._known:
            return self._known[shape]
        verdict = (
            len(shape) <= LENGTH_LIMIT_CHARS
            and _ORDINARY.fullmatch(shape) is not None
            and is_readable(f"a = {shape.decode('ascii')}")
        )
        if len(self._known) >= SHAPES_LIMIT:
            self._known.clear()
        if len(shape) <= SHAPE_LIMIT_BYTES:
            self._known[shape] = verdict
        return verdict


def _shapes(values: Column) -> Column:
    r"""Return *values* with every run of digits cut to one, or two after a zero.

    >>> _shapes(pa.array([b"1200 + 07 * a12", b"0.50"], pa.binary())).to_pylist()
    [b'1 + 01 * a1', b'0.1']
    """
    if not len(values):
        return values
    _, offsets_memory, data = _memories_of(values)
    offsets = np.frombuffer(offsets_memory, np.int32)[: len(values) + 1]
    raw = np.frombuffer(data, np.uint8)[: offsets[-1]]
    shape, is_kept = _cut(raw, offsets[:-1].astype(np.int64))
    before = np.zeros(raw.size + 1, np.int32)
    np.cumsum(is_kept, out=before[1:])
    shapes: Column = pa.Array.from_buffers(
        pa.binary(), len(values), [None, buffer_of(before[offsets]), buffer_of(shape)]
    )
    return shapes


def _memories_of(values: Column) -> list[Any]:
    return [buffer or b"" for buffer in values.buffers()]


def _cut(raw: Bytes, starts: Places) -> tuple[Bytes, Flags]:
    """Return the bytes that are kept, and which ones these were."""
    is_digit = (raw - np.uint8(ord("0"))) <= 9  # noqa: PLR2004 - the last digit
    follows = np.zeros_like(is_digit)
    follows[1:] = is_digit[:-1]
    follows[starts[starts < raw.size]] = False
    follows &= is_digit
    is_zero = raw == ord("0")
    leads = is_digit & ~follows & is_zero
    is_kept = ~follows
    is_kept[1:] |= leads[:-1] & follows[1:]
    shape = np.where(is_digit & ~leads, np.uint8(ord("1")), raw)
    return np.ascontiguousarray(shape[is_kept]), is_kept
