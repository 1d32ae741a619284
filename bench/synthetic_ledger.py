"""A ledger of invented jobs, as large as wanted: the same for the same number.

Sixteen VOs, 400 owners, a few hundred shapes, some runs missing, some counts unknown,
some jobs over the month's edges, some held, removed, failed or elsewhere; what is not
computed with is null.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.ledger.layout import day_file
from poolmeter.ledger.schema import (
    ROW_GROUP_ROWS,
    jobs_schema,
    marked,
    writer_options,
)

SCHEDD = "ap1.example.org"
FIRST_DAY = dt.date(2026, 10, 1)
DAYS = 31

#: r() is a number that hash decides: the same on every machine.
_MACROS = """
CREATE MACRO r(i, salt, n) AS (hash(i * 64 + salt) % n)::BIGINT;
CREATE MACRO known(i, salt, value) AS CASE WHEN r(i, salt, 10) > 0 THEN value END;
"""

_JOBS = """
SELECT $schedd AS schedd, 'T2_EX' AS site, i AS cluster_id, 0 AS proc_id,
    'user' || r(i, 1, 400) AS owner, 'vo' || r(i, 1, 400) % 16 AS vo,
    'token_issuer' AS vo_source,
    CASE WHEN r(i, 2, 4) = 0 THEN 'project' || r(i, 1, 400) % 40 END AS project,
    CASE WHEN r(i, 19, 40) = 0 THEN 'removed' ELSE 'completed' END AS job_status,
    CASE WHEN r(i, 19, 40) > 0 THEN (r(i, 20, 12) = 0)::INT END AS exit_code,
    CASE WHEN r(i, 21, 60) = 0 THEN 1 ELSE 0 END AS holds,
    CASE WHEN r(i, 21, 60) = 0 THEN 12 + r(i, 22, 3) END AS hold_reason_code,
    CASE WHEN r(i, 21, 60) = 0
         THEN 'Error from slot1_' || r(i, 23, 40) || '@node' || r(i, 24, 500)
              || ': reason ' || chr((97 + r(i, 22, 9))::INT) END AS hold_reason,
    'slot1_' || r(i, 23, 40) || '@node' || r(i, 24, 500) AS last_remote_host,
    CASE WHEN r(i, 25, 9) > 0 THEN 'T2_EX' WHEN r(i, 26, 2) = 0 THEN 'T2_FAR' END
        AS execute_site,
    known(i, 27, 100000000 + r(i, 28, 4000000000)) AS memory_peak_bytes,
    r(i, 3, 200) > 0 AS billable,
    CASE WHEN r(i, 3, 200) = 0 THEN 'universe_7' END AS unbilled_reason,
    make_timestamptz($day_us + r(i, 4, 86400000) * 1000) AS ended_at,
    CASE WHEN r(i, 5, 50) > 0
         THEN make_timestamptz($day_us + r(i, 4, 86400000) * 1000
                               - (last_s + r(i, 6, 30)) * 1000000)
         END AS last_started_at,
    wall_s, last_s AS last_run_wall_s, runs,
    known(i, 7, wall_s * 900) AS cpu_user_ms, known(i, 7, wall_s * 20) AS cpu_system_ms,
    'all_runs' AS cpu_scope, cpus * 1000 AS cpus_milli,
    CASE WHEN r(i, 8, 100) = 0 THEN 1 END AS gpus, wall_s * 1000 * cpus AS core_ms,
    cpus * (1 + r(i, 9, 24)) * 536870912 AS memory_provisioned_bytes,
    known(i, 10, r(i, 11, 4000000000)) AS network_outgoing_internal_bytes,
    known(i, 10, r(i, 12, 400000000)) AS network_outgoing_external_bytes,
    known(i, 10, r(i, 13, 4000000000)) AS network_incoming_internal_bytes,
    known(i, 10, r(i, 14, 4000000000)) AS network_incoming_external_bytes,
    CASE WHEN r(i, 10, 10) = 0 THEN 'missing' ELSE 'signed' END AS network_trust,
    CASE WHEN r(i, 10, 10) = 0 THEN 'no_collector' END AS network_missing_reason,
    CASE WHEN r(i, 15, 500) = 0 THEN 'contradicted' ELSE 'consistent' END AS time_trust,
    CASE WHEN r(i, 15, 500) = 0 THEN ['wall_too_long'] ELSE [] END AS contradictions,
    0 AS revision
FROM (
    SELECT i, 1 + r(i, 16, 7) % 4 * 2 AS cpus, r(i, 17, 90000) AS wall_s,
        CASE WHEN r(i, 18, 20) = 0 THEN r(i, 17, 90000) // 3
             ELSE r(i, 17, 90000) END AS last_s,
        CASE WHEN r(i, 18, 20) = 0 THEN 3 ELSE 1 END AS runs
    FROM range($first, $last) AS jobs(i)
)
"""


def write_synthetic_ledger(ledger: Path, jobs: int) -> None:
    """Write *jobs* invented jobs that ended in October 2026, a file a day."""
    with duckdb.connect(":memory:") as database:
        database.execute(_MACROS)
        for day in range(DAYS):
            first, last = jobs * day // DAYS, jobs * (day + 1) // DAYS
            date = FIRST_DAY + dt.timedelta(days=day)
            path = day_file(ledger, "jobs", date, SCHEDD)
            path.parent.mkdir(parents=True, exist_ok=True)
            schema = marked(jobs_schema(), SCHEDD)
            with pq.ParquetWriter(path, schema, **writer_options()) as writer:
                for batch in _batches(database, date, first, last):
                    writer.write_table(_whole(batch, schema))


def _batches(
    database: duckdb.DuckDBPyConnection, day: dt.date, first: int, last: int
) -> Iterator[pa.Table]:
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
    for start in range(first, last, ROW_GROUP_ROWS):
        values = {
            "schedd": SCHEDD,
            "day_us": int(midnight.timestamp()) * 1_000_000,
            "first": start,
            "last": min(start + ROW_GROUP_ROWS, last),
        }
        yield database.sql(_JOBS, params=values).to_arrow_table()


def _whole(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows.column(name).cast(schema.field(name).type)
        if name in rows.column_names
        else pa.nulls(rows.num_rows, schema.field(name).type)
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)
