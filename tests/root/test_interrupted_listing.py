"""A listing that a commit interrupted is made again, not given as it is."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from collectors.links.calls import enter_net
from collectors.netlink import nfnetlink
from collectors.rules.nftables_library import transactions
from collectors.rules.nftables_names import PLACE
from collectors.traffic import Direction, Zone
from tests.root import traffic
from tests.root.world import WAN_V4, Job, World, attribute_of

EXTERNAL = attribute_of(Direction.OUTGOING, Zone.EXTERNAL)
NAMES = [f"counter {PLACE} foreign_{number}" for number in range(2000)]
BEFORE, BEHIND = NAMES[:1000], NAMES[1000:]


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    """A job whose counters stand in the middle of a long list."""
    apply_on(world, "add", BEFORE)
    with world.job() as job:
        apply_on(world, "add", BEHIND)
        yield job
    apply_on(world, "add", BEFORE)
    apply_on(world, "delete", NAMES)


def apply_on(world: World, verb: str, counters: Sequence[str]) -> None:
    """Add or delete *counters* in one transaction."""
    world.node.run(transactions().apply, [f"{verb} {each}" for each in counters])


class DisturbedSocket(socket.socket):
    """A socket of netfilter that does something between the parts of an answer."""

    received = 0
    disturb: Callable[[], None]

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Return the next part; before the second one the disturbance happens."""
        self.received += 1
        if self.received == 2:
            self.disturb()
        return super().recv(size, flags)


def test_counters_that_a_commit_moved_out_of_sight_are_read_all_the_same(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel goes on at the same place of a list that has become shorter."""
    disturbances = [lambda: transactions().apply([f"delete {each}" for each in BEFORE])]
    before = job.counts()
    traffic.send_datagrams(job.inside, WAN_V4, 10, 72)

    def disturbed() -> socket.socket:
        channel = DisturbedSocket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        channel.disturb = disturbances.pop() if disturbances else lambda: None
        return channel

    monkeypatch.setattr(nfnetlink, "_socket", disturbed)
    after = job.counts()
    assert disturbances == []
    assert set(after) == set(before)
    assert after[EXTERNAL].packets == before[EXTERNAL].packets + 10


def test_a_reading_beside_many_commits_is_whole_and_never_falls(
    world: World, job: Job, rounds: Callable[[int, int], int]
) -> None:
    with commits(world):
        last = job.counts()
        for _ in range(rounds(50, 10_000)):
            traffic.send_datagrams(job.inside, WAN_V4, 1, 72)
            now = job.counts()
            assert set(now) == set(last)
            assert now[EXTERNAL].packets == last[EXTERNAL].packets + 1
            last = now


@contextlib.contextmanager
def commits(world: World) -> Iterator[None]:
    """Delete and add other counters in the table, one commit after the other."""
    stopping = threading.Event()
    some = NAMES[:20]

    def commit() -> None:
        enter_net(world.node.descriptor)
        while not stopping.is_set():
            transactions().apply([f"delete {each}" for each in some])
            transactions().apply([f"add {each}" for each in some])

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
