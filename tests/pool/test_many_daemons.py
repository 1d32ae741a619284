"""Pools of several machines, several daemons of a kind, a routed pair of schedds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.condor_config import Machine
from tests.pool.eventlog import JobId
from tests.pool.pool import Pool

TRUE = "executable = /usr/bin/true"
MACHINES = (
    Machine("node1", 2, schedds=("second",), startds=("more",)),
    Machine("ap2", 3, ("Submit",)),
    Machine("node2", 4, ("Execute",)),
    Machine("ce", 5, ("CE",)),
)


@pytest.fixture(scope="module")
def farm(pool_files: Path) -> Iterator[Pool]:
    """A pool of four machines: four schedds, three startds, a router."""
    assert pool_files.is_dir()
    with Pool(machines=MACHINES) as running:
        yield running


@pytest.mark.parametrize("schedd", ["node1", "second", "ap2"])
def test_each_schedd_runs_its_jobs_and_keeps_its_own_history(
    farm: Pool, schedd: str
) -> None:
    ap = farm.access_point(schedd)
    job = ap.submit_one(f'{TRUE}\n+ProjectName = "Of_{schedd}"')
    ap.await_end(job)
    assert ap.record(job)["ProjectName"] == f"Of_{schedd}"
    assert f"Of_{schedd}" in ap.history_file.read_text()
    others = {"node1", "second", "ap2"} - {schedd}
    for other in others:
        file = farm.access_point(other).history_file
        assert not file.exists() or f"Of_{schedd}" not in file.read_text()


@pytest.mark.parametrize(
    "startd",
    ["node1.campus.example", "more@node1.campus.example", "node2.campus.example"],
)
def test_a_job_can_ask_for_each_startd(farm: Pool, startd: str) -> None:
    wish = f'requirements = regexp("^slot1[_0-9]*@{startd}$", TARGET.Name)'
    job = farm.ap.submit_one(f"{TRUE}\n{wish}")
    farm.ap.await_end(job)
    assert farm.ap.record(job)["LastRemoteHost"] == f"slot1_1@{startd}"


def test_a_schedd_on_another_machine_has_its_own_address_and_name(farm: Pool) -> None:
    told = farm.run(
        ["sh", "-c", "hostname -I; ip -br -4 address"], machine="ap2"
    ).stdout
    assert "10.10.0.3" in told
    assert "10.10.0.2/" not in told
    node = farm.pids("startd")
    assert len(node) == 3
    events = (farm.access_point("ap2").folder, farm.ap.folder)
    assert events[0] != events[1]


def test_a_routed_job_is_in_both_histories(farm: Pool) -> None:
    ce = farm.access_point("ce")
    source = ce.submit_one("executable = /usr/bin/sleep\narguments = 3")
    ce.await_end(source)
    record = ce.record(source)
    cluster, proc = record["RoutedToJobId"].split(".")
    # The router lets it go once it has copied what it needs.
    target = JobId(int(cluster), int(proc))
    farm.ap.await_end(target)
    routed = farm.ap.record(target)
    assert routed["RoutedFromJobId"] == str(source)
    assert routed["JobUniverse"] == record["JobUniverse"] == 5
    assert routed["RemoteWallClockTime"] >= 3
    assert routed["RemoteWallClockTime"] == record["RemoteWallClockTime"]
