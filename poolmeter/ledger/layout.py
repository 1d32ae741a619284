"""Where things lie inside a ledger."""

import datetime as dt
import re
import urllib.parse
from pathlib import Path
from typing import Literal

Table = Literal["jobs", "runs", "gaps"]

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})\Z")
_SUFFIX = ".parquet"


def file_name_of(schedd: str) -> str:
    """Return the file name, without suffix, for the schedd called *schedd*.

    Letters, digits, ``_ - . @ ~`` stay; everything else, and a leading dot, is
    percent-encoded, so that no name leaves its folder or hides.

    >>> [file_name_of(name) for name in ("s1@ap.example.org", "../x", ".hidden")]
    ['s1@ap.example.org', '%2E.%2Fx', '%2Ehidden']
    """
    quoted = urllib.parse.quote(schedd, safe="@")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def day_file(ledger: Path, table: Table, day: dt.date, schedd: str) -> Path:
    """Return the path of *schedd*'s file of *day* in *table*."""
    folder = ledger / table / f"date={day.isoformat()}"
    return folder / f"{file_name_of(schedd)}{_SUFFIX}"


def day_files(
    ledger: Path,
    table: Table,
    *,
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> list[Path]:
    """Return the day files of *table* from *first_day* to *last_day*, both included.

    They come in the order of days, then schedds.  A ledger that does not exist yet
    has none.
    """
    return [
        path
        for folder in sorted((ledger / table).glob("date=*"))
        if _is_between(day_of_folder(folder), first_day, last_day)
        for path in sorted(folder.glob(f"*{_SUFFIX}"))
        if not path.name.startswith(".")
    ]


def day_of_folder(folder: Path) -> dt.date | None:
    """Return the day that a partition's folder is named after, or ``None``."""
    found = _DAY_FOLDER.fullmatch(folder.name)
    return dt.date.fromisoformat(found[1]) if found else None


def _is_between(
    day: dt.date | None, first_day: dt.date | None, last_day: dt.date | None
) -> bool:
    if day is None:
        return False
    return (first_day is None or first_day <= day) and (
        last_day is None or day <= last_day
    )


def state_folder(ledger: Path) -> Path:
    """Return the folder of checkpoints, quarantine, locks and spool."""
    return ledger / ".state"


def day_lock(ledger: Path, day: dt.date, schedd: str) -> Path:
    """Return the file that is locked while a day file is rewritten."""
    name = f"{day.isoformat()}-{file_name_of(schedd)}.lock"
    return state_folder(ledger) / "locks" / name
