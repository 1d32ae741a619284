"""The runs of jobs that ran more than once, from the ledger's table ``runs``."""

import datetime as dt
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from poolmeter.ledger.layout import day_files
from poolmeter.ledger.run_differences import with_differences
from poolmeter.ledger.scan import file_batches
from poolmeter.ledger.tables import runs_schema
from poolmeter.record import NETWORK_COLUMNS
from probe.gratia.run_records import Run

#: Cluster and proc; the owner may edit the time of queueing between two runs.
Job = tuple[int, int]

_DAY = dt.timedelta(days=1)
_OWN = [name for name in Run.__dataclass_fields__ if name != "bytes"]


def runs_of(
    ledger: Path,
    schedd_file: str,
    clusters: Collection[int],
    *,
    first_day: dt.date,
    last_day: dt.date,
) -> dict[Job, list[Run]]:
    """Return the runs of the jobs in *clusters* that ended between the two days.

    Args:
        ledger: The ledger's folder.
        schedd_file: Name of the schedd's files, without suffix.
        clusters: Clusters of the jobs.
        first_day: When the first of their runs may have ended.
        last_day: When the last of them did; the day after it is looked at, too.

    Raises:
        LedgerError: A file cannot be read.
    """
    if not clusters:
        return {}
    schema = runs_schema()
    wanted = pa.array(sorted(clusters), pa.int64())
    tables = [schema.empty_table()]
    paths = day_files(ledger, "runs", first_day=first_day, last_day=last_day + _DAY)
    for path in (path for path in paths if path.stem == schedd_file):
        for batch in file_batches(path, schema.names):
            rows = pa.Table.from_batches([batch]).cast(schema)
            is_wanted = pc.is_in(rows["cluster_id"], value_set=wanted)
            tables.append(rows.filter(is_wanted))
    return _by_job(with_differences(pa.concat_tables(tables)))


def _by_job(rows: pa.Table) -> dict[Job, list[Run]]:
    found: dict[Job, list[Run]] = {}
    for row in rows.to_pylist():
        counts = tuple(row[name] for name in NETWORK_COLUMNS)
        run = Run(**{name: row[name] for name in _OWN}, bytes=counts)
        found.setdefault((row["cluster_id"], row["proc_id"]), []).append(run)
    return found
