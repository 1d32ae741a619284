"""Words and numbers of a statement as a person reads them."""

from decimal import Decimal

from rich.cells import cell_len

from poolmeter.errors import one_line
from poolmeter.units import SECONDS_PER_HOUR, hours
from reports.statement_data import Statement

NAME_WIDTH = 28
KEY_TITLES = {
    "vo": "VO",
    "payload-user": "Payload user",
    "project": "Project",
    "owner": "Owner",
    "site": "Site",
}
RESOURCE_NAMES = {
    "own-pool": "Own pool",
    "flocked-out": "Flocked out",
    "unknown-resource": "Unknown resource",
}
_LITTLE_S = 100 * SECONDS_PER_HOUR


def shown(text: str, width: int = NAME_WIDTH) -> str:
    r"""Return user text as one harmless line of at most *width* columns.

    >>> shown("a\x1b[31mb\n"), shown("x" * 30)
    ('a\\x1b[31mb\\n', 'xxxxxxxxxxxxxxxxxxxxxxxxxxx…')
    """
    line = one_line(text)
    if cell_len(line) <= width:
        return line
    line = line[:width]
    while cell_len(line) >= width:
        line = line[:-1]
    return f"{line}…"


def hour_places(statement: Statement) -> int:
    """Return how many places hours need: a little use must not read as none."""
    asides = (*statement.unpriced, *statement.unbilled)
    wall_s = statement.totals.wall_s + sum(aside.wall_s for aside in asides)
    return 3 if wall_s < _LITTLE_S else 1


def hours_text(count_s: int | None, places: int) -> str:
    """Return seconds as hours.

    >>> hours_text(4_500_000, 1), hours_text(85, 3), hours_text(None, 1)
    ('1,250.0', '0.024', '-')
    """
    return "-" if count_s is None else f"{hours(count_s):,.{places}f}"


def percent(part: int, whole: int, places: int = 0) -> str:
    """Return *part* of *whole* in percent.

    >>> percent(2, 3), percent(2, 3, 1), percent(0, 0)
    ('67 %', '66.7 %', '-')
    """
    return f"{Decimal(100 * part) / whole:.{places}f} %" if whole else "-"


def jobs_text(count: int) -> str:
    """Return a number of jobs.

    >>> jobs_text(1), jobs_text(2000)
    ('1 job', '2,000 jobs')
    """
    return f"{count:,} job{'' if count == 1 else 's'}"


def encodable(text: str, encoding: str) -> str:
    """Return *text* in the characters that *encoding* has.

    >>> encodable("≥ 5.00 naïve", "latin-1"), encodable("≥ 5.00", "utf-8")
    ('>= 5.00 naïve', '≥ 5.00')
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.translate({ord("≥"): ">=", ord("─"): "-", ord("…"): "~"})
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return text
