"""ISO 8601 durations as the collector reads them, faults included."""

import functools
import math
import re

SECOND_NS = 10**9
UNIT_NS = {
    "year": 365 * 86_400 * SECOND_NS,
    "month": 30 * 86_400 * SECOND_NS,
    "week": 7 * 86_400 * SECOND_NS,
    "day": 86_400 * SECOND_NS,
    "hour": 3600 * SECOND_NS,
    "minute": 60 * SECOND_NS,
}

_WEEKS = re.compile(r"P(?P<week>[0-9]+)W")
_FULL = re.compile(
    r"P((?P<year>[0-9]+)Y)?((?P<month>[0-9]+)M)?((?P<day>[0-9]+)D)?"
    r"(T((?P<hour>[0-9]+)H)?((?P<minute>[0-9]+)M)?((?P<second>[0-9.]+)S)?)?"
)


@functools.lru_cache(maxsize=10_000)
def stored_seconds(text: str) -> float:
    """Return the seconds that the collector stores for *text*; 0 if it reads none.

    Nothing is anchored: what does not fit is passed over without a word, and the
    reply to the bundle is ``OK`` all the same.

    >>> [stored_seconds(text) for text in ("PT3723S", "PT1H2M3.25S", "P1DT2H")]
    [3723.0, 3723.25, 93600.0]
    >>> [stored_seconds(text) for text in ("3723", "PT62.05M", "", "PT1.2.3S")]
    [0.0, 0.0, 0.0, 0.0]
    """
    found = _WEEKS.search(text) or _FULL.search(text)
    if found is None:
        return 0.0
    parts = {name: part for name, part in found.groupdict().items() if part}
    try:
        second_ns = _truncated_ns(float(parts.pop("second", "0")))
    except ValueError:
        return 0.0
    return (sum(int(n) * UNIT_NS[unit] for unit, n in parts.items()) + second_ns) / 1e9


def _truncated_ns(seconds: float) -> int:
    """Return *seconds* in ns, cut off at each power of 1000 as the collector does."""
    total, rest = 0, seconds
    for unit_ns in (SECOND_NS, 10**6, 10**3, 1):
        whole = math.trunc(rest)
        total += whole * unit_ns
        rest = (rest - whole) * 1000
    return total
