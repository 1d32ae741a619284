"""Job ads as HTCondor writes them, histories made of them, and runs over those.

Attribute values are ClassAd text: a string has its quotes.  Every value can be
edited, ``None`` takes the attribute away.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poolmeter.config import Config
from poolmeter.ledger.scan import read_table
from poolmeter.ledger.schema import jobs_schema
from poolmeter.record import JobRecord
from probe.job_ad import parse_ad
from probe.normalise.job import Normalised, normalise
from probe.normalise.times import Surroundings
from probe.run import Progress, ReaderName, RunReport, run_probe

SCHEDD = "ap.example.org"
#: What runs read with; the fixture ``reader`` changes it.
READER: ReaderName = "fast"
HOUR_S = 3600
DAY_S = 24 * HOUR_S

#: 2025-11-10 12:00:00 UTC, when the jobs of this file ended: before any clock.
END_S = 1_762_776_000
#: When the runs over their histories took place.
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)

Value = str | int | float | None

#: A job that ran once, two hours in a slot of four cpus, as 23.9.6 writes it.
COMPLETED: Mapping[str, Value] = {
    "BytesRecvd": "1024.0",
    "BytesSent": "58.0",
    "ClusterId": 8,
    "CommittedSlotTime": "28800.0",
    "CommittedTime": 2 * HOUR_S,
    "CompletionDate": END_S,
    "CpusProvisioned": 4,
    "CumulativeRemoteSysCpu": "600.0",
    "CumulativeRemoteUserCpu": "25000.0",
    "CumulativeSlotTime": "28800.0",
    "CumulativeSuspensionTime": 0,
    "DiskProvisioned": 2048,
    "DiskUsage": 15,
    "DiskUsage_RAW": 15,
    "EnteredCurrentStatus": END_S,
    "ExitBySignal": "false",
    "ExitCode": 0,
    "GPUsProvisioned": 0,
    "GlobalJobId": f'"ap.example.org#8.0#{END_S - 3 * HOUR_S}"',
    "ImageSize": 7500,
    "ImageSize_RAW": 6652,
    "JobCurrentStartDate": END_S - 2 * HOUR_S,
    "JobCurrentStartExecutingDate": END_S - 2 * HOUR_S + 1,
    "JobStartDate": END_S - 2 * HOUR_S,
    "JobStatus": 4,
    "JobUniverse": 5,
    "LastJobStatus": 2,
    "LastPublicClaimId": '"<127.0.0.1:9618>#1795338443#2#..."',
    "LastRemoteHost": '"slot1_2@wn7.example.org"',
    "LastRemoteWallClockTime": "7200.0",
    "LeaveJobInQueue": "false",
    "MachineAttrCpus0": 4,
    "MachineAttrSlotWeight0": 4,
    "MemoryProvisioned": 4096,
    "MemoryUsage": "((ResidentSetSize + 1023) / 1024)",
    "MyType": '"Job"',
    "NumJobStarts": 1,
    "NumShadowStarts": 1,
    "Owner": '"alice"',
    "ProcId": 0,
    "QDate": END_S - 3 * HOUR_S,
    "RemoteSysCpu": "600.0",
    "RemoteUserCpu": "25000.0",
    "RemoteWallClockTime": "7200.0",
    "RequestCpus": 4,
    "RequestMemory": 4096,
    "ResidentSetSize": 4750,
    "ResidentSetSize_RAW": 4556,
    "StartdPrincipal": '"execute-side@matchsession/127.0.0.1"',
    "User": '"alice@example.org"',
    "x509UserProxyVOName": '"cms"',
}

#: The same job, ran three times: 1 h, 3 h, and 2 h.
RESTARTED: Mapping[str, Value] = {
    **COMPLETED,
    "CumulativeRemoteSysCpu": "900.0",
    "CumulativeRemoteUserCpu": "76000.0",
    "CumulativeSlotTime": "86400.0",
    "GlobalJobId": f'"ap.example.org#8.0#{END_S - 9 * HOUR_S}"',
    "JobStartDate": END_S - 8 * HOUR_S,
    "NumJobStarts": 3,
    "NumShadowStarts": 3,
    "QDate": END_S - 9 * HOUR_S,
    "RemoteWallClockTime": "21600.0",
}

#: What a removal makes of a job's ad.
REMOVAL: Mapping[str, Value] = {
    "CommittedSlotTime": 0,
    "CommittedTime": 0,
    "CompletionDate": None,
    "ExitCode": None,
    "JobStatus": 3,
    "RemoveReason": '"via condor_rm (by user alice)"',
}

#: The first job, removed in its last second.
REMOVED: Mapping[str, Value] = {**COMPLETED, **REMOVAL}

#: The second job, removed in its third run.
REMOVED_AGAIN: Mapping[str, Value] = {**RESTARTED, **REMOVAL}


def ad_text(base: Mapping[str, Value], **edits: Value) -> str:
    """Return *base* with *edits* as the lines of an ad; ``None`` leaves one out."""
    attributes = {**base, **edits}
    lines = (f"{name} = {v}\n" for name, v in attributes.items() if v is not None)
    return "".join(lines)


def completed(**edits: Value) -> str:
    """Return the ad of a completed job."""
    return ad_text(COMPLETED, **edits)


def removed(**edits: Value) -> str:
    """Return the ad of a removed job."""
    return ad_text(REMOVED, **edits)


def restarted(**edits: Value) -> str:
    """Return the ad of a completed job that ran three times."""
    return ad_text(RESTARTED, **edits)


def banner(cluster: int = 8, proc: int = 0, *, end_s: int = END_S) -> str:
    """Return the line that 23.9.6 writes behind an ad."""
    return (
        f"*** Offset = 0 ClusterId = {cluster} ProcId = {proc} "
        f'Owner = "alice" CompletionDate = {end_s}\n'
    )


def job(number: int, **edits: Value) -> str:
    """Return the record of the *number*th job of a pool: one ends every ten minutes.

    The jobs differ in all that identifies and times them.
    """
    end_s = END_S + 600 * number
    wall_s = 60 + number % 500
    times: dict[str, Value] = {
        "ClusterId": number,
        "CommittedTime": wall_s,
        "CommittedSlotTime": f"{4 * wall_s}.0",
        "CompletionDate": end_s,
        "CumulativeRemoteUserCpu": f"{wall_s}.0",
        "CumulativeRemoteSysCpu": "1.0",
        "CumulativeSlotTime": f"{4 * wall_s}.0",
        "EnteredCurrentStatus": end_s,
        "GlobalJobId": f'"ap.example.org#{number}.0#{end_s - 2 * HOUR_S}"',
        "JobCurrentStartDate": end_s - wall_s,
        "JobStartDate": end_s - wall_s,
        "LastRemoteWallClockTime": f"{wall_s}.0",
        "QDate": end_s - 2 * HOUR_S,
        "RemoteUserCpu": f"{wall_s}.0",
        "RemoteSysCpu": "1.0",
        "RemoteWallClockTime": f"{wall_s}.0",
    }
    return completed(**{**times, **edits}) + banner(number, end_s=end_s)


def jobs(first: int, last: int) -> str:
    """Return the records of the jobs from *first* to *last*, both included."""
    return "".join(map(job, range(first, last + 1)))


def normalised(
    ad: str, *, config: Config | None = None, around: Surroundings | None = None
) -> Normalised:
    """Return what the probe makes of one ad without neighbours."""
    return normalise(
        parse_ad(ad),
        banner=None,
        schedd=SCHEDD,
        config=config or Config(),
        around=around or Surroundings(),
    )


def record_of(ad: str) -> JobRecord:
    """Return the record that the probe makes of one ad."""
    return normalised(ad).record


def run(
    ledger: Path,
    *histories: Path,
    now: dt.datetime = NOW,
    schedd: str = SCHEDD,
    config: Config | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Run the probe over *histories*, as the command does."""
    return run_probe(
        ledger,
        schedd,
        histories,
        config or Config(),
        now=now,
        reader=READER,
        progress=progress,
    )


def rows(ledger: Path) -> list[dict[str, Any]]:
    """Return all rows of the table ``jobs`` in the order of their keys."""
    found = read_table(ledger, "jobs", jobs_schema()).to_pylist()
    return sorted(found, key=lambda row: (row["cluster_id"], row["proc_id"]))


def clusters(ledger: Path) -> list[int]:
    """Return the cluster of every row, in order; a doubled row is there twice."""
    return [row["cluster_id"] for row in rows(ledger)]


def folder_state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return name, inode, mode and content of every file, to see that none changed."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mode,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
