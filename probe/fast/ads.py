"""The ads of many records as columns: the counterpart of ``probe.job_ad.JobAd``.

A look-up gives whole columns.  Where the reference would warn of a value, or where a
value is not certain, the record is marked in ``is_plain`` as not plain: it is then
the reference that says what becomes of it, and nothing here counts for it.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from probe.expressions import LENGTH_LIMIT_CHARS
from probe.fast.arrays import Flags, Numbers, Places, Reals, places_of
from probe.fast.columns import (
    Column,
    chosen,
    flag_column,
    number_column,
    pieces_at,
)
from probe.fast.scan import Scan
from probe.fast.values import Kind, Kinds
from probe.job_ad import INT64_MAX, is_plain_number

#: What has no value here, and what is never a number.
_NO_VALUE = np.isin(np.arange(10), (Kind.ABSENT, Kind.VOID))
_NO_NUMBER = ~np.isin(
    np.arange(10),
    (Kind.ABSENT, Kind.VOID, Kind.INTEGER, Kind.REAL, Kind.FRACTION),
)
_NO_TEXT = ~np.isin(np.arange(10), (Kind.ABSENT, Kind.VOID, Kind.TEXT, Kind.ESCAPED))
_BEGIN_OF_NUMBERS = np.frombuffer(b"+-.0123456789", np.uint8)
#: Up to here every whole number is an exact double.
_EXACT_DOUBLE = 2**53


WholeType: TypeAlias = type[np.int8] | type[np.int32] | type[np.int64]


class Integers:
    """A column of whole numbers, some of them unknown; what is unknown is 0 inside."""

    __slots__ = ("known", "values")

    def __init__(self, values: Numbers, known: Flags) -> None:
        self.values = values
        self.known = known

    def column(self, width: WholeType = np.int64) -> Column:
        """Return the numbers as a column, null where they are unknown."""
        values = self.values.astype(width)
        return number_column(values, self.known, pa.from_numpy_dtype(values.dtype))

    def where(self, chosen: Flags, other: "Integers") -> "Integers":
        """Return this column where *chosen*, *other* elsewhere."""
        return Integers(
            np.where(chosen, self.values, other.values),
            np.where(chosen, self.known, other.known),
        )

    def or_else(self, other: "Integers") -> "Integers":
        """Return this column, *other* where this one is unknown."""
        return self.where(self.known, other)

    def only(self, chosen: Flags) -> "Integers":
        """Return this column, unknown where it is not *chosen*."""
        known = self.known & chosen
        return Integers(self.values * known, known)

    def is_true(self) -> Flags:
        """Whether each is known and not 0."""
        is_true: Flags = self.values != 0
        return is_true


class Ads:
    """The wanted attributes of some records."""

    def __init__(self, scan: Scan, wanted: Sequence[str]) -> None:
        self.text = scan.text
        self.count = scan.starts.size
        self._ad_starts, self._ad_ends = scan.starts, scan.banners
        self.is_plain: Flags = scan.is_sound.copy()
        self._column_of = {name.lower(): n for n, name in enumerate(wanted)}
        shape = (len(wanted), self.count)
        cells = scan.cells
        at = cells.columns * self.count + cells.records
        self._kinds = _filled(shape, np.dtype(np.uint8), at, cells.kinds)
        self._numbers = _filled(shape, np.dtype(np.int64), at, cells.numbers)
        self._starts = _filled(shape, np.dtype(np.int64), at, cells.starts)
        self._ends = _filled(shape, np.dtype(np.int64), at, cells.ends)
        self._written_kinds = self._kinds
        self._read_fractions()

    def _read_fractions(self) -> None:
        """Keep reals as the bits of doubles where the whole numbers stand."""
        places = places_of(self._kinds.ravel() == Kind.FRACTION)
        if not places.size:
            return
        starts, ends = self._starts.ravel()[places], self._ends.ravel()[places]
        reals = [
            float(self.text.raw(start, end))
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        self._numbers.ravel()[places] = np.array(reals, np.float64).view(np.int64)

    def kinds(self, name: str) -> Kinds:
        """Return the kind of each value of *name*; expressions count as their value."""
        kinds: Kinds = self._kinds[self._column_of[name.lower()]]
        return kinds

    def written_kinds(self, name: str) -> Kinds:
        """Return the kind of each value of *name* as it is written."""
        kinds: Kinds = self._written_kinds[self._column_of[name.lower()]]
        return kinds

    def has(self, name: str) -> Flags:
        """Whether each ad has an attribute called *name*, of whatever value."""
        has: Flags = self.written_kinds(name) != Kind.ABSENT
        return has

    def leave(self, records: Flags) -> None:
        """Leave *records* to the reference."""
        self.is_plain &= ~records

    def leave_one(self, record: int) -> None:
        """Leave *record* to the reference."""
        self.is_plain[record] = False

    def knows(self, name: str) -> bool:
        """Whether *name* is one of the wanted attributes."""
        return name.lower() in self._column_of

    def numbers(self, name: str) -> Numbers:
        """Return the whole numbers of *name*, in the rows where its kind is one."""
        numbers: Numbers = self._numbers[self._column_of[name.lower()]]
        return numbers

    def places(self, name: str) -> tuple[Places, Places]:
        """Return where each value of *name* begins and ends."""
        column = self._column_of[name.lower()]
        return self._starts[column], self._ends[column]

    def set_column(
        self, name: str, chosen: Flags, kinds: Kinds, numbers: Numbers
    ) -> None:
        """Take *kinds* and *numbers* for the expressions *name* of *chosen* records."""
        column = self._column_of[name.lower()]
        self._own_kinds()[column] = np.where(chosen, kinds, self._kinds[column])
        self._numbers[column] = np.where(chosen, numbers, self._numbers[column])

    def _own_kinds(self) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
        """Return the kinds, apart from those that tell how values are written."""
        if self._kinds is self._written_kinds:
            self._kinds = self._written_kinds.copy()
        return self._kinds

    def set_value(self, name: str, record: int, value: object) -> bool:
        """Take *value* for the expression *name* of *record*; false if it cannot be."""
        kind = _kind_of(value)
        if kind is None:
            return False
        column = self._column_of[name.lower()]
        self._own_kinds()[column, record] = kind
        if kind == Kind.FRACTION:
            self._numbers[column, record] = np.float64(value).view(np.int64)  # type: ignore[arg-type]
        elif kind == Kind.INTEGER:
            self._numbers[column, record] = value
        return True

    def integers(
        self, name: str, *, low: int = 0, high: int = INT64_MAX, scale: int = 1
    ) -> Integers:
        """Return *name* times *scale*, half-even; see ``JobAd.integer``."""
        kinds = self.kinds(name)
        if not kinds.any():
            return unknown(self.count)
        numbers = self._numbers[self._column_of[name.lower()]]
        known = ~_NO_VALUE[kinds]
        self.leave(_NO_NUMBER[kinds])
        is_real = (kinds == Kind.REAL) | (kinds == Kind.FRACTION)
        limit = min(high, INT64_MAX) // scale
        if is_real.any():
            limit_real = min(limit, _EXACT_DOUBLE // scale)
            numbers = self._rounded(numbers, kinds, scale, limit_real)
            is_whole = ~is_real
        else:
            is_whole = known
        self.leave(is_whole & known & ((numbers > limit) | (numbers < -limit)))
        values = np.where(is_whole, numbers * scale, numbers)
        values = np.where(known & self.is_plain, values, 0)
        outside = known & ((values < low) | (values > high))
        self.leave(outside)
        return Integers(np.where(outside, 0, values), known & ~outside)

    def _rounded(
        self, numbers: Numbers, kinds: Kinds, scale: int, limit: int
    ) -> Numbers:
        """Return *numbers* with reals scaled and rounded, others as they are."""
        is_round, is_fraction = kinds == Kind.REAL, kinds == Kind.FRACTION
        reals = np.where(is_fraction, numbers.view(np.float64), numbers)
        with np.errstate(invalid="ignore"):
            too_large = (is_round | is_fraction) & ~(np.abs(reals) <= limit)
        self.leave(too_large)
        reals[too_large | ~(is_round | is_fraction)] = 0
        rounded = np.rint(reals * scale).astype(np.int64)
        return np.where(is_round | is_fraction, rounded, numbers)

    def counts(self, name: str) -> Integers:
        """Return *name* where it is a whole number of at least 0; no real is one."""
        kinds = self.kinds(name)
        self.leave((kinds == Kind.REAL) | (kinds == Kind.FRACTION))
        return self.integers(name)

    def reals(self, name: str) -> tuple[Reals, Flags]:
        """Return *name* as doubles of at least 0, and where it is known."""
        kinds = self.kinds(name)
        numbers = self._numbers[self._column_of[name.lower()]]
        self.leave(_NO_NUMBER[kinds])
        reals = np.where(kinds == Kind.FRACTION, numbers.view(np.float64), numbers)
        known = ~_NO_VALUE[kinds] & self.is_plain
        outside = known & ~((reals >= 0) & (reals <= _EXACT_DOUBLE))
        self.leave(outside)
        known &= ~outside
        return np.where(known, reals, 0.0), known

    def texts(self, name: str) -> Column:
        """Return the strings *name*, null where there is none or an empty one."""
        kinds = self.kinds(name)
        self.leave(_NO_TEXT[kinds])
        is_text = ~(_NO_TEXT | _NO_VALUE)[kinds]
        column = self._column_of[name.lower()]
        starts, ends = self._starts[column] + 1, self._ends[column] - 1
        self.leave(is_text & (ends - starts > LENGTH_LIMIT_CHARS))
        is_text &= (ends > starts) & self.is_plain
        return self._texts(starts, ends, kinds, places_of(is_text))

    def _texts(
        self, starts: Places, ends: Places, kinds: Kinds, places: Places
    ) -> Column:
        if not places.size:
            return pa.nulls(self.count, pa.string())
        found = pieces_at(self.text, starts[places], ends[places]).cast(pa.string())
        is_escaped = kinds[places] == Kind.ESCAPED
        if is_escaped.any():
            found = _unescaped(found, is_escaped)
        if places.size == self.count:
            return found
        at = np.zeros(self.count, np.int64)
        is_chosen = np.zeros(self.count, bool)
        at[places] = np.arange(places.size)
        is_chosen[places] = True
        return chosen(found, at, is_chosen)

    def has_text(self, name: str) -> Flags:
        """Whether each ad has a string *name* that is not empty."""
        kinds = self.kinds(name)
        self.leave(_NO_TEXT[kinds])
        column = self._column_of[name.lower()]
        is_long = self._ends[column] - self._starts[column] > len('""')
        has_text: Flags = ~(_NO_TEXT | _NO_VALUE)[kinds] & is_long
        return has_text

    def raw(self, name: str, record: int) -> str | None:
        """Return the text of *name* in the ad of *record* as it is written.

        What is not UTF-8 is replaced: its record is not plain, and nobody uses it.
        """
        column = self._column_of[name.lower()]
        if self._written_kinds[column, record] == Kind.ABSENT:
            return None
        start, end = int(self._starts[column, record]), int(self._ends[column, record])
        return self.text.raw(start, end).decode("utf-8", "replace").strip()

    def may_be_odd_number(self, name: str) -> Flags:
        """Whether each value of *name* begins like a number and is no usual one."""
        starts, _ = self.places(name)
        first = self.text.bytes[starts]
        is_open = self.written_kinds(name) == Kind.OTHER
        may_be: Flags = is_open & np.isin(first, _BEGIN_OF_NUMBERS)
        return may_be

    def is_literal(self, name: str, record: int) -> bool:
        """Whether *name* is a plain number; see ``JobAd.is_literal``."""
        return is_plain_number(self.raw(name, record) or "")

    def all_raw(self, record: int) -> dict[str, str]:
        """Return every attribute of *record*, its name in lower case, as written."""
        start, end = int(self._ad_starts[record]), int(self._ad_ends[record])
        lines = self.text.raw(start, end).decode("utf-8").split("\n")[:-1]
        pairs = (line.split("=", 1) for line in lines)
        return {name.strip().lower(): raw.strip() for name, raw in pairs}


def unknown(count: int) -> Integers:
    """Return a column of *count* unknown numbers."""
    return Integers(np.zeros(count, np.int64), np.zeros(count, bool))


def _filled(
    shape: tuple[int, int],
    kind: "np.dtype[Any]",
    at: Places,
    values: "npt.NDArray[Any]",
) -> "npt.NDArray[Any]":
    """Return an array of zeros with *values* at *at*; the last one of two stays."""
    filled: npt.NDArray[Any] = np.zeros(shape, kind)
    filled.ravel()[at] = values
    return filled


def _kind_of(value: object) -> Kind | None:
    """Return the kind of an evaluated expression; ``None`` where it is not simple."""
    match value:
        case None:
            return Kind.VOID
        case bool():
            return Kind.TRUE if value else Kind.FALSE
        case int():
            return Kind.INTEGER if -INT64_MAX <= value <= INT64_MAX else None
        case float():
            return Kind.FRACTION
        case _:
            return None


def _unescaped(texts: Column, is_escaped: Flags) -> Column:
    escaped = texts.filter(flag_column(is_escaped)).to_pylist()
    plain = pa.array([str(text).replace('\\"', '"') for text in escaped], pa.string())
    unescaped: Column = pc.replace_with_mask(texts, flag_column(is_escaped), plain)
    return unescaped
