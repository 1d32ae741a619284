"""Which of the ledger's files a month may be made of, told without reading the jobs.

Files are by the day on which jobs ended; those of later days belong to a month as far
as their jobs ran in it.  How early a file's jobs can have begun stands in its footer:
the least and greatest values of each row group.
"""

import functools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.errors import LedgerError
from poolmeter.ledger.layout import day_of_folder
from poolmeter.ledger.scan import job_files, refuse_other_version
from reports.months import Month

#: Before everything: a file whose footer does not tell may hold any time.
_ALWAYS_S = -(2**63)

_TIMES = ("ended_at", "last_started_at")


def files_of(ledger: Path, month: Month) -> list[Path]:
    """Return the files that may hold jobs with a part in *month*.

    Jobs that ended later belong to it: one that ran in October and was removed from
    hold in December is charged in October.

    Raises:
        LedgerMismatchError: Another schema version wrote the ledger.
        LedgerError: A file cannot be read.
    """
    paths = job_files(ledger, first_day=month.first_day)
    if paths:
        refuse_other_version(ledger)
    after = month.next().first_day
    return [
        path
        for path in paths
        if (day_of_folder(path.parent) or month.first_day) < after
        or earliest_s(path) < month.end_s
    ]


def earliest_s(path: Path) -> int:
    """Return a second before which no job in the file held a slot, by its footer.

    Raises:
        LedgerError: The file cannot be read.
    """
    try:
        about = path.stat()
        return _earliest_s(path, about.st_ino, about.st_size, about.st_mtime_ns)
    except (OSError, pa.ArrowInvalid) as error:
        raise LedgerError(
            "a file of the ledger cannot be read or is damaged", found=str(error)
        ) from error


def earliest_start_s(path: Path) -> int:
    """Return a second before which no run in the file of runs began, by its footer.

    Raises:
        LedgerError: The file cannot be read.
    """
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise LedgerError(
            "a file of the ledger cannot be read or is damaged", found=str(error)
        ) from error
    names = [footer.schema.column(index).path for index in range(footer.num_columns)]
    found = []
    for index in range(footer.num_row_groups):
        column = footer.row_group(index).column(names.index("started_at"))
        statistics: Any = column.statistics
        if statistics is None or not statistics.has_min_max:
            return _ALWAYS_S
        found.append(int(statistics.min.timestamp()) - 1)
    return min(found, default=2**63)


@functools.lru_cache(maxsize=10_000)
def _earliest_s(path: Path, inode: int, size_bytes: int, mtime_ns: int) -> int:  # noqa: ARG001
    """Read the footer; the further arguments tell whether the file is the same."""
    footer = pq.read_metadata(path)
    columns = {
        footer.schema.column(index).path: index for index in range(footer.num_columns)
    }
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    return min(
        (_earliest_of(group, columns) for group in groups if group.num_rows),
        default=2**63,
    )


def _earliest_of(group: pq.RowGroupMetaData, columns: dict[str, int]) -> int:
    """Return the same of one row group: its least time less its longest wall time."""
    times, walls = [], []
    for name in (*_TIMES, "wall_s"):
        statistics: Any = group.column(columns[name]).statistics
        if statistics is None or not (
            statistics.has_min_max or statistics.null_count == group.num_rows
        ):
            return _ALWAYS_S
        if statistics.has_min_max and name == "wall_s":
            walls.append(max(statistics.max, 0))
        elif statistics.has_min_max:
            times.append(int(statistics.min.timestamp()) - 1)
    return min(times, default=_ALWAYS_S) - max(walls, default=0)
