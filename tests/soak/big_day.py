"""A day's file of very many jobs, made without having them all in memory."""

import dataclasses
import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.ledger.layout import day_file
from poolmeter.ledger.schema import (
    ROW_GROUP_ROWS,
    jobs_schema,
    marked,
    table_of,
    writer_options,
)
from tests.ads import END_S, SCHEDD, completed, record_of

DAY = dt.datetime.fromtimestamp(END_S, dt.UTC).date()
_MODEL = record_of(
    completed(
        x509userproxysubject='"/DC=org/DC=example/OU=People/CN=A Long Name 12345"',
        RemoveReason='"none"',
        AcctGroup='"group_analysis.long.name"',
    )
)


def rows_of(numbers: range) -> pa.Table:
    """Return rows of jobs with these clusters; the strings of each are its own."""
    return table_of(
        [
            dataclasses.replace(
                _MODEL,
                cluster_id=n,
                global_job_id=f"ap.example.org#{n}.0#1762765200",
                owner=f"user{n % 997}",
                last_remote_host=f"slot1_{n % 61}@wn{n % 8191}.example.org",
                network_outgoing_external_bytes=n * 7919,
                wall_s=n % 86_400,
            )
            for n in numbers
        ]
    )


def make_day(ledger: Path, *, rows: int) -> None:
    """Write the file of a day with so many rows."""
    path = day_file(ledger, "jobs", DAY, SCHEDD)
    path.parent.mkdir(parents=True)
    schema = marked(jobs_schema(), SCHEDD)
    with pq.ParquetWriter(path, schema, **writer_options()) as writer:
        for first in range(0, rows, ROW_GROUP_ROWS):
            part = rows_of(range(first, min(first + ROW_GROUP_ROWS, rows)))
            writer.write_table(part.cast(schema))


def fresh_rows(count: int) -> pa.Table:
    """Return so many rows, every tenth of which is in a day of a million already."""
    known = rows_of(range(0, 1_000_000, 10_000_000 // count))
    fresh = rows_of(range(2_000_000, 2_000_000 + count * 9 // 10))
    return pa.concat_tables([known, fresh])
