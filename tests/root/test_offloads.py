"""With offloads on a count lies between payload and wire, and the wire is estimated.

A ``pfifo`` at the sending end of the job's link counts what really goes out, segment by
segment (``qdisc_pkt_len_init`` of the kernel's ``net/core/dev.c``), Ethernet included.
"""

from collections.abc import Callable, Iterator

import pytest
from pyroute2 import IPRoute

from collectors.traffic import Count, Direction
from collectors.wire_estimate import (
    IPV4_TCP_HEADERS_BYTES,
    IPV6_TCP_HEADERS_BYTES,
    estimate_wire_bytes,
)
from tests.root import traffic
from tests.root.hosts import Host, device_index
from tests.root.world import WAN_V4, WAN_V6, Job, World, attribute_of, zone_of

ETHERNET_HEADER_BYTES = 14


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    world.set_offloads(on=True)
    with world.job(offloads=True) as job:
        job.inside.run(add_fifo, "eth0")
        world.node.run(add_fifo, job.device)
        yield job
    world.set_offloads(on=False)


def add_fifo(device: str) -> None:
    with IPRoute() as netlink:
        netlink.tc("add", kind="pfifo", index=device_index(device), limit=10_000)


def wire_bytes(host: Host, device: str) -> int:
    """Return the IP bytes that left *device*, ARP included."""

    def read() -> int:
        with IPRoute() as netlink:
            (fifo,) = netlink.get_qdiscs(index=device_index(device))
        basic = fifo.get_attr("TCA_STATS2").get_attr("TCA_STATS_BASIC")
        return int(basic["bytes"] - ETHERNET_HEADER_BYTES * basic["packets"])

    return host.run(read)


@pytest.mark.parametrize("way", Direction)
@pytest.mark.parametrize(
    ("address", "headers_bytes"),
    [(WAN_V4, IPV4_TCP_HEADERS_BYTES), (WAN_V6, IPV6_TCP_HEADERS_BYTES)],
)
def test_the_wire_estimate_is_right_within_a_thousandth(
    world: World,
    job: Job,
    address: str,
    headers_bytes: int,
    way: Direction,
    *,
    rounds: Callable[[int, int], int],
) -> None:
    size = rounds(20_000_000, 200_000_000)
    out = way is Direction.OUTGOING
    sending = (job.inside, "eth0") if out else (world.node, job.device)
    wire_before = wire_bytes(*sending)
    before = job.counts()[attribute_of(way, zone_of(address))]
    assert traffic.tcp_transfer(job.inside, world.wan, address, size, way) == size
    after = job.counts()[attribute_of(way, zone_of(address))]
    wire = wire_bytes(*sending) - wire_before
    count = Count(after.ip_bytes - before.ip_bytes, after.packets - before.packets)
    assert count.packets < size / 1448 / 2, "nothing was aggregated"
    assert size <= count.ip_bytes <= wire
    estimate = estimate_wire_bytes(count, headers_bytes=headers_bytes)
    assert estimate == pytest.approx(wire, rel=0.001)
