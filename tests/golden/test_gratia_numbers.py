"""Every number of a usage record is the ledger's, as the server has it at the end.

Real histories are read into a ledger and sent to the stand-in; what it made of each
record is held against the job's row.  The project's own histories always run; further
ones where ``POOLMETER_SHARED_DATA`` names a folder that has ``condor-history``.
"""

import dataclasses
import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from poolmeter.config import Config
from poolmeter.demo.run import SCHEDD as DEMO_SCHEDD
from poolmeter.demo.run import bundled_history, demo_config
from poolmeter.record import NETWORK_COLUMNS, job_columns
from probe.run import run_probe
from tests.ads import NOW, SCHEDD, rows
from tests.gratia_server.flatten import Json
from tests.gratia_server.server import running
from tests.unit.gratia_site import GratiaSite, make_site

POOL = Path(__file__).parents[1] / "data" / "pool-23.9.6" / "history"
FOLDER_VARIABLE = "POOLMETER_SHARED_DATA"
#: Before every job of the real histories; some are of 2010.
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

Row = dict[str, Any]


def seconds(value: int | None) -> float | None:
    return value


def seconds_of_ms(value_ms: int | None) -> float | None:
    return None if value_ms is None else value_ms / 1000


def whole(value: int | None) -> str | None:
    return None if value is None else str(value)


