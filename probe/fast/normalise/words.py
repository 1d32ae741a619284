"""Columns of a few fixed words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from probe.fast.arrays import Flags


def chosen_words(
    words: Sequence[str], codes: "npt.NDArray[np.integer]", known: Flags | None = None
) -> pa.StringArray:
    """Return the word with each code's number, null where it is not *known*.

    >>> chosen_words(("a", "b"), np.array([1, 0]), np.array([True, False])).to_pylist()
    ['b', None]
    """
    mask = None if known is None else ~known
    return pa.array(words, pa.string()).take(pa.array(codes, mask=mask))
