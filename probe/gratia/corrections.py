"""Jobs whose rows were corrected after their records had been frozen.

What was sent stays as it is: the server adds up, so a second record would count the
job twice.  The corrections are listed, for a person to tell the server's operators.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.ledger.layout import day_files
from poolmeter.ledger.schema import check_mark
from probe.gratia.ledger_rows import KEY, keyed
from probe.gratia.outbox import Box, Outbox
from probe.gratia.register import names_of, registered_days

_COLUMNS = ["cluster_id", "proc_id", "queued_at", "revision"]


@dataclasses.dataclass(frozen=True, slots=True)
class Correction:
    """A job, the revision of its row that was frozen, and that of its row now."""

    schedd: str
    job_id: str
    frozen_revision: int
    revision: int


def corrections(ledger: Path, outbox: Outbox) -> Iterator[Correction]:
    """Yield the jobs of the days whose names are kept that were corrected since.

    Raises:
        LedgerError: A file cannot be read.
    """
    for box in outbox.boxes():
        days = registered_days(box)
        if days:
            yield from _of_schedd(ledger, box, days)


def _of_schedd(ledger: Path, box: Box, days: list[dt.date]) -> Iterator[Correction]:
    stem = box.folder.name
    paths = day_files(ledger, "jobs", first_day=days[0])
    changed = [_changed(path) for path in paths if path.stem == stem]
    changed = [rows for rows in changed if rows.num_rows]
    if not changed:
        return
    rows = pa.concat_tables(changed)
    frozen = names_of(box, days)
    both = rows.join(frozen, keys=list(KEY), right_suffix="_frozen", join_type="inner")
    for row in both.sort_by("cluster_id").to_pylist():
        if row["revision"] > row["revision_frozen"]:
            job_id = f"{row['cluster_id']}.{row['proc_id']}"
            yield Correction(stem, job_id, row["revision_frozen"], row["revision"])


def _changed(path: Path) -> pa.Table:
    """Return names and revisions of the rows of *path* that were ever corrected."""
    with pq.ParquetFile(path) as file:
        check_mark(file.schema_arrow, path)
        rows = keyed(file.read(columns=_COLUMNS))
    is_changed = np.asarray(rows["revision"].to_numpy() > 0)
    return rows.select([*KEY, "revision"]).filter(pa.array(is_changed))
