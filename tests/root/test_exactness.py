"""With offloads off a count equals the IP bytes captured on the job's link, exactly.

A packet is captured on the node's end of the link: before the hooks that count what the
job sends, after those that count what it receives.
"""

from collections.abc import Callable, Iterator

import pytest

from collectors.traffic import Count, Direction, Zone
from tests.root import traffic
from tests.root.hosts import Host
from tests.root.world import (
    CAMPUS_V4,
    CAMPUS_V6,
    FAR_V4,
    FAR_V6,
    NODE_LAN_V4,
    NODE_WAN_V6,
    WAN_V4,
    WAN_V6,
    Job,
    World,
    assert_exact,
    zone_of,
)

#: The machine that has each address.
SERVERS: dict[str, Callable[[World], Host]] = {
    WAN_V4: lambda world: world.wan,
    WAN_V6: lambda world: world.wan,
    FAR_V4: lambda world: world.wan,
    FAR_V6: lambda world: world.wan,
    CAMPUS_V4: lambda world: world.campus,
    CAMPUS_V6: lambda world: world.campus,
    NODE_LAN_V4: lambda world: world.node,
    NODE_WAN_V6: lambda world: world.node,
}
TCP_BYTES = (0, 1, 100, 1448, 1449, 1_000_000)


@pytest.fixture(scope="module")
def job(world: World) -> Iterator[Job]:
    world.set_offloads(on=False)
    with world.job(offloads=False) as job:
        yield job


@pytest.mark.parametrize("way", Direction)
@pytest.mark.parametrize("address", SERVERS)
def test_tcp_of_any_size_is_counted_to_the_byte(
    world: World, job: Job, address: str, way: Direction
) -> None:
    server = SERVERS[address](world)
    before = job.counts()
    for size in TCP_BYTES:
        arrived = traffic.tcp_transfer(job.inside, server, address, size, way)
        assert arrived == size
    assert_exact(job)
    assert job.grown(before, way, zone_of(address)).ip_bytes > sum(TCP_BYTES)


def test_ten_megabytes_each_way_are_counted_to_the_byte(
    world: World, job: Job, rounds: Callable[[int, int], int]
) -> None:
    size = rounds(10_000_000, 100_000_000)
    for way in Direction:
        arrived = traffic.tcp_transfer(job.inside, world.wan, WAN_V4, size, way)
        assert arrived == size
        assert_exact(job)


@pytest.mark.parametrize("address", SERVERS)
def test_udp_both_ways_is_counted_to_the_byte(
    world: World, job: Job, address: str
) -> None:
    before = job.counts()
    server = SERVERS[address](world)
    assert traffic.exchange_datagrams(job.inside, server, address, 200, 100) == 200
    assert_exact(job)
    assert_counted(job, before, address, 200, 100)


@pytest.mark.parametrize("address", SERVERS)
def test_icmp_both_ways_is_counted_to_the_byte(job: Job, address: str) -> None:
    before = job.counts()
    assert traffic.ping(job.inside, address, 50, size=56) == 50
    assert_exact(job)
    assert_counted(job, before, address, 50, 56)


def assert_counted(
    job: Job, before: dict[str, Count], address: str, packets: int, payload_bytes: int
) -> None:
    """Assert what so many packets each way, with headers of 8 bytes, must count as."""
    headers = 28 if ":" not in address else 48
    for way in Direction:
        count = job.grown(before, way, zone_of(address))
        if zone_of(address) is Zone.LOCAL:
            # Neighbours that were just asked for come on top.
            assert count.packets >= packets
        else:
            assert count == Count(packets * (payload_bytes + headers), packets)


def test_the_six_classes_sum_to_the_total_of_the_table(world: World) -> None:
    """For the node as a whole, whatever its jobs did since the table was made."""
    before = world.settled_difference_to_total(())
    with world.job() as one, world.job() as other:
        for job in (one, other):
            for address, server in SERVERS.items():
                traffic.exchange_datagrams(job.inside, server(world), address, 20, 1000)
        after = world.settled_difference_to_total((one, other))
    assert before == after
