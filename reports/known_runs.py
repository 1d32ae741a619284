"""What the table ``runs`` says of jobs, made into rows that every engine can read.

A job that was evicted held its slot at times that its own row does not tell, and a run
of a job that is still queued has no such row at all.  Before a statement is made, the
intervals of these jobs are written to files beside the ledger's; whoever reads jobs
then reads the intervals in place of the rows for which they stand.
"""

import contextlib
import dataclasses
import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from poolmeter.errors import LedgerError
from poolmeter.ledger.layout import day_files, day_of_folder
from poolmeter.ledger.scan import job_files
from poolmeter.ledger.schema import jobs_schema
from poolmeter.units import SECONDS_PER_DAY
from reports import exact_functions, known_runs_sql
from reports.duckdb_connection import connection
from reports.known_runs_sql import INTERVAL_COLUMNS, LIFE_DAYS, same_job
from reports.months import Month
from reports.parquet_names import literal, quoted
from reports.reach import earliest_s, earliest_start_s, files_of


@dataclasses.dataclass(frozen=True, slots=True)
class ChargedFiles:
    """Files that a statement's sums are made of.

    ``jobs`` are files of the ledger.  Rows of ``intervals`` stand for those of
    ``replaced``, which are in ``jobs`` as well; both are ``None`` where no run says
    more than its job's row.
    """

    jobs: tuple[Path, ...]
    intervals: Path | None = None
    replaced: Path | None = None


def as_charged(files: "ChargedFiles | Sequence[Path]") -> "ChargedFiles":
    """Return *files* with known runs, or files of jobs alone."""
    return files if isinstance(files, ChargedFiles) else ChargedFiles(tuple(files))


def run_files_of(ledger: Path, month: Month) -> list[Path]:
    """Return the files of runs that may belong to jobs with a part in *month*.

    Raises:
        LedgerError: A file cannot be read.
    """
    day = dt.timedelta(days=1)
    days = (day_of_folder(path.parent) for path in _jobs_in_reach(ledger, month))
    last_day = max([month.next().first_day, *(found for found in days if found)])
    paths = day_files(ledger, "runs", first_day=month.first_day - day * LIFE_DAYS)
    return [
        path
        for path in paths
        if (day_of_folder(path.parent) or last_day) <= last_day + day
        or earliest_start_s(path) < month.end_s
    ]


def all_files_of(ledger: Path, month: Month) -> list[Path]:
    """Return every file that says something of *month*.

    Raises:
        LedgerError: A file cannot be read.
    """
    runs = run_files_of(ledger, month)
    jobs = job_files(ledger) if runs else files_of(ledger, month)
    return [*jobs, *runs]


@contextlib.contextmanager
def charged_files(ledger: Path, month: Month) -> Iterator[ChargedFiles]:
    """Yield what *month* is made of: files of jobs, and what known runs make of some.

    Files that are made for it are gone after the block.

    Raises:
        LedgerError: A file cannot be read, or there is no room for temporary ones.
    """
    paths = files_of(ledger, month)
    runs = run_files_of(ledger, month)
    if not runs:
        yield ChargedFiles(tuple(paths))
        return
    with tempfile.TemporaryDirectory(prefix="poolmeter-") as name:
        folder = Path(name)
        nothing = _no_jobs(folder)
        near = _jobs_in_reach(ledger, month)
        others = [path for path in job_files(ledger) if path not in set(near)]
        with _telling_of_files(), connection() as database:
            for table, files in (
                ("run_rows", runs),
                ("job_rows", near or [nothing]),
                ("other_job_rows", others or [nothing]),
            ):
                found = [literal(path) for path in files]
                rows = database.read_parquet(found, hive_partitioning=False)
                rows.create_view(table)
            yield _write(database, folder, month, paths or [nothing])


