"""The test pool itself: what the other tests of HTCondor rest on."""

import sys

import pytest

from tests.pool.errors import AwaitedError, PoolError
from tests.pool.eventlog import EVICTED, HELD, TERMINATED, JobId
from tests.pool.pool import Pool

# The procd puts a job into its cgroup after the start: what it takes before that is
# counted elsewhere, so this one takes its memory a second later.
BURN = """
import time

def burn(cpu_s):
    while time.process_time() < cpu_s:
        sum(range(100_000))

burn(1)
memory = b"x" * 150_000_000
burn(4)
"""
BURN_JOB = """\
executable = /usr/bin/python3
arguments = /pool/burn.py
request_memory = 256
"""
SLEEP = "executable = /usr/bin/sleep\narguments = 600\n"


def shell_job(script: str) -> str:
    """Return the submit description of a job that runs *script*."""
    quoted = script.replace('"', '""').replace("'", "''")
    return f"executable = /bin/sh\narguments = \"-c '{quoted}'\"\n"


def test_a_job_runs_to_completion_and_is_in_the_history(pool: Pool) -> None:
    job = pool.ap.submit_one("executable = /usr/bin/true")
    pool.ap.await_end(job)
    record = pool.ap.record(job)
    assert (record["JobStatus"], record["ExitCode"], record["Owner"]) == (4, 0, "alice")
    assert f"ClusterId = {job.cluster_id}\n" in pool.ap.history_file.read_text()
    assert pool.ap.epoch_file.exists()
    names = [file.name for file in pool.ap.per_job_folder.iterdir()]
    assert f"history.{job}" in names


def test_cpu_and_memory_of_a_job_are_what_it_used(pool: Pool) -> None:
    pool.outside("/pool/burn.py").write_text(BURN)
    job = pool.ap.submit_one(BURN_JOB)
    pool.ap.await_end(job)
    record = pool.ap.record(job)
    # User and system time are each cut to whole seconds.
    assert 2 <= record["RemoteUserCpu"] + record["RemoteSysCpu"] <= 8
    assert 140_000 <= record["ResidentSetSize_RAW"] <= 300_000


def test_the_servers_count_what_a_job_moves_on_each_net(pool: Pool) -> None:
    campus_before, wan_before = pool.campus.counts(), pool.wan.counts()
    script = "set -e\n"
    for net, get, put in ((pool.campus, 1_000_000, 2_000_000), (pool.wan, 3000, 4000)):
        for host in (net.address, f"[{net.address_v6}]"):
            script += f"curl -sf -o /dev/null http://{host}/bytes/{get}\n"
            script += f"head -c {put} /dev/zero | curl -sf -T - http://{host}/x\n"
    job = pool.ap.submit_one(shell_job(script.replace("\n", ";")))
    pool.ap.await_end(job)
    assert pool.ap.record(job)["ExitCode"] == 0
    for now, before, sent, received in (
        (pool.campus.counts(), campus_before, 2_000_000, 4_000_000),
        (pool.wan.counts(), wan_before, 6000, 8000),
    ):
        assert now["http_octets_sent"] - before.get("http_octets_sent", 0) == sent
        more = now["http_octets_received"] - before.get("http_octets_received", 0)
        assert more == received


def test_udp_and_dns_are_answered_and_counted(pool: Pool) -> None:
    before = pool.wan.counts()
    ask = "import socket as s; u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.settimeout(9);"
    ask += "u.sendto(bytes(1200), ('203.0.113.1', 7)); print(len(u.recv(9999)))"
    assert pool.run(["python3", "-c", ask]).stdout == "1200\n"
    now = pool.wan.counts()
    assert now["udp_octets_received"] - before.get("udp_octets_received", 0) == 1200
    queries = pool.campus.counts().get("dns_queries", 0)
    told = pool.run(["getent", "ahostsv4", "data.wan.example"], user="bob").stdout
    assert told.split()[0] == pool.wan.address
    assert pool.campus.counts()["dns_queries"] > queries


def test_the_kernel_counts_the_wire_of_a_net(pool: Pool) -> None:
    before = pool.wan.wire()
    pool.run(["curl", "-sf", "-o", "/dev/null", "http://203.0.113.1/bytes/500000"])
    now = pool.wan.wire()
    assert 500_000 < now["tx_octets"] - before["tx_octets"] < 550_000
    assert 0 < now["rx_octets"] - before["rx_octets"] < 50_000


def test_hold_release_vacate_qedit_and_remove_do_what_they_say(pool: Pool) -> None:
    job = pool.ap.submit_one(SLEEP)
    pool.ap.await_running(job)
    pool.ap.hold(job)
    assert pool.ap.await_attribute(job, "JobStatus", 5) == 5
    pool.ap.qedit(job, ProjectName='"Edited"')
    pool.ap.release(job)
    pool.ap.await_runs(job, 2)
    pool.ap.vacate(job)
    pool.ap.await_runs(job, 3)
    pool.ap.remove(job)
    pool.ap.await_end(job)
    record = pool.ap.record(job)
    assert record["JobStatus"] == 3
    assert record["ProjectName"] == "Edited"
    assert record["NumShadowStarts"] == 3
    numbers = [event.number for event in pool.ap.events.events() if event.job == job]
    assert HELD in numbers
    assert EVICTED in numbers
    assert TERMINATED not in numbers


def test_a_gate_holds_a_job_until_it_is_opened(pool: Pool) -> None:
    gate = pool.gate("test")
    job = pool.ap.submit_one(shell_job(f"read go < {gate.path}"))
    pool.ap.await_running(job)
    assert [ad["JobStatus"] for ad in pool.ap.queue(str(job))] == [2]
    gate.let_on()
    pool.ap.await_end(job)
    gate.close()


def test_a_killed_starter_leads_to_another_run(pool: Pool) -> None:
    job = pool.ap.submit_one(SLEEP)
    pool.ap.await_running(job)
    pool.kill("starter")
    pool.ap.await_runs(job, 2)
    pool.ap.remove(job)
    pool.ap.await_end(job)


def test_configuration_can_be_changed_for_a_while(pool: Pool) -> None:
    ask = ["condor_config_val", "-schedd", "SYSTEM_JOB_MACHINE_ATTRS"]
    with pool.configured("SYSTEM_JOB_MACHINE_ATTRS = Cpus TotalSlots"):
        assert pool.run(ask).stdout.strip() == "Cpus TotalSlots"
    assert pool.run(ask).stdout.strip() != "Cpus TotalSlots"


def test_a_failed_command_is_an_error_with_its_words(pool: Pool) -> None:
    with pytest.raises(PoolError, match=r"exits with 2: .*nothing-here"):
        pool.run(["ls", "/nothing-here"])


def test_an_event_that_does_not_come_is_an_error(pool: Pool) -> None:
    with pytest.raises(AwaitedError, match=r"event \(5,\) of job 999\.0"):
        pool.ap.await_event(JobId(999, 0), TERMINATED, timeout_s=0.2)


def test_our_own_python_runs_inside(pool: Pool) -> None:
    told = pool.run(
        [sys.executable, "-c", "import poolmeter; print(poolmeter.__file__)"]
    )
    assert told.stdout.strip().endswith("poolmeter/__init__.py")
