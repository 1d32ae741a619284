"""Every way that a job's packets can take is counted, and in the right class."""

import socket
from collections.abc import Iterator

import pytest

from collectors.traffic import Count, Direction, Zone
from tests.root import traffic
from tests.root.capture import Capture
from tests.root.world import (
    CAMPUS_EDGES,
    CAMPUS_V4,
    CAMPUS_V6,
    FAR_V4,
    FAR_V6,
    NODE_LAN_V4,
    NODE_LAN_V6,
    NODE_WAN_V4,
    NODE_WAN_V6,
    OUTSIDE_EDGES,
    WAN_V4,
    WAN_V6,
    Job,
    World,
    assert_exact,
    zone_of,
)

DATAGRAMS = 100
PAYLOAD_BYTES = 1000
NOBODY = 65534

EXTERNAL = (WAN_V4, WAN_V6, FAR_V4, FAR_V6, "240.0.0.1", "198.18.0.1", *OUTSIDE_EDGES)
INTERNAL = (CAMPUS_V4, CAMPUS_V6, *CAMPUS_EDGES)
NODE_ITSELF = (NODE_WAN_V4, NODE_WAN_V6, NODE_LAN_V4, NODE_LAN_V6)
NOT_ROUTED = (
    "224.0.0.251",
    "239.255.77.1",
    "255.255.255.255",
    "203.0.113.255",
    "10.10.0.255",
    "169.254.169.254",
    "ff02::fb",
    "ff05::1:3",
    "ff0e::77",
)
ROWS = [
    *((address, Zone.EXTERNAL) for address in EXTERNAL),
    *((address, Zone.INTERNAL) for address in INTERNAL),
    *((address, Zone.LOCAL) for address in (*NODE_ITSELF, *NOT_ROUTED)),
]


@pytest.fixture(scope="module")
def job(world: World) -> Iterator[Job]:
    with world.job() as job:
        yield job


@pytest.mark.parametrize(("address", "zone"), ROWS)
def test_what_a_job_sends_is_counted_in_one_class(
    job: Job, address: str, zone: Zone
) -> None:
    before = job.counts()
    traffic.send_datagrams(job.inside, address, DATAGRAMS, PAYLOAD_BYTES)
    assert_exact(job)
    headers = 28 if ":" not in address else 48
    count = job.grown(before, Direction.OUTGOING, zone)
    if zone is Zone.LOCAL:
        assert count.packets >= DATAGRAMS
        assert count.ip_bytes >= DATAGRAMS * (PAYLOAD_BYTES + headers)
    else:
        expected = Count(DATAGRAMS * (PAYLOAD_BYTES + headers), DATAGRAMS)
        assert count == expected
    # The oracle of the class is the definition, not the expected value above.
    assert zone_of(address) is zone


@pytest.mark.parametrize("version", [4, 6])
def test_names_asked_of_the_node_are_counted_both_ways(
    world: World, job: Job, version: int
) -> None:
    """The node's end of the link is an address of the node, too."""
    pair = job.link.ipv4 if version == 4 else job.link.ipv6
    assert pair is not None
    before = job.counts()
    exchanged = traffic.exchange_datagrams(
        job.inside, world.node, str(pair.node.ip), DATAGRAMS, 60
    )
    assert exchanged == DATAGRAMS
    assert_exact(job)
    for way in Direction:
        assert job.grown(before, way, Zone.LOCAL).packets >= DATAGRAMS


@pytest.mark.parametrize("version", [4, 6])
def test_another_job_is_local_and_gets_nothing(
    world: World, job: Job, version: int
) -> None:
    with world.job() as other, Capture(other.inside, "eth0") as heard:
        before, theirs = job.counts(), other.counts()
        target = other.address(version)
        traffic.send_datagrams(job.inside, target, DATAGRAMS, PAYLOAD_BYTES)
        assert_exact(job)
        assert_exact(other)
        sent = job.grown(before, Direction.OUTGOING, Zone.LOCAL)
        assert sent.ip_bytes >= DATAGRAMS * PAYLOAD_BYTES
        got = other.grown(theirs, Direction.INCOMING, Zone.LOCAL)
        assert got.ip_bytes < PAYLOAD_BYTES
        source = job.address(version)
        assert not [p for p in heard.packets() if str(p.source) == source]


