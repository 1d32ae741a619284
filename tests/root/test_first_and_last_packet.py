"""Not one packet before the first count, not one after the last reading."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from collectors.links.conntrack import forget_flows, list_flows
from collectors.links.veth import bring_down, bring_up
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, Zone
from tests.root import traffic
from tests.root.hosts import device_statistics
from tests.root.world import (
    WAN_V4,
    WAN_V6,
    Job,
    World,
    assert_exact,
    attribute_of,
    expected_counts,
)

ENOUGH_PACKETS = 500
IN_FLIGHT_PACKETS = 1000
WAIT_LIMIT_S = 10


@pytest.mark.parametrize("address", [WAN_V4, WAN_V6])
def test_the_first_packet_of_a_job_is_counted(
    world: World, address: str, rounds: Callable[[int, int], int]
) -> None:
    """The job sends without a pause from before its link is opened."""
    for _ in range(rounds(3, 200)):
        job = world.prepare()
        try:
            with traffic.flood(job.inside, address) as flood:
                world.node.run(bring_up, job.device)
                await_packets(job, ENOUGH_PACKETS)
            # Nothing comes between the readings of two different counters.
            world.node.run(bring_down, job.device)
            counts = assert_exact(job)
            sent = counts[attribute_of(Direction.OUTGOING, Zone.EXTERNAL)]
            assert sent.packets >= ENOUGH_PACKETS
            assert sent.packets <= flood.sent
            assert received_frames(world, job) == sum_of(counts, Direction.OUTGOING)
        finally:
            world.end(job)


@pytest.mark.parametrize("address", [WAN_V4, WAN_V6])
def test_the_last_reading_under_a_flood_loses_no_packet(
    world: World, address: str, rounds: Callable[[int, int], int]
) -> None:
    for _ in range(rounds(3, 200)):
        job = world.start()
        try:
            with traffic.flood(job.inside, address):
                await_packets(job, ENOUGH_PACKETS)
                world.node.run(bring_down, job.device)
                last = job.counts()
                passed = expected_counts(job.capture.packets())
                assert sent_of(last) == sent_of(passed)
                frames = received_frames(world, job)
                assert sum_of(last, Direction.OUTGOING) == frames
                assert last[
                    attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
                ].packets >= (ENOUGH_PACKETS)
        finally:
            world.end(job)


def test_a_flood_towards_the_job_is_counted_to_its_last_packet(world: World) -> None:
    """Answers of an established flow, from outside, while the link is taken down."""
    job = world.start()
    try:
        near, far = traffic.tcp_connection(job.inside, world.wan, WAN_V4)
        with near, far, _endless(far):
            await_bytes(near, 5_000_000)
            world.node.run(bring_down, job.device)
            last = job.counts()
        delivered = expected_counts(job.capture.packets())
        external = attribute_of(Direction.INCOMING, Zone.EXTERNAL)
        # Counted, then dropped by the link in the moment of its closing.
        dropped = last[external].packets - delivered[external].packets
        assert 0 <= dropped <= IN_FLIGHT_PACKETS
        assert sent_of(last) == sent_of(delivered)
    finally:
        world.end(job)


def test_an_established_flow_does_not_go_on_after_the_end(world: World) -> None:
    """Neither through the link nor by what connection tracking remembers."""
    job = world.start()
    near, far = traffic.tcp_connection(job.inside, world.wan, WAN_V4)
    with near, far, _endless(near):
        await_bytes(far, 1_000_000)
        address = job.link.ipv4.job.ip
        assert len(world.node.run(list_flows, [address])) == 1
        world.node.run(bring_down, job.device)
        last = job.counts()
        world.node.run(world.backend.teardown, [job.link.attach_id])
        world.node.run(forget_flows, [address])
        assert world.node.run(list_flows, [address]) == []
        arrived = 1_000_000 + await_silence(far)
        external = attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
        assert arrived <= last[external].ip_bytes
    world.end(job)


def await_packets(job: Job, packets: int) -> None:
    """Wait until the job has sent so many."""
    external = attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
    deadline = time.monotonic() + WAIT_LIMIT_S
    while job.counts()[external].packets < packets:
        assert time.monotonic() < deadline, "the flood does not flow"
        time.sleep(0.005)


def await_bytes(receiver: socket.socket, size: int) -> None:
    """Wait until so many bytes have arrived."""
    while size > 0:
        size -= len(receiver.recv(min(size, traffic.CHUNK_BYTES)))


def await_silence(receiver: socket.socket) -> int:
    """Take what is on its way and return how much came.

    The node answers for a connection that it knows no more: it is reset.
    """
    arrived = 0
    while select.select([receiver], [], [], 0.3)[0]:
        try:
            arrived += len(receiver.recv(traffic.CHUNK_BYTES))
        except ConnectionResetError:
            break
    return arrived


@contextlib.contextmanager
def _endless(sender: socket.socket) -> Iterator[None]:
    stopping = threading.Event()

    def send() -> None:
        sender.settimeout(0.1)
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                sender.send(bytes(traffic.CHUNK_BYTES))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def sent_of(counts: dict[str, Count]) -> dict[str, Count]:
    """Return the counts of what the job sent.

    What the node sends the job in this moment, such as an answer of neighbour
    discovery, may be counted and then dropped by the closing link.
    """
    return {
        traffic_class.attribute: counts[traffic_class.attribute]
        for traffic_class in TRAFFIC_CLASSES
        if traffic_class.direction is Direction.OUTGOING
    }


def sum_of(counts: dict[str, Count], way: Direction) -> int:
    """Return the packets of one direction."""
    return sum(
        counts[traffic_class.attribute].packets
        for traffic_class in TRAFFIC_CLASSES
        if traffic_class.direction is way
    )


def received_frames(world: World, job: Job) -> int:
    """Return the IP packets that the link's node end got, by its own counter."""
    frames = world.node.run(device_statistics, job.device)["rx_packets"]
    return frames - job.capture.other_incoming_frames
