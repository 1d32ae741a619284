"""Whatever a job sends while its run is being ended is counted, or does not leave."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.hosts import Host
from tests.root.served_node import ServedNode, served_node, until
from tests.root.traffic import flood
from tests.root.world import WAN_V4

EXTERNAL = "NetworkOutgoingExternal"

COUNTING = """
add table ip arrived
add counter ip arrived datagrams
add chain ip arrived input { type filter hook prerouting priority -300; }
add rule ip arrived input udp dport 9 counter name datagrams
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedNode]:
    with served_node(tmp_path, canary_targets=[]) as served:
        served.start()
        yield served


def arrived(wan: Host) -> int:
    """Return how many datagrams came to the WAN's machine."""
    listed = wan.command(["nft", "-j", "list", "counters"]).stdout
    counters = [each["counter"] for each in json.loads(listed)["nftables"][1:]]
    return int(counters[0]["packets"])


def test_every_datagram_that_arrived_is_counted(served: ServedNode) -> None:
    wan = served.world.wan
    assert wan.command(["nft", COUNTING]).returncode == 0
    attached = served.process("sleep", "60").attach()
    with attached.inside() as inside, flood(inside, WAN_V4):
        until(lambda: arrived(wan) > 1000, "a flood")
        ended = attached.detach()
        served.wait_clean()

    assert ended.counts[EXTERNAL][1] >= arrived(wan) > 1000
