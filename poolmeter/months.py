"""A calendar month in UTC: half-open, and the only time zone of a statement.

Times of jobs are whole seconds since 1970-01-01 UTC in statements, so that no
garbage in a job ad (a wall time of 10^9 s, a start in the year 1) can overflow a
calendar type or make a loop run over centuries of months.
"""

import dataclasses
import datetime as dt
import re

from poolmeter.errors import UsageError

_DECEMBER = 12
_PATTERN = re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month; ``str()`` gives it back as ``YYYY-MM``."""

    year: int
    month: int

    @property
    def first_day(self) -> dt.date:
        """The first day of the month."""
        return dt.date(self.year, self.month, 1)

    @property
    def last_day(self) -> dt.date:
        """The last day of the month.

        >>> Month(2026, 2).last_day
        datetime.date(2026, 2, 28)
        """
        return self.next().first_day - dt.timedelta(days=1)

    @property
    def start_s(self) -> int:
        """The first second of the month.

        >>> Month(1970, 2).start_s == 31 * 86_400
        True
        """
        return start_of_day_s(self.first_day)

    @property
    def end_s(self) -> int:
        """The first second after the month.

        >>> Month(2026, 10).end_s == Month(2026, 11).start_s
        True
        """
        return self.next().start_s

    def next(self) -> "Month":
        """Return the month after this one.

        >>> str(Month(2026, 12).next())
        '2027-01'
        """
        if self.month == _DECEMBER:
            return Month(self.year + 1, 1)
        return Month(self.year, self.month + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def parse_month(text: str) -> Month:
    """Return the month that *text* names as ``YYYY-MM``, from 1970 to 9998.

    >>> parse_month("2026-10")
    Month(year=2026, month=10)

    Raises:
        UsageError: It is anything else (``2026-1``, ``2026-13``, ``10/2026``).
    """
    match = _PATTERN.fullmatch(text)
    if match:
        year, month = int(match[1]), int(match[2])
        if 1970 <= year <= 9998 and 1 <= month <= _DECEMBER:  # noqa: PLR2004
            return Month(year, month)
    raise UsageError("month", expected="YYYY-MM, as 2026-10", found=repr(text))


def start_of_day_s(day: dt.date) -> int:
    """Return the first second of *day* in UTC.

    >>> start_of_day_s(dt.date(2026, 10, 1))
    1790812800
    """
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
    return int(midnight.timestamp())
