"""A source that is not the job's own: no packet leaves, none is counted as traffic."""

import ipaddress
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.traffic import Count
from tests.root import traffic
from tests.root.capture import Capture, Packet
from tests.root.world import (
    CAMPUS_V4,
    CAMPUS_V6,
    NODE_LAN_V4,
    NODE_LAN_V6,
    NODE_WAN_V4,
    NODE_WAN_V6,
    WAN_V4,
    WAN_V6,
    Job,
    World,
    assert_exact,
)

NOBODY = 65534
PACKETS = 20
PAYLOAD_BYTES = 500
UDP = 17
WAIT_LIMIT_S = 10
#: Where a spoofed packet is sent to: the world, the campus, the node itself.
TARGETS = {4: (WAN_V4, CAMPUS_V4, NODE_LAN_V4), 6: (WAN_V6, CAMPUS_V6, NODE_LAN_V6)}
#: Sources of nobody, of the campus, of the node, of its own loopback, of another slot.
FORGED = {
    4: ("192.0.2.66", CAMPUS_V4, NODE_WAN_V4, "127.0.0.1", "100.64.0.0"),
    6: ("2001:db8:bad::1", CAMPUS_V6, NODE_WAN_V6, "::1", "fd70:6f6f:6c6d::"),
}
#: ``ipv6_rcv`` drops it from any link but lo, before the first hook.
REFUSED_BY_THE_KERNEL = "::1"
IPV6_FREEBIND = 78


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    with world.job() as job:
        yield job


@pytest.mark.parametrize("version", [4, 6])
def test_no_packet_of_a_forged_source_leaves(
    world: World, job: Job, version: int
) -> None:
    """By root within the job, who can write any header."""
    with world.job() as other, Uplinks(world) as uplinks:
        sources = (*FORGED[version], other.address(version))
        for source in sources:
            for target in (*TARGETS[version], other.address(version)):
                send_raw(job, source, target)
        counted = [source for source in sources if source != REFUSED_BY_THE_KERNEL]
        forged = len(counted) * (len(TARGETS[version]) + 1) * PACKETS
        assert_spoofed(job, version, forged)
        assert uplinks.heard() == []
        assert_exact(other)
        assert other.spoofed() == Count()


@pytest.mark.parametrize("target", [WAN_V6, CAMPUS_V6, NODE_LAN_V6])
def test_no_packet_of_an_unprivileged_job_with_freebind_leaves(
    world: World, job: Job, target: str
) -> None:
    send = (
        "import socket, time\n"
        "with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:\n"
        f"    sender.setsockopt(socket.IPPROTO_IPV6, {IPV6_FREEBIND}, 1)\n"
        f"    sender.bind(('2001:db8:bad::1', 0))\n"
        f"    for _ in range({PACKETS}):\n"
        f"        sender.sendto(bytes({PAYLOAD_BYTES}), ('{target}', 9))\n"
    )
    with Uplinks(world) as uplinks:
        done = job.inside.command(["python3", "-c", send], user=NOBODY)
        assert done.returncode == 0, done.stderr
        assert_spoofed(job, 6, PACKETS)
        assert uplinks.heard() == []


@pytest.mark.parametrize("source", ["link-local", "unspecified"])
def test_a_source_that_is_of_the_link_alone_does_not_leave_either(
    world: World, job: Job, source: str
) -> None:
    """Neighbour discovery needs these sources; the kernel forwards none of them."""
    own = job.inside.run(link_local_address) if source == "link-local" else "::"
    with Uplinks(world) as uplinks:
        for target in (WAN_V6, CAMPUS_V6):
            send_raw(job, own, target)
        assert_exact(job)
        assert job.spoofed() == Count()
        assert uplinks.heard() == []


def test_a_packet_that_cannot_be_translated_does_not_leave_with_its_source(
    world: World, job: Job
) -> None:
    """A TCP segment out of nowhere is invalid for connection tracking: no NAT."""
    world.node.sysctl("net/netfilter/nf_conntrack_tcp_loose", "0")
    segment = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 5 << 4, 0x10, 1000, 0, 0)
    try:
        with Uplinks(world) as uplinks:
            for target in (WAN_V4, CAMPUS_V4):
                send_raw(job, job.address(4), target, socket.IPPROTO_TCP, segment)
            assert_exact(job)
            assert uplinks.heard() == []
    finally:
        world.node.sysctl("net/netfilter/nf_conntrack_tcp_loose", "1")


class Uplinks:
    """What arrives at the machines behind both uplinks."""

    def __init__(self, world: World) -> None:
        self._captures = [Capture(host, "eth0") for host in (world.wan, world.campus)]

    def __enter__(self) -> "Uplinks":
        return self

    def __exit__(self, *_: object) -> None:
        for capture in self._captures:
            capture.close()

    def heard(self) -> list[Packet]:
        """Return all that came and is not between the machines' own links."""
        return [
            packet
            for capture in self._captures
            for packet in capture.packets()
            if not packet.outgoing
            and not packet.destination.is_multicast
            # Neighbours look for each other.
            and packet.protocol != socket.IPPROTO_ICMPV6
        ]


def assert_spoofed(job: Job, version: int, packets: int) -> None:
    """Assert that so many were dropped for their source, and nothing else changed."""
    headers = 28 if version == 4 else 48
    assert job.spoofed() == Count(packets * (PAYLOAD_BYTES + headers), packets)
    own = {job.address(4), job.address(6)}

    def with_own_source(found: list[Packet]) -> list[Packet]:
        return [p for p in found if p.outgoing or is_own(p, own)]

    assert_exact(job, with_own_source)


def is_own(packet: Packet, own: set[str]) -> bool:
    """Whether the job may send with this source."""
    source = packet.source
    return str(source) in own or source.is_link_local or source.is_unspecified


def link_local_address() -> str:
    """Return the link-local address of eth0, of the calling thread's machine.

    The kernel gives it some time after the link came up.
    """
    deadline = time.monotonic() + WAIT_LIMIT_S
    while time.monotonic() < deadline:
        lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
        for line in lines:
            if line.startswith("fe80"):
                return str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))
        time.sleep(0.02)
    raise AssertionError("no link-local address")


def send_raw(
    job: Job, source: str, target: str, protocol: int = UDP, content: bytes = b""
) -> None:
    """Send packets whose header says *source*, as root within the job."""
    content = content or struct.pack("!HHHH", 9, 9, 8 + PAYLOAD_BYTES, 0) + bytes(
        PAYLOAD_BYTES
    )
    ends = [ipaddress.ip_address(address) for address in (source, target)]
    packed = b"".join(end.packed for end in ends)
    if ends[0].version == 4:
        total = 20 + len(content)
        fixed = struct.pack("!BBHHHBBH", 0x45, 0, total, 0, 0, 64, protocol, 0)
    else:
        fixed = struct.pack("!IHBB", 6 << 28, len(content), protocol, 64)
    family = traffic.family_of(target)
    with job.inside.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(PACKETS):
            raw.sendto(fixed + packed + content, (target, 0))