def test_an_address_of_no_job_is_local_and_does_not_leave(
    world: World, job: Job
) -> None:
    with (
        Capture(world.wan, "eth0") as wan,
        Capture(world.campus, "eth0") as campus,
    ):
        before = job.counts()
        for address in ("100.64.31.77", "fd70:6f6f:6c6d::1f77"):
            traffic.send_datagrams(job.inside, address, DATAGRAMS, PAYLOAD_BYTES)
        assert_exact(job)
        sent = job.grown(before, Direction.OUTGOING, Zone.LOCAL)
        assert sent.ip_bytes >= 2 * DATAGRAMS * PAYLOAD_BYTES
        left = [p for p in (*wan.packets(), *campus.packets()) if p.ip_bytes > 1000]
        assert left == []


def test_a_packet_that_is_dropped_on_its_way_was_sent(world: World, job: Job) -> None:
    world.node.command(["nft", "add table inet firewall"])
    hook = "{ type filter hook forward priority 10; policy drop; }"
    world.node.command(["nft", f"add chain inet firewall forward {hook}"])
    try:
        before = job.counts()
        traffic.send_datagrams(job.inside, WAN_V4, DATAGRAMS, PAYLOAD_BYTES)
        assert_exact(job)
        assert job.grown(before, Direction.OUTGOING, Zone.EXTERNAL).packets == DATAGRAMS
    finally:
        world.node.command(["nft", "delete table inet firewall"])


def test_both_directions_of_a_redirected_connection_are_one_class(
    world: World, job: Job
) -> None:
    """A transparent proxy on the node: the job sees the address that it asked for."""
    world.node.command(["nft", "add table ip proxy"])
    hook = "{ type nat hook prerouting priority -100; }"
    world.node.command(["nft", f"add chain ip proxy prerouting {hook}"])
    rule = (
        f"add rule ip proxy prerouting ip daddr {FAR_V4} udp dport 9 redirect to 3128"
    )
    world.node.command(["nft", rule])
    try:
        before = job.counts()
        with world.node.socket(socket.AF_INET) as proxy:
            proxy.bind(("0.0.0.0", 3128))  # noqa: S104 - in a namespace
            with job.inside.socket(socket.AF_INET) as client:
                client.sendto(bytes(500), (FAR_V4, 9))
                _, asker = proxy.recvfrom(2000)
                proxy.sendto(bytes(700), asker)
                _, answered = client.recvfrom(2000)
        assert answered == (FAR_V4, 9)
        assert_exact(job)
        assert job.grown(before, Direction.OUTGOING, Zone.EXTERNAL) == Count(528, 1)
        assert job.grown(before, Direction.INCOMING, Zone.EXTERNAL) == Count(728, 1)
    finally:
        world.node.command(["nft", "delete table ip proxy"])


def test_a_frame_that_is_no_ip_packet_needs_a_right_that_jobs_do_not_have(
    job: Job,
) -> None:
    open_packet_socket = (
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
    )
    done = job.inside.command(["python3", "-c", open_packet_socket], user=NOBODY)
    assert "PermissionError" in done.stderr


def test_a_nested_namespace_of_an_unprivileged_job_reaches_nothing(job: Job) -> None:
    before = job.counts()
    send = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        f".sendto(b'x', ('{WAN_V4}', 9))"
    )
    nested = ["unshare", "--user", "--map-root-user", "--net", "python3", "-c", send]
    done = job.inside.command(nested, user=NOBODY)
    assert "Network is unreachable" in done.stderr
    assert_exact(job)
    assert job.grown(before, Direction.OUTGOING, Zone.EXTERNAL) == Count()
