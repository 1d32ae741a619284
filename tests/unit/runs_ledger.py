"""Small ledgers with runs, for tests: rows by their differences."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolmeter.ledger.merge import merge_jobs
from poolmeter.ledger.tables import RUNS, runs_schema
from poolmeter.run_record import RunRecord
from tests.unit.reports_ledger import GIB, utc


def run_row(
    ended: str = "2026-10-02 11:00", *, hours: float = 1, **changes: object
) -> dict[str, Any]:
    """Return a row of ``runs``: the first run of job 1.0, one cpu and 3 GiB.

    It ended at *ended* (UTC) after so many *hours*.
    """
    ended_at = utc(ended)
    row: dict[str, Any] = {f.name: None for f in dataclasses.fields(RunRecord)}
    row |= {
        "schedd": "ap1",
        "cluster_id": 1,
        "proc_id": 0,
        "queued_at": utc("2026-10-01 00:00"),
        "run": 0,
        "owner": "alice",
        "vo": "cms",
        "vo_source": "x509_vo_name",
        "billable": True,
        "started_at": ended_at - dt.timedelta(hours=hours),
        "ended_at": ended_at,
        "wall_s": int(hours * 3600),
        "ending": "evicted",
        "cpus_milli": 1000,
        "memory_provisioned_bytes": 3 * GIB,
        "network_trust": "missing",
        "network_missing_reason": "not_published",
        "time_trust": "consistent",
        "contradictions": [],
        "revision": 0,
    }
    assert changes.keys() <= row.keys()
    return row | changes


def write_runs(ledger: Path, *rows: dict[str, Any]) -> Path:
    """Write *rows* as runs of the schedd ``ap1`` and return the ledger's path."""
    ledger.mkdir(exist_ok=True)
    merge_jobs(ledger, "ap1", pa.Table.from_pylist([*rows], runs_schema()), RUNS)
    return ledger
