"""Ads as old versions wrote them; made up, with the traits of real ones."""

import datetime as dt
import os
from pathlib import Path

from poolmeter.errors import ExitCode
from tests.ads import NOW, normalised, record_of, rows, run

#: 7.4: TRUE and FALSE, no order, no resident size, no cumulative CPU, ProcId late.
AD_7_4 = """\
MyType = "Job"
TargetType = "Machine"
NumJobStarts = 1
ClusterId = 4711
QDate = 1290670000
CompletionDate = 1290672370
Owner = "vo1pilot"
RemoteWallClockTime = 910.000000
LocalUserCpu = 0.000000
RemoteUserCpu = 0.000000
RemoteSysCpu = 1.000000
ExitStatus = 0
CommittedTime = 910
CumulativeSuspensionTime = 0
ExitBySignal = FALSE
CondorVersion = "$CondorVersion: 7.4.3 Aug  4 2010 BuildID: 1 $"
Iwd = "/home/vo1pilot"
JobUniverse = 5
ImageSize = 500
DiskUsage = 1
RequestCpus = 1
LeaveJobInQueue = FALSE
x509userproxysubject = "/DC=org/DC=example/CN=Pilot 1"
x509UserProxyVOName = "vo1"
GlobalJobId = "ce.example.org#1290670000#4711.0"
ProcId = 0
WantRemoteIO = TRUE
JobStartDate = 1290671460
JobCurrentStartDate = 1290671460
LastJobStatus = 2
JobStatus = 4
EnteredCurrentStatus = 1290672370
LastRemoteHost = "wn1.example.org"
ExitCode = 0
LastRemoteWallClockTime = 910.000000
User = "vo1pilot@example.org"
"""

#: 8.3.8: attributes doubled by whoever wrote the file, the last one counts.
AD_8_3_8 = """\
ClusterId = 815
ProcId = 0
MyType = "Job"
JobStatus = 2
RemoteWallClockTime = 0.0
RemoteUserCpu = 0.0
RemoteSysCpu = 0.0
ResidentSetSize = 17
Owner = "cms0001"
GlobalJobId = "crab-1@sub.example.org#815.0#1456067425"
QDate = 1456067425
JobStartDate = 1456072906
JobCurrentStartDate = 1456072906
CompletionDate = 0
EnteredCurrentStatus = 1456072906
JobUniverse = 5
NumJobStarts = 1
ReQuestCpus = 1
RequestMemory = 2000
MemoryUsage = ( ( ResidentSetSize + 1023 ) / 1024 )
x509UserProxyVOName = "cms"
x509UserProxyFirstFQAN = "/cms/Role=NULL/Capability=NULL"
MATCH_EXP_JOBGLIDEIN_CMSSite = "T2_XX_Example"
CommittedTime = 1270
LastRemoteHost = "glidein_1@wn2.example.org"
ExitBySignal = false
ExitCode = 0
JobStatus = 4
RemoteWallClockTime = 1270.0
LastRemoteWallClockTime = 1270.0
RemoteUserCpu = 861.0
RemoteSysCpu = 121.0
ResidentSetSize = 1000000
ResidentSetSize_RAW = 883844
CompletionDate = 1456074176
EnteredCurrentStatus = 1456074176
"""


def test_a_job_of_7_4_is_read_as_it_is() -> None:
    found = normalised(AD_7_4)
    record = found.record
    assert (found.warnings, record.contradictions) == ({}, ())
    expected = (4711, 0, 910, 910_000, 1000, "vo1", True)
    assert expected == (
        record.cluster_id,
        record.proc_id,
        record.wall_s,
        record.core_ms,
        record.cpus_milli,
        record.vo,
        record.billable,
    )


def test_a_job_of_7_4_has_no_memory_for_its_image_size_is_none() -> None:
    record = record_of(AD_7_4)
    assert (record.memory_peak_bytes, record.memory_provisioned_bytes) == (None, None)


def test_a_job_of_7_4_has_the_cpu_time_of_its_last_run() -> None:
    record = record_of(AD_7_4)
    expected = (0, 1000, "last_run")
    assert expected == (record.cpu_user_ms, record.cpu_system_ms, record.cpu_scope)


def test_a_job_of_8_3_8_has_the_last_of_its_doubled_values() -> None:
    record = record_of(AD_8_3_8)
    expected = (1270, 861_000, 121_000, "last_run", 883_844 * 1024, "cms", ())
    assert expected == (
        record.wall_s,
        record.cpu_user_ms,
        record.cpu_system_ms,
        record.cpu_scope,
        record.memory_peak_bytes,
        record.vo,
        record.contradictions,
    )
    assert record.ended_at == dt.datetime(2016, 2, 21, 17, 2, 56, tzinfo=dt.UTC)
    assert record.execute_site == "T2_XX_Example"


def test_a_per_job_file_is_one_record(tmp_path: Path) -> None:
    history = tmp_path / "history.4711.0"
    history.write_text(AD_7_4)
    assert run(tmp_path / "ledger", history).exit_code == ExitCode.DONE
    (row,) = rows(tmp_path / "ledger")
    assert (row["cluster_id"], row["wall_s"]) == (4711, 910)
    again = run(tmp_path / "ledger", history)
    assert (again.read, again.exit_code) == (0, ExitCode.DONE)


def test_a_file_with_one_ad_and_no_banner_is_read_when_it_is_at_rest(
    tmp_path: Path,
) -> None:
    """A live history whose first record is being written looks the same."""
    history = tmp_path / "job.ad"
    history.write_text(AD_8_3_8)
    ledger = tmp_path / "ledger"
    now_s = NOW.timestamp()
    os.utime(history, (now_s, now_s))
    assert run(ledger, history).read == 0
    os.utime(history, (now_s - 60, now_s - 60))
    assert run(ledger, history).read == 1
    assert [row["wall_s"] for row in rows(ledger)] == [1270]
