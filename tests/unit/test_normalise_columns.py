"""Each column of the table ``jobs``: which attribute it comes from, and its unit."""

import datetime as dt

import pytest

from poolmeter.config import Config, ProbeConfig
from poolmeter.record import NETWORK_COLUMNS, job_columns
from tests.ads import (
    END_S,
    HOUR_S,
    NOW,
    Value,
    completed,
    normalised,
    record_of,
    removed,
)

RULES: list[tuple[str, str, dict[str, Value], object]] = [
    ("the cluster", "cluster_id", {"ClusterId": 2**40}, 2**40),
    ("the proc", "proc_id", {"ProcId": 17}, 17),
    ("the whole GlobalJobId", "global_job_id", {"GlobalJobId": '"a#1.0#2"'}, "a#1.0#2"),
    ("the owner", "owner", {"Owner": '"bob"'}, "bob"),
    ("the user", "user", {"User": '"bob@d"'}, "bob@d"),
    ("AcctGroup", "accounting_group", {"AcctGroup": '"g.s"'}, "g.s"),
    ("AcctGroupUser", "accounting_group_user", {"AcctGroupUser": '"b.c@d"'}, "b.c@d"),
    (
        "never AccountingGroup, whose user may hold dots",
        "accounting_group",
        {"AccountingGroup": '"g.b.c@d"'},
        None,
    ),
    ("the project", "project", {"ProjectName": '"p"'}, "p"),
    (
        "the proxy's subject",
        "x509_subject",
        {"x509userproxysubject": '"/DC=x"'},
        "/DC=x",
    ),
    ("the FQAN", "x509_fqan", {"x509UserProxyFirstFQAN": '"/cms/R"'}, "/cms/R"),
    (
        "the token's issuer",
        "token_issuer",
        {"AuthTokenIssuer": '"https://i"'},
        "https://i",
    ),
    (
        "the issuer behind a CE's route",
        "token_issuer",
        {"orig_AuthTokenIssuer": '"https://o"'},
        "https://o",
    ),
    ("the token's subject", "token_subject", {"AuthTokenSubject": '"s"'}, "s"),
    ("the token's groups", "token_groups", {"AuthTokenGroups": '"/a,/b"'}, "/a,/b"),
    ("the payload's user", "payload_user", {"glexec_user": '"pilot1"'}, "pilot1"),
    (
        "the payload's subject",
        "payload_subject",
        {"glexec_x509userproxysubject": '"/CN=p"'},
        "/CN=p",
    ),
    (
        "the payload's start",
        "payload_at",
        {"glexec_time": END_S},
        dt.datetime.fromtimestamp(END_S, dt.UTC),
    ),
    ("the owner as who tagged it", "payload_trust", {"glexec_user": '"p"'}, "owner"),
    ("nobody who tagged nothing", "payload_trust", {}, None),
    ("the universe", "universe", {"JobUniverse": 5}, 5),
    ("wall seconds of all runs", "wall_s", {"RemoteWallClockTime": "7200.0"}, 7200),
    ("wall seconds half-even", "wall_s", {"RemoteWallClockTime": "7200.5"}, 7200),
    ("committed seconds", "committed_s", {"CommittedTime": 7}, 7),
    ("suspended seconds", "suspended_s", {"CumulativeSuspensionTime": 9}, 9),
    ("the starts", "runs", {"NumJobStarts": 3}, 3),
    ("one run where there is wall time", "runs", {"NumJobStarts": 0}, 1),
    (
        "no run without wall time",
        "runs",
        {"NumJobStarts": 0, "RemoteWallClockTime": 0},
        0,
    ),
    ("the shadows", "shadow_starts", {"NumShadowStarts": 4}, 4),
    ("the reconnects", "reconnects", {"NumJobReconnects": 2}, 2),
    ("the holds", "holds", {"NumHolds": 5}, 5),
    ("the vacate reason", "vacate_reason_code", {"VacateReasonCode": 1004}, 1004),
    ("user CPU of all runs", "cpu_user_ms", {"CumulativeRemoteUserCpu": "7.0"}, 7000),
    ("system CPU of all runs", "cpu_system_ms", {"CumulativeRemoteSysCpu": "0.5"}, 500),
    ("cpus of the slot", "cpus_milli", {}, 4000),
    ("cpus of a fractional slot", "cpus_milli", {"CpusProvisioned": "4.5"}, 4500),
    ("the slot's own word", "cpus_milli", {"CpusProvisioned": None}, 4000),
    (
        "the request where no slot is known",
        "cpus_milli",
        {"CpusProvisioned": None, "MachineAttrCpus0": None, "RequestCpus": 3},
        3000,
    ),
    ("the request beside it", "cpus_requested_milli", {"RequestCpus": 3}, 3000),
    ("the slot's GPUs", "gpus", {"GPUsProvisioned": 2, "RequestGPUs": 1}, 2),
    ("the GPUs asked for", "gpus", {"GPUsProvisioned": None, "RequestGPUs": 1}, 1),
    ("no GPUs where none is named", "gpus", {"GPUsProvisioned": None}, None),
    (
        "slot time as core time",
        "core_ms",
        {"CumulativeSlotTime": "28801.0"},
        28_801_000,
    ),
    (
        "wall x cpus without slot time",
        "core_ms",
        {"CumulativeSlotTime": None},
        28_800_000,
    ),
    ("wall x cpus at slot time 0", "core_ms", {"CumulativeSlotTime": 0}, 28_800_000),
    (
        "wall x cpus where a second weighs something else",
        "core_ms",
        {"MachineAttrSlotWeight0": 16, "CumulativeSlotTime": "115200.0"},
        28_800_000,
    ),
    ("the raw resident size", "memory_peak_bytes", {}, 4556 * 1024),
    (
        "the evaluated memory usage without a raw size",
        "memory_peak_bytes",
        {"ResidentSetSize_RAW": None},
        (4750 + 1023) // 1024 * 1024**2,
    ),
    (
        "never the image's size",
        "memory_peak_bytes",
        {"ResidentSetSize_RAW": None, "MemoryUsage": None},
        None,
    ),
    ("the slot's memory", "memory_provisioned_bytes", {}, 4096 * 1024**2),
    (
        "the memory asked for",
        "memory_requested_bytes",
        {"RequestMemory": 9},
        9 * 1024**2,
    ),
    (
        "an expression of memory asked for",
        "memory_requested_bytes",
        {"RequestMemory": "ifThenElse(MemoryUsage > 1, 2 * MemoryUsage, 64)"},
        10 * 1024**2,
    ),
    ("the raw disk usage", "disk_peak_bytes", {"DiskUsage_RAW": 7}, 7 * 1024),
    ("never the rounded disk usage", "disk_peak_bytes", {"DiskUsage_RAW": None}, None),
    ("the slot's disk", "disk_provisioned_bytes", {}, 2048 * 1024),
    ("bytes to the job", "transfer_in_bytes", {"BytesRecvd": "1024.0"}, 1024),
    ("bytes from the job", "transfer_out_bytes", {"BytesSent": "58.0"}, 58),
    (
        "a host with two @",
        "last_remote_host",
        {"LastRemoteHost": '"slot1@2@wn"'},
        "slot1@2@wn",
    ),
    (
        "the pilot's resource first",
        "execute_site",
        {
            "MATCH_EXP_JOBGLIDEIN_Site": '"S"',
            "MachineAttrGLIDEIN_ResourceName0": '"R"',
        },
        "R",
    ),
    ("the pilot's site", "execute_site", {"MATCH_EXP_JOBGLIDEIN_Site": '"S"'}, "S"),
    ("the pool flocked to", "execute_pool", {"LastRemotePool": '"cm"'}, "cm"),
    ("the exit code", "exit_code", {"ExitCode": 3}, 3),
    (
        "the signal of a job that died of it",
        "exit_signal",
        {"ExitBySignal": "true", "ExitSignal": 9},
        9,
    ),
    (
        "no signal that is left over from an evicted run",
        "exit_signal",
        {"ExitBySignal": "false", "ExitSignal": 9},
        None,
    ),
    (
        "no signal without ExitBySignal",
        "exit_signal",
        {"ExitBySignal": None, "ExitSignal": 9},
        None,
    ),
    ("why it was removed", "removal_reason", {"RemoveReason": '"r"'}, "r"),
    (
        "why it is held",
        "hold_reason",
        {"HoldReason": '"now"', "LastHoldReason": '"then"'},
        "now",
    ),
    (
        "why it was held before",
        "hold_reason",
        {"HoldReason": "undefined", "LastHoldReason": '"then"'},
        "then",
    ),
    (
        "the code of the same hold",
        "hold_reason_code",
        {"LastHoldReason": '"then"', "HoldReasonCode": 1, "LastHoldReasonCode": 15},
        15,
    ),
    (
        "the subcode of the same hold",
        "hold_reason_subcode",
        {"HoldReason": '"now"', "HoldReasonSubCode": -2, "LastHoldReasonSubCode": 3},
        -2,
    ),
    ("the DAG", "dag_job_id", {"DAGManJobId": 99}, 99),
    ("the routed job's source", "routed_from", {"RoutedFromJobId": '"1.0"'}, "1.0"),
    ("the source's routed job", "routed_to", {"RoutedToJobId": '"2.0"'}, "2.0"),
    ("the node's speed", "benchmark_scaling", {"MachineAttrApelScaling0": 1.25}, 1.25),
    ("revision 0", "revision", {}, 0),
]


