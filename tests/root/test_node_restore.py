"""What others do to netfilter: lost rules come back, rules that block are seen."""

import time
from collections.abc import Iterator

import pytest

from collectors.daemon.protocol import Counted, NotMeasured, Ready
from collectors.journal.entries import Restored
from tests.root import traffic
from tests.root.served_node import Attachable, ServedNode, served_node, until
from tests.root.world import WAN_V4

EXTERNAL = "NetworkOutgoingExternal"

#: What another firewall does: a drop wins over any accept of ours.
FOREIGN_DROP = (
    "add table ip site; add chain ip site forward "
    "{ type filter hook forward priority 10; policy drop; }"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    folder = tmp_path_factory.mktemp("node")
    with served_node(folder, canary_period_s=5, ipv6="off") as served:
        served.start()
        yield served


def counted(served: ServedNode, attached: Attachable) -> int:
    """Return the bytes that a live run has sent to the world."""
    runs = {run["attach_id"]: run for run in served.status()["runs"]}
    counts = runs[attached.attach_id]["counts"]
    return int(counts.get(EXTERNAL, (0, 0))[0])


def nft(served: ServedNode, command: str) -> None:
    """Change rules as another program does."""
    done = served.command("nft", command)
    assert done.returncode == 0, done.stderr


def restored(served: ServedNode) -> list[Restored]:
    """Return the journal's entries about restored rules."""
    return [entry for entry in served.entries() if isinstance(entry, Restored)]


def test_flushed_rules_are_back_within_a_second_and_the_flow_goes_on(
    served: ServedNode,
) -> None:
    attached = served.process("sleep", "60").attach()
    with attached.inside() as inside:
        near, far = traffic.tcp_connection(inside, served.world.wan, WAN_V4)
        near.sendall(bytes(100_000))
        assert len(far.recv(100_000, 0x100)) == 100_000  # MSG_WAITALL
        until(lambda: counted(served, attached) > 100_000, "the reading of a second")
        before = counted(served, attached)
        nft(served, "flush ruleset")
        flushed_s = time.monotonic()
        until(lambda: attached.attach_id in counters(served), "rules", limit_s=1)
        restored_s = time.monotonic() - flushed_s
        near.sendall(bytes(100_000))
        assert len(far.recv(100_000, 0x100)) == 100_000
        near.close()
        far.close()

    assert restored_s < 1
    until(lambda: counted(served, attached) >= before + 100_000, "more counts")
    entry = restored(served)[-1]
    assert entry.attach_ids == (attached.attach_id,)
    ended = attached.detach()
    assert ended.partial
    assert served.summary().runs[attached.attach_id].partial


def counters(served: ServedNode) -> set[str]:
    """Return the attach ids that have counters now."""
    return set(served.node.run(served.world.backend.read).jobs)


@pytest.mark.parametrize(
    "change",
    [
        "delete element inet poolmeter from_job {{ {device} }}",
        "flush chain inet poolmeter prerouting",
        "flush chain inet poolmeter forward",
        "delete table inet poolmeter",
    ],
)
def test_rules_that_were_altered_are_made_whole(
    served: ServedNode, change: str
) -> None:
    already = len(restored(served))
    attached = served.process("sleep", "60").attach()
    device = f"veth{attached.attach_id}"
    nft(served, change.format(device=device))
    until(lambda: len(restored(served)) > already, "a restore", limit_s=2)
    before = counted(served, attached)
    attached.send(WAN_V4, 10)

    assert attached.detach().counts[EXTERNAL][0] == before + 10 * 128


def test_counts_never_fall_when_somebody_resets_counters(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 10)
    until(lambda: counted(served, attached) == 1280, "the first packets")
    nft(served, "reset counters")
    attached.send(WAN_V4, 5)
    until(lambda: counted(served, attached) == 1920, "more packets")

    ended = attached.detach()
    assert ended.counts[EXTERNAL] == (1920, 15)
    assert ended.partial


def test_our_own_changes_restore_nothing(served: ServedNode) -> None:
    log = served.log.read_text()
    already = restored(served)
    for _ in range(3):
        served.process("sleep", "60").attach().detach()
    served.wait_clean()

    assert restored(served) == already
    assert served.log.read_text() == log


def test_behind_a_foreign_drop_new_jobs_start_uncounted_and_with_a_network(
    served: ServedNode,
) -> None:
    """The node itself still reaches the gateway, so jobs are better off without us."""
    live = served.process("sleep", "60").attach()
    nft(served, FOREIGN_DROP)
    until(lambda: not served.status()["measuring"], "the canary", limit_s=10)

    refused = served.process("sleep", "60").ask()
    assert isinstance(refused, NotMeasured)
    assert refused.reason == "preflight"
    done = served.poolmeter("node", "run", "--", *send_and_say(WAN_V4))
    assert done.stdout == "sent\n"
    assert "not measured: preflight" in done.stderr

    nft(served, "delete table ip site")
    until(lambda: served.status()["measuring"], "the gate to open", limit_s=10)
    assert isinstance(served.process("sleep", "60").ask(), Ready)
    assert isinstance(live.detach(), Counted)


def send_and_say(address: str) -> tuple[str, ...]:
    """Return a command that needs an answer of *address*."""
    script = (
        "import socket,sys\ntry: socket.create_connection((sys.argv[1], 9), 5)\n"
        "except ConnectionRefusedError: print('sent')"
    )
    return ("python3", "-Ic", script, address)


def test_a_network_that_is_down_for_all_closes_nothing(served: ServedNode) -> None:
    """Uncounted jobs would be no better off."""
    served.command("ip", "link", "set", "wan0", "down")
    nft(served, "add table ip site")  # has the canary look at once
    until(
        lambda: {each["canary"] for each in served.status()["canary"]} == {"none"},
        "a look of the canary",
        limit_s=15,
    )

    assert served.status()["measuring"]