def _jobs_in_reach(ledger: Path, month: Month) -> list[Path]:
    """Return the files of jobs of which an interval may lie in *month*.

    A job's known runs may lie so much earlier than its own row tells.
    """
    after = month.next().first_day
    return [
        path
        for path in job_files(ledger, first_day=month.first_day)
        if (day_of_folder(path.parent) or month.first_day) < after
        or earliest_s(path) - LIFE_DAYS * SECONDS_PER_DAY < month.end_s
    ]


def _write(
    database: duckdb.DuckDBPyConnection,
    folder: Path,
    month: Month,
    jobs: Sequence[Path],
) -> ChargedFiles:
    for statement in exact_functions.DUCKDB:
        database.execute(statement)
    database.execute(known_runs_sql.VIEWS)
    database.execute(f"SET VARIABLE month_start_s = {month.start_s}")
    database.execute(f"SET VARIABLE month_end_s = {month.end_s}")
    for statements in (
        known_runs_sql.CANDIDATES,
        known_runs_sql.PAIRS_THAT_COUNT,
        known_runs_sql.JOBS_WITH_RUNS,
        known_runs_sql.INTERVALS,
    ):
        database.execute(statements)
    intervals, replaced = folder / "intervals.parquet", folder / "replaced.parquet"
    parts = (known_runs_sql.INTERVAL_ROWS, known_runs_sql.QUEUED_ROWS)
    rows = " UNION ALL BY NAME ".join(parts)
    for path, query in ((intervals, rows), (replaced, known_runs_sql.REPLACED_ROWS)):
        target = quoted(str(path))
        database.execute(f"COPY ({query}) TO {target} (FORMAT parquet)")
    if not pq.read_metadata(intervals).num_rows:
        return ChargedFiles(tuple(jobs))
    return ChargedFiles(tuple(jobs), intervals, replaced)


def _no_jobs(folder: Path) -> Path:
    """Return a file of jobs that holds none."""
    path = folder / "no-jobs.parquet"
    pq.write_table(jobs_schema().empty_table(), path)
    return path


def make_views(
    database: duckdb.DuckDBPyConnection,
    charged: ChargedFiles,
    *,
    jobs: str,
    replaced: str,
) -> None:
    """Make the view *jobs* of all that is charged, and *replaced* of what is not.

    An interval stands for its part of a job; the row of a job with intervals is in
    *replaced*.
    """
    paths = [literal(path) for path in charged.jobs]
    database.read_parquet(paths, hive_partitioning=False).create_view("ledger_jobs")
    aside = "SELECT * FROM ledger_jobs WHERE false"
    if charged.replaced is not None:
        aside = f"FROM read_parquet({quoted(literal(charged.replaced))})"
    database.execute(f"CREATE VIEW {jobs} AS {_charged_sql(charged)}")
    database.execute(f"CREATE VIEW {replaced} AS {aside}")


def _charged_sql(charged: ChargedFiles) -> str:
    nothing = ", ".join(f"NULL::{kind} AS {n}" for n, kind in INTERVAL_COLUMNS.items())
    if charged.intervals is None or charged.replaced is None:
        return f"SELECT *, {nothing} FROM ledger_jobs"  # noqa: S608 - names of ours
    replaced = quoted(literal(charged.replaced))
    intervals = quoted(literal(charged.intervals))
    return f"""
    SELECT *, {nothing} FROM ledger_jobs j
    WHERE NOT EXISTS (FROM read_parquet({replaced}) r WHERE {same_job("r", "j")})
    UNION ALL BY NAME
    SELECT * FROM read_parquet({intervals})"""  # noqa: S608 - names of ours


@contextlib.contextmanager
def _telling_of_files() -> Iterator[None]:
    """Say of a file that DuckDB cannot read what the ledger says of it.

    Raises:
        LedgerError: A file cannot be read or written.
    """
    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise LedgerError(
            "a file of the ledger is damaged, or there is no room in the folder for "
            "temporary files",
            found=str(error).splitlines()[0],
        ) from error
