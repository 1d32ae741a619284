"""Fragments are counted as the one packet that they are parts of.

Connection tracking puts them together (-400) before they are counted (-300), and what
the job receives is cut only after it was counted.  So the capture has, beyond the
count: in IPv4 20 bytes for each further fragment; in IPv6 48 bytes (header and fragment
header) for each further fragment, and 8 for the first one's fragment header.
"""

import dataclasses
import enum
from collections.abc import Iterator

import pytest

from collectors.traffic import Direction
from tests.root import traffic
from tests.root.capture import Packet
from tests.root.test_exactness import SERVERS
from tests.root.world import (
    CAMPUS_V6,
    NODE_LAN_V4,
    NODE_WAN_V6,
    WAN_V4,
    Job,
    World,
    assert_exact,
)

DATAGRAMS = 50
PAYLOAD_BYTES = 8000
FRAGMENT_HEADER = 44
#: What each fragment has of headers, and the whole packet.
HEADERS_BYTES = {4: (20, 20), 6: (48, 40)}


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    world.set_offloads(on=False)
    with world.job(offloads=False) as job:
        yield job


class Part(enum.Enum):
    """What a captured packet is."""

    WHOLE = enum.auto()
    FIRST = enum.auto()
    FURTHER = enum.auto()


def part_of(packet: Packet) -> Part:
    """Return whether *packet* is a fragment, and which.

    The kernel makes the first fragment's header that of the whole packet while the
    capture still holds it; then the header says more bytes than passed.
    """
    head = packet.head
    if packet.source.version == 4:
        said_bytes = int.from_bytes(head[2:4], "big")
        flags = int.from_bytes(head[6:8], "big")
        offset, more = flags & 0x1FFF, flags & 0x2000
    else:
        said_bytes = 40 + int.from_bytes(head[4:6], "big")
        is_fragment = packet.protocol == FRAGMENT_HEADER
        field = int.from_bytes(head[42:44], "big") if is_fragment else 0
        offset, more = field >> 3, field & 1
    if offset:
        return Part.FURTHER
    return Part.FIRST if more or said_bytes > packet.ip_bytes else Part.WHOLE


def reassembled(packets: list[Packet]) -> list[Packet]:
    """Return *packets* with the fragments of each put together; they come in order."""
    whole: list[Packet] = []
    begun: dict[bool, int] = {}
    for packet in packets:
        part = part_of(packet)
        of_fragment, of_whole = HEADERS_BYTES[packet.source.version]
        content_bytes = packet.ip_bytes - of_fragment
        if part is Part.FURTHER:
            first = begun[packet.outgoing]
            ip_bytes = whole[first].ip_bytes + content_bytes
            whole[first] = dataclasses.replace(whole[first], ip_bytes=ip_bytes)
        elif part is Part.FIRST:
            begun[packet.outgoing] = len(whole)
            ip_bytes = of_whole + content_bytes
            whole.append(dataclasses.replace(packet, ip_bytes=ip_bytes))
        else:
            whole.append(packet)
    return whole


@pytest.mark.parametrize("address", [WAN_V4, NODE_LAN_V4, CAMPUS_V6, NODE_WAN_V6])
def test_a_fragmented_datagram_counts_as_the_packet_it_was(
    world: World, job: Job, address: str
) -> None:
    version = 4 if ":" not in address else 6
    server = SERVERS[address](world)
    came_back = traffic.exchange_datagrams(
        job.inside, server, address, DATAGRAMS, PAYLOAD_BYTES
    )
    assert came_back == DATAGRAMS
    assert_exact(job, reassembled)
    packets = job.capture.packets()
    for way in Direction:
        # The node sends what the job receives.
        outgoing = way is Direction.INCOMING
        passed = [packet for packet in packets if packet.outgoing is outgoing]
        fragments = [packet for packet in passed if part_of(packet) is not Part.WHOLE]
        on_link = sum(packet.ip_bytes for packet in fragments)
        whole = DATAGRAMS * (PAYLOAD_BYTES + 8 + HEADERS_BYTES[version][1])
        further = len(fragments) - DATAGRAMS
        assert further == 5 * DATAGRAMS
        assert (
            on_link - whole
            == {4: 20 * further, 6: 48 * further + 8 * DATAGRAMS}[version]
        )
