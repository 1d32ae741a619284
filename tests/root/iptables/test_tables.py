"""Tables that somebody flushes, zeroes or alters: found, and mended with the counts."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from collectors.errors import RulesError
from collectors.job_link import AddressPair, JobLink
from collectors.links.conntrack import list_flows
from collectors.rules.backend import NodeRules, SiteClass
from collectors.rules.iptables import IptablesBackend
from collectors.rules.xtables_rule import Family
from collectors.traffic import Count, Direction, Zone
from tests.root import traffic
from tests.root.test_nftables_table import (  # noqa: F401 - these tests run here, too
    test_a_reload_with_other_networks_keeps_counters_and_loses_no_packet,
    test_every_step_can_be_done_twice,
    test_site_classes_count_beside_the_six,
)
from tests.root.world import (
    CAMPUS_V4,
    JOB_BLOCK_V4,
    JOB_BLOCK_V6,
    RULES,
    WAN_V4,
    WAN_V6,
    Job,
    World,
    attribute_of,
)

pytestmark = pytest.mark.needs("iptables")

EXTERNAL = attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
#: What another program may do, and whether counters are lost with it.
DAMAGE = {
    "iptables-legacy -t mangle -F": True,
    "iptables-legacy -t mangle -Z": True,
    "ip6tables-legacy -t mangle -F": True,
    "iptables-legacy -t mangle -F PREROUTING": False,
    "iptables-legacy -t mangle -I PREROUTING -j ACCEPT": False,
    "iptables-legacy -t mangle -F PM-OutgoingExternal-{digits}": True,
    "iptables-legacy -t filter -F": False,
    "iptables-legacy -t filter -D FORWARD 1": False,
    "ip6tables-legacy -t nat -F POSTROUTING": False,
}


def send(job: Job, address: str, packets: int = 10) -> None:
    traffic.send_datagrams(job.inside, address, packets, 72)


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    with world.job() as job:
        # Answered, so that none still waits for its neighbour's address.
        for address in (WAN_V4, WAN_V6):
            traffic.exchange_datagrams(job.inside, world.wan, address, 10, 72)
        yield job


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_by_a_reading_and_mended_with_the_counts(
    world: World, job: Job, damage: str
) -> None:
    last = job.counts()
    digits = job.link.attach_id[:2]
    done = world.node.command(damage.format(digits=digits).split())
    assert done.returncode == 0, done.stderr

    reading = world.node.run(world.backend.read)
    assert job.link.attach_id not in reading.jobs
    counts = {job.link.attach_id: last}
    world.node.run(world.backend.install, RULES, [job.link], counts)

    assert world.node.run(world.backend.check) is None
    if DAMAGE[damage]:
        assert job.counts()[EXTERNAL] == last[EXTERNAL]
    before = job.counts()
    traffic.exchange_datagrams(job.inside, world.campus, CAMPUS_V4, 10, 72)
    for way in Direction:
        assert job.grown(before, way, Zone.INTERNAL) == Count(1000, 10)
    send(job, WAN_V6)
    assert job.grown(before, Direction.OUTGOING, Zone.EXTERNAL) == Count(1200, 10)


@pytest.fixture(autouse=True)
def without_foreign_rules(world: World) -> Iterator[None]:
    """What a test did to the tables ends with it."""
    yield
    rule = "iptables-legacy -t mangle -D PREROUTING -j ACCEPT"
    world.node.command(rule.split())


@pytest.mark.usefixtures("job")
def test_what_others_have_in_the_tables_stays(world: World) -> None:
    rule = "PREROUTING -s 192.0.2.1/32"
    world.node.command(f"iptables-legacy -t mangle -A {rule}".split())
    world.install(RULES)
    saved = world.node.command(["iptables-legacy-save", "-t", "mangle"]).stdout
    assert f"-A {rule}" in saved
    world.node.command(f"iptables-legacy -t mangle -D {rule}".split())


def test_killed_processes_are_started_again(world: World, job: Job) -> None:
    before = job.counts()
    for process in processes(world):
        process.kill()
        process.wait()
    assert job.counts()[EXTERNAL] == before[EXTERNAL]
    assert world.node.run(world.backend.check) is None


def test_a_process_that_is_killed_at_work_is_one_clear_error(world: World) -> None:
    """It is held up by the lock, so that it cannot have answered."""
    lock = os.environ["XTABLES_LOCKFILE"]
    with world.job() as job, Path(lock).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = processes(world)[0]
        killer = threading.Timer(0.2, process.kill)
        killer.start()
        with pytest.raises(
            RulesError, match="iptables process for ipv4: found it ended"
        ):
            world.node.run(world.backend.read)
        killer.join()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert job.counts()


def processes(world: World) -> list[subprocess.Popen[bytes]]:
    """Return the processes of both families."""
    assert isinstance(world.backend, IptablesBackend)
    running = [world.backend._processes[family]._running for family in Family]
    return [each.process for each in running if each]


def test_a_job_that_is_refused_in_one_family_is_in_none(world: World) -> None:
    with world.job() as good:
        wrong = AddressPair(good.link.ipv4.node, good.link.ipv4.job)
        link = JobLink("ffffffffff", 9, good.link.ipv4, wrong)
        with pytest.raises(RulesError):
            world.node.run(world.backend.setup, link)
        assert world.node.run(world.backend.check) is None
        saved = world.node.command(["iptables-legacy-save", "-t", "mangle"]).stdout
        assert link.device not in saved
        assert good.device in saved


def test_a_view_with_a_long_name_and_many_ports_counts_each_packet_once(
    world: World,
) -> None:
    """The chain's name is a hash, ports take several rules, networks overlap."""
    name = "NetworkOutgoingToTheTapesOfTheOtherComputingCentre"
    networks = (ip_network("10.0.0.0/8"), ip_network("10.10.0.0/16"))
    view = SiteClass(name, Direction.OUTGOING, networks, "udp", tuple(range(1, 40)))
    with world.job() as job:
        world.install(NodeRules(RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, (view,)))
        traffic.send_datagrams(job.inside, CAMPUS_V4, 5, 72, 9)
        traffic.send_datagrams(job.inside, CAMPUS_V4, 5, 72, 39)
        traffic.send_datagrams(job.inside, CAMPUS_V4, 5, 72, 40)
        assert job.counts()[name] == Count(1000, 10)
        world.install(RULES)


def test_a_job_gets_no_more_flows_than_its_limit(world: World) -> None:
    limited = NodeRules(
        RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, flows_per_job_limit=20
    )
    with world.job() as job, world.job() as other:
        world.install(limited)
        with job.capture, other.capture:
            for port in range(100, 150):
                traffic.send_datagrams(job.inside, WAN_V4, 1, 72, port)
            traffic.exchange_datagrams(other.inside, world.wan, WAN_V4, 5, 72)
        flows = world.node.run(_flow_count, job.address(4))
        world.install(RULES)
    assert flows == 20


def _flow_count(address: str) -> int:
    return len(list_flows([IPv4Address(address)]))


def test_remove_leaves_nothing(world: World) -> None:
    try:
        world.node.run(world.backend.remove)
        for command in ("iptables-legacy-save", "ip6tables-legacy-save"):
            saved = world.node.command([command]).stdout
            assert "POOLMETER" not in saved
            assert "PM-" not in saved
            assert "-A " not in saved
    finally:
        world.install(RULES)