def whole_cpus(value_milli: int | None) -> str | None:
    return None if value_milli is None else str(-(-value_milli // 1000))


def kib(value_bytes: int | None) -> str | None:
    return None if value_bytes is None else str(-(-value_bytes // 1024))


def time(value: dt.datetime | None) -> str | None:
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_s(value: dt.datetime | None) -> str | None:
    return None if value is None else str(int(value.timestamp()))


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """Under which key a column arrives, and in which form."""

    key: str
    form: Callable[[Any], str | float | None]


#: Columns with numbers, and what the server has of them; an absent key is null.
SENT = {
    "wall_s": Sent("WallDuration", seconds),
    "committed_s": Sent("TimeDuration_CommittedTime", seconds),
    "suspended_s": Sent("TimeDuration_CumulativeSuspensionTime", seconds),
    "cpu_user_ms": Sent("CpuDuration_user", seconds_of_ms),
    "cpu_system_ms": Sent("CpuDuration_system", seconds_of_ms),
    "runs": Sent("Resource_NumJobStarts", whole),
    "cpus_milli": Sent("Processors", whole_cpus),
    "gpus": Sent("GPUs", whole),
    "memory_peak_bytes": Sent("Memory", kib),
    "universe": Sent("Queue", whole),
    "exit_code": Sent("Resource_ExitCode", whole),
    "exit_signal": Sent("Resource_ExitSignal", whole),
    "network_outgoing_internal_bytes": Sent("Resource_NetworkOutgoingInternal", whole),
    "network_outgoing_external_bytes": Sent("Resource_NetworkOutgoingExternal", whole),
    "network_outgoing_local_bytes": Sent("Resource_NetworkOutgoingLocal", whole),
    "network_incoming_internal_bytes": Sent("Resource_NetworkIncomingInternal", whole),
    "network_incoming_external_bytes": Sent("Resource_NetworkIncomingExternal", whole),
    "network_incoming_local_bytes": Sent("Resource_NetworkIncomingLocal", whole),
    "payload_at": Sent("Resource_glexec_time", unix_s),
    "queued_at": Sent("QueueTime", time),
    "started_at": Sent("StartTime", time),
    "ended_at": Sent("EndTime", time),
}
#: Columns with numbers for which a usage record has no element, by which it is known,
#: or which the server would not add up.
NOT_SENT = {
    *("cluster_id", "proc_id"),  # LocalJobId
    *("last_started_at", "last_run_wall_s", "shadow_starts", "reconnects", "holds"),
    *("vacate_reason_code", "cpus_requested_milli", "core_ms"),
    *("memory_provisioned_bytes", "memory_requested_bytes"),
    *("disk_peak_bytes", "disk_provisioned_bytes"),
    *("transfer_in_bytes", "transfer_out_bytes", "hold_reason_code"),
    *("hold_reason_subcode", "dag_job_id", "benchmark_scaling", "revision"),
}
_NUMBERS = ("int8", "int32", "int64", "float64", "timestamp_ms_utc")


def test_every_column_with_a_number_is_sent_or_listed() -> None:
    numbers = {column.name for column in job_columns() if column.storage in _NUMBERS}

    assert numbers == SENT.keys() | NOT_SENT
    assert not SENT.keys() & NOT_SENT


def pool(site: GratiaSite) -> None:
    """Read the small pool's history."""
    run_probe(site.ledger, SCHEDD, [POOL], site.config, now=NOW)


def demo(site: GratiaSite) -> None:
    """Read the bundled history with its rotations."""
    with bundled_history() as live:
        run_probe(site.ledger, DEMO_SCHEDD, [live], demo_config(), now=NOW)


def shared(site: GratiaSite) -> None:
    """Read the per-job files and the history of others."""
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else None
    if folder is None or not (folder / "condor-history").is_dir():
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with condor-history")
    found = [*folder.glob("pool-*/history"), *per_job_files(folder / "condor-history")]
    for number, path in enumerate(found):
        # Files of several pools: each is a schedd's own, so that no job is another's.
        name = f"ap{number}.example.org"
        run_probe(site.ledger, name, [path], Config(), now=NOW)


def per_job_files(folder: Path) -> Iterator[Path]:
    """Yield the files of one job each."""
    for path in sorted(folder.rglob("history.*")):
        if path.is_file():
            yield path


@pytest.fixture(scope="module", params=[pool, demo, shared], ids=lambda f: f.__name__)
def reported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[Row, Json]]]:
    """Each job's row in the ledger, with what the server made of its record."""
    with running() as server:
        folder = tmp_path_factory.mktemp("gratia")
        site = make_site(folder, server, cutover=LONG_AGO)
        request.param(site)
        site.send()
        found = {
            (str(flat["MachineName"]), str(flat["LocalJobId"])): flat
            for flat in site.delivered()
        }
        assert len(found) == len(site.delivered())
        used = [r for r in rows(site.ledger) if r["unbilled_reason"] != "never_started"]
        assert len(used) == len(found) > 0
        yield [(row, found.pop(job_of(row))) for row in used]
        assert found == {}


def job_of(row: Row) -> tuple[str, str]:
    return row["schedd"], f"{row['cluster_id']}.{row['proc_id']}"


def test_every_number_is_the_ledgers(reported: Sequence[tuple[Row, Json]]) -> None:
    wrong = [
        (job_of(row), column, flat.get(sent.key), row[column])
        for row, flat in reported
        for column, sent in SENT.items()
        if not is_excused(column, row)
        and not is_same(flat.get(sent.key), sent.form(row[column]))
    ]
    assert wrong == []


def is_same(stored: object, expected: str | float | None) -> bool:
    """Whether *stored* is *expected*; the server cuts durations off behind the ns."""
    if isinstance(stored, int | float) and isinstance(expected, int | float):
        return round(stored * 1000) == round(expected * 1000)
    return stored == expected


def is_excused(column: str, row: Row) -> bool:
    """Whether the record rightly does not have the column's own value.

    The CPU time of the last run does not belong beside the wall time of all, and GRACC
    takes no record whose start lies after its end or is missing.
    """
    if column in ("cpu_user_ms", "cpu_system_ms"):
        return bool(row["cpu_scope"] == "last_run" and row["runs"] > 1)
    if column == "started_at":
        return row[column] is None or bool(row[column] > row["ended_at"])
    return False


def test_sums_are_of_the_same_scope(reported: Sequence[tuple[Row, Json]]) -> None:
    for row, flat in reported:
        counts = [row[name] for name in NETWORK_COLUMNS if row[name] is not None]
        assert flat.get("Network") == (str(sum(counts)) if counts else None)
        parts = [flat.get(f"CpuDuration_{kind}", 0) for kind in ("user", "system")]
        assert flat["CpuDuration"] == pytest.approx(sum(map(float, parts)))
        assert flat["Njobs"] == "1"


def test_every_record_can_be_accounted_for(
    reported: Sequence[tuple[Row, Json]],
) -> None:
    """GRACC leaves out what has no start, and cannot date what has no end."""
    for _, flat in reported:
        assert "1970-01-02" < str(flat["StartTime"]) <= str(flat["EndTime"])
