"""Whether classad2 can read an expression, without asking it for each one.

Whether it can does not depend on which digits a number has, but for a zero in front.
So each run of digits is cut to one, and what is left is a shape; a pool writes few
shapes, and classad2 is asked once for each.
"""

import re

import numpy as np
import pyarrow as pa

from probe.expressions import LENGTH_LIMIT_CHARS
from probe.fast.arrays import Bytes, Flags, Places
from probe.fast.columns import texts_at
from probe.fast.text import Text
from probe.job_ad import is_readable

#: So many shapes are remembered, then all are forgotten.
SHAPES_LIMIT = 16_384

#: Other characters may be blanks to one and none to another.
_ORDINARY = re.compile(rb"[\t -~]*")


class Shapes:
    """The shapes seen so far, and whether each can be read."""

    def __init__(self) -> None:
        self._known: dict[bytes, bool] = {}

    def are_readable(self, text: Text, starts: Places, ends: Places) -> Flags:
        """Whether each value is one that classad2 reads; false where that is unsure."""
        is_short = ends - starts <= LENGTH_LIMIT_CHARS
        shapes = _shapes(texts_at(text, starts, ends)).dictionary_encode()
        values = shapes.dictionary.to_pylist()
        verdicts = np.array([self._is_readable(value) for value in values], bool)
        if not values:
            return is_short
        return is_short & verdicts[shapes.indices.to_numpy(zero_copy_only=False)]

    def _is_readable(self, shape: bytes) -> bool:
        if shape not in self._known:
            if len(self._known) >= SHAPES_LIMIT:
                self._known.clear()
            self._known[shape] = (
                len(shape) <= LENGTH_LIMIT_CHARS
                and _ORDINARY.fullmatch(shape) is not None
                and is_readable(f"a = {shape.decode('ascii')}")
            )
        return self._known[shape]


def _shapes(values: pa.BinaryArray) -> pa.BinaryArray:
    r"""Return *values* with every run of digits cut to one, or two after a zero.

    >>> _shapes(pa.array([b"1200 + 07 * a12", b"0.50"], pa.binary())).to_pylist()
    [b'1 + 01 * a1', b'0.1']
    """
    _, offsets_buffer, data = values.buffers()
    if data is None or not len(values):
        return values
    offsets = np.frombuffer(offsets_buffer, np.int32)[: len(values) + 1]
    raw = np.frombuffer(data, np.uint8)[: offsets[-1]]
    shape, is_kept = _cut(raw, offsets[:-1])
    before = np.zeros(raw.size + 1, np.int32)
    np.cumsum(is_kept, out=before[1:])
    new_offsets = before[offsets]
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(new_offsets), pa.py_buffer(shape)]
    )


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
