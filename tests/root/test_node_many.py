"""Many set-ups at once, also when half of those who asked die while they wait."""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.root.crowd import CROWD_LIMIT_S, Member, all_measured, crowd
from tests.root.served_node import ServedNode, served_node, until
from tests.root.world import WAN_V4

DATAGRAM_BYTES = 128


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    with served_node(tmp_path_factory.mktemp("node")) as served:
        served.start()
        yield served


def test_all_are_set_up_at_once_and_nothing_is_left(
    served: ServedNode,
    rng: random.Random,
    rounds: Callable[[int, int], int],
) -> None:
    members = crowd(served, rounds(64, 256), rng)
    all_measured(served, members)
    some = rng.sample(members, 4)
    for number, member in enumerate(some, start=1):
        member.attached.send(WAN_V4, number)
    end(served, members)

    runs = served.summary().runs
    for number, member in enumerate(some, start=1):
        counts = runs[member.attached.attach_id].counts
        assert counts["NetworkOutgoingExternal"] == (number * DATAGRAM_BYTES, number)
    assert all(runs[m.attached.attach_id].final for m in members)


def test_half_of_them_die_and_nothing_is_left(
    served: ServedNode,
    rng: random.Random,
    rounds: Callable[[int, int], int],
) -> None:
    size = rounds(64, 256)
    members = crowd(served, size, rng, killed=size // 2)
    all_measured(served, members)
    end(served, members)


def end(served: ServedNode, members: list[Member]) -> None:
    """Kill all processes and wait until nothing is left of them."""
    for member in members:
        member.attached.kill()
    until(lambda: not served.leftovers(), served.log.read_text, CROWD_LIMIT_S)
