"""The ledger's own side of a reconciliation: counted by SQL, apart from the charges.

Nothing here uses ``charge_intervals``: the place of a job's seconds is derived again
in closed form.  A job whose row is all that is known of it held its slot for wall_s
seconds that end with its last run, whatever part of them belongs to which run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolmeter.ledger.scan import job_batches
from poolmeter.ledger.schema import jobs_schema
from poolmeter.record import NETWORK_COLUMNS
from reports.batch_stream import batch_stream, connection
from reports.months import Month
from reports.statement_data import UNKNOWN, ContradictedJob

SHOWN_JOBS = 20

_COLUMNS = (
    "schedd",
    "cluster_id",
    "proc_id",
    "owner",
    "vo",
    "ended_at",
    "last_started_at",
    "wall_s",
    "last_run_wall_s",
    "runs",
    "contradictions",
    *NETWORK_COLUMNS,
)

#: Rounded down, also before 1970, and without a float.
_WHOLE_SECONDS = """
CREATE MACRO whole_s(ms) AS
    ((ms::HUGEINT - ((ms % 1000) + 1000) % 1000) // 1000)
"""

#: greatest() and least() pass over nulls, so an unknown wall time is asked for first.
#: month_s: seconds in the month; ended_s decides the job, end_s its bytes.
_PLACED = """
WITH whole AS (
    SELECT *,
        whole_s(epoch_ms(ended_at)) AS ended_s,
        whole_s(epoch_ms(last_started_at)) AS started_s,
        CASE WHEN wall_s >= 0 THEN wall_s::HUGEINT END AS wall,
        CASE WHEN last_run_wall_s >= 0 THEN last_run_wall_s::HUGEINT END AS last_wall
    FROM jobs
),
run AS (
    SELECT *,
        coalesce(last_wall, wall) AS told_s,
        CASE WHEN runs > 1 THEN least(coalesce(last_wall, wall), wall)
             ELSE wall END AS run_s
    FROM whole
),
placed AS (
    SELECT *,
        CASE WHEN wall IS NOT NULL AND (wall > 0 OR runs > 0)
                  AND started_s + told_s <= ended_s
             THEN least(started_s + run_s, ended_s) ELSE ended_s END AS end_s
    FROM run
),
in_month AS (
    SELECT *,
        ended_s >= $from_s AND ended_s < $to_s AS is_job,
        end_s >= $from_s AND end_s < $to_s AS has_bytes,
        CASE WHEN wall IS NULL THEN 0 ELSE greatest(
            0, least(end_s, $to_s) - greatest(end_s - wall, $from_s)) END AS month_s
    FROM placed
    WHERE $vo::VARCHAR IS NULL
       OR $vo::VARCHAR = CASE WHEN coalesce(vo, '') IN ('', 'unknown')
                              THEN $unknown ELSE vo END
)
"""


def ledger_totals(ledger: Path, month: Month, vo: str | None) -> dict[str, int]:
    """Return jobs, seconds and known bytes that the ledger holds for *month*.

    Raises:
        LedgerError: A file cannot be read.
    """
    sums = ", ".join(
        f"coalesce(sum({name}) FILTER (has_bytes), 0)" for name in NETWORK_COLUMNS
    )
    query = f"""{_PLACED}
        SELECT count(*) FILTER (is_job), coalesce(sum(month_s), 0), {sums}
        FROM in_month"""  # noqa: S608 - names of ours
    (row,) = _ask(ledger, month, vo, query)
    names = ("jobs", "wall_s", *NETWORK_COLUMNS)
    return dict(zip(names, map(int, row), strict=True))


def contradicted_jobs(
    ledger: Path, month: Month, vo: str | None
) -> tuple[ContradictedJob, ...]:
    """Return the jobs of *month* that contradict themselves, the longest first.

    At most ``SHOWN_JOBS``; how many there are stands in the statement's trust.

    Raises:
        LedgerError: A file cannot be read.
    """
    query = f"""{_PLACED}
        SELECT schedd || '#' || cluster_id || '.' || proc_id AS job,
               owner, contradictions, month_s
        FROM in_month
        WHERE len(contradictions) > 0 AND (is_job OR month_s > 0)
        ORDER BY month_s DESC, job
        LIMIT {SHOWN_JOBS}"""  # noqa: S608 - names of ours
    return tuple(
        ContradictedJob(job, owner or UNKNOWN, tuple(names), int(month_s))
        for job, owner, names, month_s in _ask(ledger, month, vo, query)
    )


def _ask(ledger: Path, month: Month, vo: str | None, query: str) -> list[Any]:
    """Return the rows of *query* over the jobs that ended in *month* or later."""
    schema = pa.schema([jobs_schema().field(name) for name in _COLUMNS])
    batches = job_batches(ledger, columns=_COLUMNS, first_day=month.first_day)
    parameters = {
        "from_s": month.start_s,
        "to_s": month.end_s,
        "vo": vo,
        "unknown": UNKNOWN,
    }
    with (
        batch_stream(_plain(batches, schema), schema) as reader,
        connection() as database,
    ):
        database.execute(_WHOLE_SECONDS)
        database.register("jobs", reader)
        return database.execute(query, parameters).fetchall()


def _plain(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield *batches* in the order and types of *schema*."""
    for batch in batches:
        yield batch.select(schema.names).cast(schema)