@pytest.mark.parametrize(
    ("column", "edits", "expected"),
    [rule[1:] for rule in RULES],
    ids=[f"{column} is {promise}" for promise, column, *_ in RULES],
)
def test_column(column: str, edits: dict[str, Value], expected: object) -> None:
    assert expected == getattr(record_of(completed(**edits)), column)


#: Columns whose rules need more than one line: they have tests of their own.
ELSEWHERE = {
    "schedd",
    "site",
    "vo",
    "vo_source",
    "x509_vo_name",
    "payloads",
    "job_status",
    "billable",
    "unbilled_reason",
    "queued_at",
    "started_at",
    "last_started_at",
    "ended_at",
    "last_run_wall_s",
    "cpu_scope",
    *NETWORK_COLUMNS,
    "network_other_bytes",
    "network_trust",
    "network_missing_reason",
    "time_trust",
    "contradictions",
    "extra",
}


def test_every_column_has_a_test() -> None:
    tested = {rule[1] for rule in RULES} | ELSEWHERE
    assert {column.name for column in job_columns()} == tested


def test_names_of_attributes_are_case_insensitive() -> None:
    ad = completed(RequestCpus=None, ReQuestCpus=3)
    assert record_of(ad).cpus_requested_milli == 3000


def test_the_last_of_doubled_attributes_counts() -> None:
    ad = completed() + 'EXITCODE = 1\nProjectName = "a"\nprojectname = "b"\n'
    record = record_of(ad)
    assert (record.exit_code, record.project) == (1, "b")


