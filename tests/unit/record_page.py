"""The page docs/record.md, made from the record and the attributes themselves."""

from collections.abc import Iterable, Iterator

from poolmeter.attributes import known_attributes
from poolmeter.record import JOB_KEY, NETWORK_COLUMNS, Column, job_columns
from poolmeter.run_record import RUN_KEY, run_columns

HEAD = f"""\
# The record

The table `jobs` has one row for each job that left the queue, completed or removed.
Its key is ({", ".join(f"`{name}`" for name in JOB_KEY)}).

A unit stands in every numeric name.
Null means "not measured" or "not there", never zero.
Times are UTC with milliseconds; a column that may not be null says so.
Text is kept as HTCondor wrote it: owners choose most of it, so escape it before it reaches a page, a sheet or a shell.

Files are `LEDGER/jobs/date=YYYY-MM-DD/SCHEDD.parquet`, by the UTC day of `ended_at`.
The table `runs` has one row for each run of a job, also of one that is still queued, where the probe reads an epoch history.
Its key is ({", ".join(f"`{name}`" for name in RUN_KEY)}), its files are `LEDGER/runs/date=YYYY-MM-DD/SCHEDD.parquet`, by the UTC day of its own `ended_at`.
The table `gaps` (`schedd`, `source`, `reason`, `from_at`, `to_at`) lies beside it: times of which records may be missing.

This page is made from `poolmeter/record.py`, `poolmeter/run_record.py` and `poolmeter/attributes.py`; `make docs` rewrites it.

## Columns of `jobs`

"""  # noqa: E501 - one sentence a line

PAYLOADS = f"""
Each entry of `payloads` has `at` (UTC), `user`, `subject`, and the byte counts of its own time: {", ".join(f"`{name}`" for name in NETWORK_COLUMNS)}.

## Columns of `runs`

"""  # noqa: E501 - as above

ATTRIBUTES = """
What a run moved is the difference of its sum and that of the run before it.
`poolmeter.runs()` adds the differences, under the names of the table `jobs`, and `spans_runs`: the run before had no count, or is not there, so that the difference stands for both.
A count that is lower than one before it is no measurement: its difference is null.

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
    attributes = ((f"`{a}`", a.unit, a.meaning) for a in known_attributes())
    return (
        HEAD
        + column_table(job_columns())
        + PAYLOADS
        + column_table(run_columns())
        + ATTRIBUTES
        + table(("attribute", "unit", "meaning"), attributes)
    )


def column_table(columns: Iterable[Column]) -> str:
    """Return a table of *columns*."""
    rows = (
        (
            f"`{column.name}`",
            column.storage,
            unit_of(column),
            "" if column.nullable else "never",
            column.meaning,
        )
        for column in columns
    )
    return table(("column", "stored as", "unit", "null", "meaning and source"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "".join(_lines(head, rows))


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"
