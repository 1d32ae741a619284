"""The times of submission in the GlobalJobIds."""

import numpy as np

from poolmeter import attributes as names
from probe.fast.ads import Ads, Integers
from probe.fast.arrays import Flags, Numbers, Places, places_of
from probe.fast.text import Text
from probe.fast.values import Kind, Kinds, whole_numbers
from probe.normalise.contradictions import submission_in_id

#: ``#1795338475`` at the end, as HTCondor writes it.
_DIGITS = 10
_ZERO, _NINE, _HASH = b"09#"


def submissions_in_ids(ads: Ads) -> Integers:
    """Return the time in each GlobalJobId, in Unix seconds; see the reference's."""
    kinds = ads.kinds(names.GLOBAL_JOB_ID)
    starts, ends = ads.places(names.GLOBAL_JOB_ID)
    values: Numbers = np.zeros(ads.count, np.int64)
    known = np.zeros(ads.count, bool)
    is_text = (kinds == Kind.TEXT) | (kinds == Kind.ESCAPED)
    is_usual = is_text & _ends_in_a_time(ads.text, starts, ends - 1)
    usual = places_of(is_usual)
    last = ends[usual] - 1
    whole: Kinds = np.full(usual.size, Kind.INTEGER, np.uint8)
    values[usual] = whole_numbers(ads.text, last - _DIGITS, last, whole)
    known[usual] = True
    for record in places_of(is_text & ~is_usual).tolist():
        raw = ads.raw(names.GLOBAL_JOB_ID, record) or ""
        found = submission_in_id(raw[1:-1].replace('\\"', '"'))
        values[record], known[record] = found or 0, found is not None
    return Integers(values, known)


def _ends_in_a_time(text: Text, starts: Places, ends: Places) -> Flags:
    is_so: Flags = ends - starts > _DIGITS + 1
    places = np.maximum(ends[:, None] - np.arange(1, _DIGITS + 1), 0)
    digits = text.bytes[places]
    is_so &= ((digits >= _ZERO) & (digits <= _NINE)).all(axis=1)
    is_so &= text.bytes[np.maximum(ends - _DIGITS - 1, 0)] == _HASH
    return is_so