def test_the_configured_site_benchmark_and_attributes_are_kept() -> None:
    config = Config(
        probe=ProbeConfig(
            site="S",
            extra_attributes=("DiskUsage", "memoryusage", "Absent"),
            benchmark_attribute="MachineAttrScale0",
        )
    )
    ad = completed(MachineAttrScale0="0.75", MachineAttrApelScaling0=2)
    record = normalised(ad, config=config).record
    expected = (
        "S",
        0.75,
        {
            "DiskUsage": "15",
            "memoryusage": "((ResidentSetSize + 1023) / 1024)",
        },
    )
    assert expected == (record.site, record.benchmark_scaling, record.extra)


def test_times_of_an_ordinary_job_are_those_of_its_ad() -> None:
    record = record_of(completed())
    at = dt.datetime(2025, 11, 10, 12, tzinfo=dt.UTC)
    hour = dt.timedelta(seconds=HOUR_S)
    expected = (at - 3 * hour, at - 2 * hour, at - 2 * hour, at, 7200)
    assert expected == (
        record.queued_at,
        record.started_at,
        record.last_started_at,
        record.ended_at,
        record.last_run_wall_s,
    )
    assert record.ended_at < NOW


@pytest.mark.parametrize("value", [None, 0, -1, END_S - 20 * 24 * HOUR_S])
def test_a_removed_job_ends_when_it_entered_that_status(value: int | None) -> None:
    """CompletionDate is absent, 0, or left over from before a release."""
    record = record_of(removed(CompletionDate=value))
    expected = ("removed", dt.datetime(2025, 11, 10, 12, tzinfo=dt.UTC))
    assert expected == (record.job_status, record.ended_at)


def test_an_absent_value_is_unknown_and_never_zero() -> None:
    ad = "ClusterId = 1\nProcId = 0\nJobStatus = 3\nEnteredCurrentStatus = 5\n"
    record = record_of(ad)
    numbers = {
        column.name: getattr(record, column.name)
        for column in job_columns()
        if column.storage in ("int8", "int32", "int64", "float64")
    }
    expected = dict.fromkeys(numbers) | {
        "cluster_id": 1,
        "proc_id": 0,
        "runs": 0,
        "revision": 0,
    }
    assert expected == numbers


@pytest.mark.parametrize("value", ["undefined", "error", "1 / 0", "Nowhere", "A + 1"])
def test_an_undefined_value_is_no_number(value: str) -> None:
    """In classad2 an undefined value is the integer 2, an error 1."""
    record = record_of(completed(ExitCode=value, NumHolds=value, ProjectName=value))
    assert (record.exit_code, record.holds, record.project) == (None, None, None)


@pytest.mark.parametrize(
    "value",
    [
        '"many"',
        "true",
        2**63,
        -(2**63) - 1,
        "9" * 50,
        "-5",
        'real("INF")',
        'real("NaN")',
    ],
)
def test_a_number_that_cannot_be_is_left_out_with_a_warning(value: Value) -> None:
    found = normalised(completed(DiskUsage_RAW=value))
    assert found.record.disk_peak_bytes is None
    assert "DiskUsage_RAW" in found.warnings
