"""The probe on a pool's histories: its command, its rows, and what HTCondor shows."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolmeter.ledger.scan import read_table
from poolmeter.ledger.schema import jobs_schema
from tests.pool.access_point import AccessPoint, Ad
from tests.pool.eventlog import JobId
from tests.pool.namespaces import REPOSITORY

Row = dict[str, Any]

#: Cells that are what one attribute of an ad says.
SAME = (
    *("owner", "user", "universe", "job_status", "wall_s", "cpu_user_ms"),
    *("cpu_system_ms", "cpus_milli", "exit_code", "exit_signal"),
)


@dataclass(frozen=True)
class ProbeRun:
    """One run of ``poolmeter probe run``."""

    exit_code: int
    summary: Mapping[str, Any]
    messages: str
    rotations: int


@dataclass
class Ledger:
    """The ledger of one access point, and every run of the probe that filled it."""

    ap: AccessPoint
    schedd: str
    path: Path
    runs: list[ProbeRun] = field(default_factory=list)

    def probe(self) -> None:
        """Run the probe once, if there is a history yet."""
        if not self.ap.history_file.exists():
            return
        self.read("--history", str(self.ap.history_file))

    def read(self, *sources: str) -> None:
        """Run the probe once over *sources*, given as options."""
        rotations = len(self.ap.history_files()) - 1
        done = subprocess.run(
            [*self._command(), *sources],
            cwd=REPOSITORY,
            capture_output=True,
            check=False,
            text=True,
        )
        summary = json.loads(done.stdout or "{}")
        self.runs.append(ProbeRun(done.returncode, summary, done.stderr, rotations))

    def _command(self) -> Sequence[str]:
        # An empty configuration of its own: the machine's is none of this test's.
        config = self.path.with_suffix(".toml")
        config.touch()
        return [
            *(sys.executable, "-m", "poolmeter", "--config", str(config)),
            *("probe", "run", "--schedd", self.schedd, "--ledger", str(self.path)),
            *("--format", "json"),
        ]

    def rows(self) -> list[Row]:
        """Return all rows of the ledger."""
        rows: list[Row] = read_table(self.path, "jobs", jobs_schema()).to_pylist()
        return rows


def id_of(row: Row) -> JobId:
    """Return which job a row is of."""
    return JobId(row["cluster_id"], row["proc_id"])


def shown(ad: Ad) -> Row:
    """Return what condor_history shows in *ad*, as cells of the ledger.

    Its own words on wall time, CPU, cpus, ending, owner and times; for CPU of all
    runs, as every 23.9.6 keeps it.
    """
    start, entered = ad.get("JobCurrentStartDate", 0), ad["EnteredCurrentStatus"]
    completed = ad.get("CompletionDate", 0)
    cpus: int = ad.get("CpusProvisioned") or ad["RequestCpus"]
    is_end = completed and start <= completed <= entered
    return {
        "owner": ad["Owner"],
        "user": ad["User"],
        "universe": ad["JobUniverse"],
        "job_status": {3: "removed", 4: "completed"}[ad["JobStatus"]],
        "wall_s": round(ad["RemoteWallClockTime"]),
        "cpu_user_ms": round(ad["CumulativeRemoteUserCpu"] * 1000),
        "cpu_system_ms": round(ad["CumulativeRemoteSysCpu"] * 1000),
        "cpus_milli": cpus * 1000,
        "exit_code": ad.get("ExitCode"),
        "exit_signal": ad.get("ExitSignal") if ad["ExitBySignal"] else None,
        "queued_s": ad["QDate"],
        "started_s": ad.get("JobStartDate"),
        "ended_s": completed if is_end else entered,
    }


def kept(row: Row) -> Row:
    """Return the cells of a ledger's *row* that ``shown`` has."""
    moments = {name: _seconds(row[f"{name}_at"]) for name in ("queued", "started")}
    cells = {f"{name}_s": seconds for name, seconds in moments.items()}
    cells["ended_s"] = _seconds(row["ended_at"])
    return {name: row[name] for name in SAME} | cells


def _seconds(moment: Any) -> int | None:  # noqa: ANN401  a cell
    return None if moment is None else int(moment.timestamp())
