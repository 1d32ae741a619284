"""Jobs held against their runs: what the one says and the other does not.

The schedd counts a job's wall time, the shadow writes each run down; both in whole
seconds, so that a second a run between them is normal.
"""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolmeter.ledger.layout import day_files
from poolmeter.ledger.scan import file_batches
from poolmeter.ledger.tables import JOBS, RUNS, MergedTable

_KEY = ["schedd", "cluster_id", "proc_id", "queued_at"]
#: So long before a job's end its runs are looked for.
_LIFE_DAYS = 60


@dataclasses.dataclass(frozen=True, slots=True)
class RunReconciliation:
    """Jobs that ended in some days, and what their runs say of the same seconds.

    ``difference_s`` is the jobs' wall time less that of their runs, over the jobs
    that have all their runs; ``jobs_beyond_a_second`` of these differ by more than a
    second a run.
    """

    jobs: int
    jobs_without_runs: int
    jobs_with_missing_runs: int
    jobs_with_all_runs: int
    jobs_beyond_a_second: int
    difference_s: int
    runs_of_queued_jobs: int


def reconcile_runs(
    ledger: Path, first_day: dt.date, last_day: dt.date
) -> RunReconciliation | None:
    """Return how jobs that ended in these days agree with their runs.

    ``None`` where the ledger has no runs at all.

    Raises:
        LedgerError: A file cannot be read.
    """
    early = first_day - dt.timedelta(days=_LIFE_DAYS)
    runs = _rows(ledger, RUNS, [*_KEY, "run", "wall_s", "ended_at"], early, None)
    if not runs.num_rows:
        return None
    jobs = _rows(ledger, JOBS, [*_KEY, "wall_s", "shadow_starts"], first_day, last_day)
    all_jobs = _rows(ledger, JOBS, _KEY, early, None)
    of_jobs = runs.group_by(_KEY).aggregate(
        [("wall_s", "sum"), ("run", "count"), ("run", "max")]
    )
    has_run: Any = pc.greater(jobs["wall_s"], pa.scalar(0, pa.int64()))
    ran = jobs.filter(has_run)
    both = ran.join(of_jobs, keys=_KEY, join_type="inner")
    last: Any = both["run_max"].cast(pa.int64())
    is_whole: Any = pc.equal(both["run_count"], pc.add(last, 1))
    whole = both.filter(is_whole)
    difference: Any = pc.subtract(whole["wall_s"], whole["wall_s_sum"])
    beyond: Any = pc.greater(pc.abs(difference), whole["run_count"])
    queued = runs.join(all_jobs, keys=_KEY, join_type="left anti")
    return RunReconciliation(
        jobs=ran.num_rows,
        jobs_without_runs=ran.num_rows - both.num_rows,
        jobs_with_missing_runs=both.num_rows - whole.num_rows,
        jobs_with_all_runs=whole.num_rows,
        jobs_beyond_a_second=_sum(beyond.cast(pa.int64())),
        difference_s=_sum(difference),
        runs_of_queued_jobs=queued.num_rows,
    )


def _rows(
    ledger: Path,
    table: MergedTable,
    columns: list[str],
    first_day: dt.date,
    last_day: dt.date | None,
) -> pa.Table:
    schema = pa.schema([table.schema().field(name) for name in columns])
    paths = day_files(ledger, table.name, first_day=first_day, last_day=last_day)
    batches = [b.cast(schema) for path in paths for b in file_batches(path, columns)]
    return pa.Table.from_batches(batches, schema)


def _sum(values: Any) -> int:  # noqa: ANN401 - Arrow's types know no chunks
    return int(pc.sum(values).as_py() or 0)
