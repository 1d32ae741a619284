"""The daemon over the iptables back end, under the capabilities of the unit."""

import contextlib
from collections.abc import Iterator

import pytest

from collectors.journal.entries import Restored
from collectors.rules.iptables import IptablesBackend
from tests.root import traffic
from tests.root.served_node import ServedNode, until
from tests.root.world import WAN_V4, small_world

pytestmark = pytest.mark.needs("iptables")

EXTERNAL = "NetworkOutgoingExternal"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    folder = tmp_path_factory.mktemp("served")
    with contextlib.ExitStack() as stack:
        backend = IptablesBackend()
        stack.callback(backend.close)
        world = stack.enter_context(small_world(folder / "world", backend))
        served = ServedNode(world, folder, rules="iptables")
        stack.callback(served.close)
        served.start()
        yield served


def sent(served: ServedNode, attach_id: str) -> int:
    """Return the bytes that a live run has sent to the world."""
    runs = {run["attach_id"]: run for run in served.status()["runs"]}
    return int(runs[attach_id]["counts"].get(EXTERNAL, (0, 0))[0])


def test_a_run_is_counted_and_journaled_and_nothing_is_left(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 10)
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (1280, 10)
    assert not ended.partial
    assert served.summary().runs[attached.attach_id].counts[EXTERNAL] == (1280, 10)
    served.wait_clean()


def test_flushed_tables_are_back_and_the_flow_goes_on(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    with attached.inside() as inside:
        near, far = traffic.tcp_connection(inside, served.world.wan, WAN_V4)
        near.sendall(bytes(100_000))
        assert len(far.recv(100_000, 0x100)) == 100_000  # MSG_WAITALL
        until(lambda: sent(served, attached.attach_id) > 100_000, "a reading")
        before = sent(served, attached.attach_id)
        for table in ("mangle", "nat", "filter"):
            served.command("iptables-legacy", "-t", table, "-F")
        until(lambda: restored(served), "a restore")
        near.sendall(bytes(100_000))
        assert len(far.recv(100_000, 0x100)) == 100_000
        near.close()
        far.close()
    until(lambda: sent(served, attached.attach_id) >= before + 100_000, "more counts")
    assert attached.detach().partial


def restored(served: ServedNode) -> list[Restored]:
    """Return the journal's entries about restored rules."""
    return [entry for entry in served.entries() if isinstance(entry, Restored)]


def test_a_killed_daemon_s_counters_are_adopted(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 10)
    served.kill()
    attached.send(WAN_V4, 5)
    served.start()
    attached.send(WAN_V4, 5)

    run = {run["attach_id"]: run for run in served.status()["runs"]}
    assert attached.attach_id in run
    until(lambda: sent(served, attached.attach_id) == 20 * 128, "all packets")
    assert not attached.detach().partial


def test_check_says_that_the_legacy_tables_are_there(served: ServedNode) -> None:
    done = served.poolmeter("node", "check")
    assert "ok    netfilter   legacy tables: ipv4, ipv6" in done.stdout
    assert done.returncode == 0, done.stdout
