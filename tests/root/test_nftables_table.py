"""The table survives a flush with its counts, and a reload with its flows."""

import json
import subprocess
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from collectors.errors import RulesError
from collectors.rules.backend import NodeRules, SiteClass
from collectors.rules.nftables import NftablesBackend
from collectors.rules.nftables_library import NftCommand
from collectors.traffic import Count, Direction, JobCounts, Zone
from tests.root import traffic
from tests.root.hosts import hosts
from tests.root.world import (
    CAMPUS_V4,
    JOB_BLOCK_V4,
    JOB_BLOCK_V6,
    RULES,
    WAN_V4,
    Job,
    World,
    assert_exact,
    attribute_of,
    small_world,
)

EXTERNAL = attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
INTERNAL = attribute_of(Direction.OUTGOING, Zone.INTERNAL)


def send(job: Job, address: str, packets: int = 10) -> None:
    traffic.send_datagrams(job.inside, address, packets, 72)


def test_a_flushed_rule_set_is_rebuilt_with_the_counts_of_the_last_reading(
    world: World,
) -> None:
    with world.job() as job:
        near, far = traffic.tcp_connection(job.inside, world.wan, WAN_V4)
        with near, far:
            send(job, WAN_V4)
            last = job.counts()
            total = world.node.run(world.backend.read).total
            world.node.command(["nft", "flush", "ruleset"])
            missing = world.node.run(world.backend.check)
            assert missing == "table inet poolmeter is missing"
            links = [job.link]
            counts = {job.link.attach_id: last}
            world.node.run(world.backend.install, RULES, links, counts)
            assert world.node.run(world.backend.check) is None
            after = job.counts()
            assert all(after[name].ip_bytes >= last[name].ip_bytes for name in last)
            near.sendall(b"still there")
            assert far.recv(100) == b"still there"
            far.sendall(b"and back")
            assert near.recv(100) == b"and back"
            assert job.counts()[EXTERNAL].packets > last[EXTERNAL].packets
        assert total[Direction.OUTGOING].packets > 0


#: So often the rules are loaded at most until the flood has met both kinds of them.
RELOAD_LIMIT = 1000


def test_a_reload_with_other_networks_keeps_counters_and_loses_no_packet(
    world: World, rounds: Callable[[int, int], int]
) -> None:
    """Under a flood: each packet is one of the old or the new class, none is missed."""
    moved = NodeRules(
        (ip_network("203.0.113.0/24"),),
        JOB_BLOCK_V4,
        JOB_BLOCK_V6,
        (SiteClass("NetworkOutgoingStorage", Direction.OUTGOING, RULES.internal),),
        drop_foreign_forwarding=True,
    )
    with world.job() as job:
        before = job.counts()
        with traffic.flood(job.inside, WAN_V4):
            # On a busy machine the flood may pause for as long as one kind of rules.
            for done in range(RELOAD_LIMIT):
                if done >= rounds(10, 500) and all(grown_packets(job, before)):
                    break
                for rules in (moved, RULES):
                    world.install(rules)
                    assert world.node.run(world.backend.check) is None
        sent = [p for p in job.capture.packets() if str(p.destination) == WAN_V4]
        grown = grown_packets(job, before)
        assert sum(grown) == len(sent)
        assert all(grown)


def grown_packets(job: Job, before: JobCounts) -> list[int]:
    """Return how many packets out were counted as external and as internal since."""
    counts = job.counts()
    return [
        counts[name].packets - before[name].packets for name in (EXTERNAL, INTERNAL)
    ]


def test_site_classes_count_beside_the_six(world: World) -> None:
    storage = (ip_network("10.10.0.0/24"), ip_network("2001:db8:10::/64"))
    views = (
        SiteClass(
            "NetworkOutgoingStorage", Direction.OUTGOING, storage, "udp", (9, 10)
        ),
        SiteClass("NetworkOutgoingOther", Direction.OUTGOING, storage, "tcp", (9,)),
        SiteClass("NetworkOutgoingAll", Direction.OUTGOING, (ip_network("0.0.0.0/0"),)),
        SiteClass("NetworkIncomingDns", Direction.INCOMING, storage, None, (53,)),
    )
    rules = NodeRules(RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, views)
    with world.job() as job:
        world.install(rules)
        before = job.counts()
        for port in (9, 10, 11):
            traffic.send_datagrams(job.inside, CAMPUS_V4, 5, 72, port)
        counts = job.counts()
        assert counts["NetworkOutgoingStorage"] == Count(1000, 10)
        assert counts["NetworkOutgoingOther"] == Count()
        assert counts["NetworkOutgoingAll"].ip_bytes >= 1500
        assert job.grown(before, Direction.OUTGOING, Zone.INTERNAL) == Count(1500, 15)
        world.install(RULES)
        assert "NetworkOutgoingStorage" not in job.counts()
        assert_exact(job)


