"""Jobs come, send, go, and the daemon is killed at any moment, again and again."""

import contextlib
import dataclasses
import random
import time
from collections.abc import Callable, Iterator

import pytest

from collectors.daemon.protocol import Ready
from collectors.errors import NodeError
from tests.root.served_node import Attachable, ServedNode, served_node, until
from tests.root.world import WAN_V4

EXTERNAL = "NetworkOutgoingExternal"
DATAGRAM_BYTES = 128

#: As long as a life takes, and a little more: the kill comes at any step of some job.
KILL_WITHIN_S = 0.6


@dataclasses.dataclass(slots=True)
class Life:
    """A job and what it sent, which nobody but itself knows."""

    attached: Attachable
    sent: int = 0


class Node:
    """A node on which jobs live longer than the daemon."""

    def __init__(self, served: ServedNode, rng: random.Random) -> None:
        self.served = served
        self.rng = rng
        self.living: list[Life] = []
        self.dead: list[Life] = []

    def act(self) -> None:
        """Do one thing that happens on a node; a daemon may be there or not."""
        choice = self.rng.random()
        if choice < 0.4 or not self.living:
            self.begin()
        elif choice < 0.8:
            self.send(self.rng.choice(self.living))
        else:
            self.end(self.rng.choice(self.living))

    def begin(self) -> None:
        """Have a job attached, if there is a daemon that answers."""
        attached = self.served.process("sleep", "3600")
        with contextlib.suppress(NodeError):
            if isinstance(attached.ask(), Ready):
                attached.enter()
                until(attached.is_inside, "the entry")
                self.living.append(Life(attached))
                return
        attached.kill()

    def send(self, life: Life) -> None:
        """Have a job send, which works without a daemon."""
        number = self.rng.randrange(1, 9)
        life.attached.send(WAN_V4, number)
        life.sent += number

    def end(self, life: Life) -> None:
        """End a job; its daemon is told by the kernel or finds out later."""
        self.living.remove(life)
        self.dead.append(life)
        life.attached.kill()


@pytest.fixture
def node(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random
) -> Iterator[Node]:
    with served_node(tmp_path_factory.mktemp("node"), canary_targets=[]) as served:
        yield Node(served, rng)


def test_no_kill_loses_a_record_or_makes_two(
    node: Node, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    served = node.served
    for _ in range(rounds(8, 200)):
        served.start(wait=rng.random() < 0.8)
        end_s = time.monotonic() + rng.uniform(0, KILL_WITHIN_S)
        while time.monotonic() < end_s:
            node.act()
        served.kill()
        while len(node.living) > 8:
            node.end(node.living[0])
    served.start()
    for life in [*node.living]:
        node.end(life)
    served.wait_clean()

    summary = served.summary()
    unmeasured = {entry.process.pid for entry in summary.unmeasured}
    for life in node.dead:
        run = summary.runs.get(life.attached.attach_id)
        if run is None:
            # Killed before anybody saw it inside: said, and nothing was counted.
            assert life.attached.process.pid in unmeasured
            continue
        assert run.ended_at is not None
        assert run.final
        assert not run.partial
        assert run.counts.get(EXTERNAL, (0, 0))[1] == life.sent
    known = {life.attached.attach_id for life in node.dead}
    assert summary.runs.keys() <= known
