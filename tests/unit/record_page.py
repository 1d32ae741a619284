"""The page docs/record.md, made from the record and the attributes themselves."""

from collections.abc import Iterable, Iterator

from poolmeter.attributes import known_attributes
from poolmeter.record import JOB_KEY, NETWORK_COLUMNS, Column, job_columns

HEAD = f"""\
# The record

The table `jobs` has one row for each job that left the queue, completed or removed.
Its key is ({", ".join(f"`{name}`" for name in JOB_KEY)}).

A unit stands in every numeric name.
Null means "not measured" or "not there", never zero.
Times are UTC with milliseconds; a column that may not be null says so.
Text is kept as HTCondor wrote it: owners choose most of it, so escape it before it reaches a page, a sheet or a shell.

Files are `LEDGER/jobs/date=YYYY-MM-DD/SCHEDD.parquet`, by the UTC day of `ended_at`.
The table `gaps` (`schedd`, `source`, `reason`, `from_at`, `to_at`) lies beside it: times of which records may be missing.

This page is made from `poolmeter/record.py` and `poolmeter/attributes.py`; `make docs` rewrites it.

## Columns of `jobs`

"""  # noqa: E501 - one sentence a line

PAYLOADS = f"""
Each entry of `payloads` has `at` (UTC), `user`, `subject`, and the byte counts of its own time: {", ".join(f"`{name}`" for name in NETWORK_COLUMNS)}.

## Job attributes

Every attribute that poolmeter knows, under HTCondor's name, with its unit there.
Names are case-insensitive, and nothing is read by prefix.

"""  # noqa: E501 - as above

#: The ending of a column's name, and its unit.
UNITS = {
    "_ms": "ms",
    "_s": "s",
    "_bytes": "bytes",
    "_milli": "1/1000",
    "_at": "UTC",
}


def unit_of(column: Column) -> str:
    """Return the unit that *column*'s name ends in, or its kind."""
    for ending, unit in UNITS.items():
        if column.name.endswith(ending):
            return unit
    kinds = {"string": "text", "bool": "true, false", "float64": "ratio"}
    return kinds.get(column.storage, "")


def record_page() -> str:
    """Return the whole page."""
    columns = (
        (
            f"`{column.name}`",
            column.storage,
            unit_of(column),
            "" if column.nullable else "never",
            column.meaning,
        )
        for column in job_columns()
    )
    attributes = ((f"`{a}`", a.unit, a.meaning) for a in known_attributes())
    return (
        HEAD
        + table(("column", "stored as", "unit", "null", "meaning and source"), columns)
        + PAYLOADS
        + table(("attribute", "unit", "meaning"), attributes)
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "".join(_lines(head, rows))


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"