@pytest.mark.parametrize(
    "damage",
    [
        "delete table inet poolmeter",
        "flush table inet poolmeter",
        "flush chain inet poolmeter source_nat",
        "flush map inet poolmeter from_job",
        "flush map inet poolmeter to_job",
        "flush set inet poolmeter job_devices",
        "flush set inet poolmeter near_v4",
        "flush chain inet poolmeter sent_{id}",
        "add rule inet poolmeter to_job_forward accept",
        "insert rule inet poolmeter received_{id} accept",
    ],
)
def test_damage_is_found_and_mended(world: World, damage: str) -> None:
    with world.job() as job:
        command = damage.format(id=job.link.attach_id)
        assert world.node.run(world.backend.check) is None
        assert world.node.command(["nft", command]).returncode == 0
        assert world.node.run(world.backend.check) is not None
        world.install(RULES)
        assert world.node.run(world.backend.check) is None
        before = job.counts()
        traffic.exchange_datagrams(job.inside, world.campus, CAMPUS_V4, 10, 72)
        for way in Direction:
            assert job.grown(before, way, Zone.INTERNAL) == Count(1000, 10)


def test_every_step_can_be_done_twice(world: World) -> None:
    with world.job() as job:
        send(job, WAN_V4)
        before = job.counts()
        world.node.run(world.backend.setup, job.link)
        assert job.counts()[EXTERNAL] == before[EXTERNAL]
        assert world.node.run(world.backend.check) is None
        for _ in range(2):
            world.node.run(world.backend.teardown, [job.link.attach_id, "ffffffffff"])
        assert world.node.run(world.backend.check) is None


def test_a_refused_transaction_changes_nothing(world: World) -> None:
    no_port = SiteClass(
        "NetworkOutgoingBad", Direction.OUTGOING, RULES.internal, "tcp", (65536,)
    )
    broken = NodeRules(RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, (no_port,))
    with world.job() as job:
        before = world.node.command(["nft", "list", "ruleset"]).stdout
        with pytest.raises(RulesError, match="Service out of range"):
            world.node.run(world.backend.install, broken, [job.link], {})
        assert shape(world.node.command(["nft", "list", "ruleset"]).stdout) == shape(
            before
        )
        assert world.node.run(world.backend.check) is None


def shape(text: str) -> list[str]:
    """Return the lines of a rule set, but for the counts."""
    return [line for line in text.splitlines() if "packets" not in line]


def test_the_nft_command_does_what_the_library_does(
    world: World, tmp_path: Path
) -> None:
    with small_world(tmp_path, NftablesBackend(NftCommand())) as other:
        listed = [
            each.node.command(["nft", "-j", "list", "ruleset"])
            for each in (other, world)
        ]
        assert without_handles(listed[0].stdout) == without_handles(listed[1].stdout)
        with other.job() as job:
            send(job, WAN_V4)
            assert_exact(job)
        other.node.run(other.backend.remove)
        assert other.node.command(["nft", "list", "ruleset"]).stdout == ""


def without_handles(text: str) -> list[dict[str, dict[str, object]]]:
    """Return what is in a rule set, but for numbers and counts that differ by time."""
    found: list[dict[str, dict[str, object]]] = json.loads(text)["nftables"][1:]
    for entry in found:
        for content in entry.values():
            for key in ("handle", "packets", "bytes"):
                content.pop(key, None)
    return found


def test_a_saved_rule_set_can_be_read_again(world: World) -> None:
    """Administrators save and load the rules of a machine as text."""
    limited = NodeRules(RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, (), True, 10)
    with world.job():
        world.install(limited)
        saved = world.node.command(["nft", "list", "ruleset"]).stdout
        world.install(RULES)
    with hosts("empty") as (empty,):
        loaded = empty.run(
            subprocess.run,
            ["nft", "-f", "-"],
            input=saved,
            text=True,
            capture_output=True,
            check=False,
        )
        assert loaded.stderr == ""
        assert empty.command(["nft", "list", "ruleset"]).stdout == saved
