"""Times as the collector reads them: RFC 3339 and nothing else."""

import datetime as dt
import re

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


class TimeRefusedError(ValueError):
    """A time that refuses the whole bundle."""


def stored_time(text: str) -> str:
    """Return the form in which the time *text* is stored: no fraction, ``Z`` for UTC.

    >>> stored_time("2026-11-22T08:00:00.75+00:00")
    '2026-11-22T08:00:00Z'

    Raises:
        TimeRefusedError: It is no time of RFC 3339, or no day of the calendar.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise TimeRefusedError(f"no RFC 3339 time: {text!r}")
    try:
        at = dt.datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00"))
    except ValueError as error:
        raise TimeRefusedError(str(error)) from error
    zone = "Z" if not at.utcoffset() else found[2]
    return found[1] + zone
