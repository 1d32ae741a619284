"""A process is attached, counted, and its run ended; what cannot be measured runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.client import Client
from collectors.daemon.protocol import NotMeasured, Ready, Refused
from collectors.journal.entries import End, Job, Start
from collectors.journal.entries import Tag as TagEntry
from tests.root.served_node import ServedNode, served_node, until
from tests.root.world import CAMPUS_V4, NODE_LAN_V4, WAN_V4, WAN_V6

#: An IPv4 datagram of 100 bytes is a packet of 128, an IPv6 one of 148.
V4_BYTES, V6_BYTES = 128, 148

#: Says one line over job.sock as an ordinary user, and prints the answer.
JOB_CLIENT = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setuid(12345)
client = socket.socket(socket.AF_UNIX)
client.connect("job.sock")
client.sendall(sys.argv[2].encode() + b"\\n")
print(client.makefile().readline())
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    with served_node(tmp_path_factory.mktemp("node")) as served:
        served.start()
        yield served


def test_a_command_is_counted_and_its_exit_code_kept(served: ServedNode) -> None:
    script = f"for i in 1 2 3; do echo 123456789 > /dev/udp/{WAN_V4}/9; done; exit 7"
    done = served.poolmeter("node", "run", "--json", "--", "bash", "-c", script)
    result = json.loads(done.stderr.splitlines()[-1])

    assert done.returncode == 7
    assert result["counted"]["counts"]["NetworkOutgoingExternal"] == [3 * 38, 3]
    assert result["counted"]["final"]
    served.wait_clean()


def test_counts_of_all_zones_are_in_the_journal(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach(Job(global_job_id="ap#1.0#1"))
    attached.send(WAN_V4, 5)
    attached.send(CAMPUS_V4, 7)
    attached.send(NODE_LAN_V4, 11)
    attached.send(WAN_V6, 13)
    counts = attached.detach().counts

    assert counts["NetworkOutgoingInternal"] == (7 * V4_BYTES, 7)
    assert counts["NetworkOutgoingLocal"][0] >= 11 * V4_BYTES
    assert counts["NetworkOutgoingExternal"] == (5 * V4_BYTES + 13 * V6_BYTES, 18)
    run = served.summary().runs[attached.attach_id]
    assert run.counts == counts
    assert (run.how, run.final, run.partial) == ("asked", True, False)
    assert run.start.job.global_job_id == "ap#1.0#1"
    attached.kill()
    served.wait_clean()


def test_a_process_that_is_killed_ends_its_run(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 3)
    attached.kill()
    until(lambda: ended(served, attached.attach_id), "the end of the run")

    run = served.summary().runs[attached.attach_id]
    assert run.counts["NetworkOutgoingExternal"] == (3 * V4_BYTES, 3)
    assert (run.how, run.final) == ("exit", True)
    served.wait_clean()


def ended(served: ServedNode, attach_id: str) -> bool:
    """Return whether the journal has the end of a run."""
    run = served.summary().runs.get(attach_id)
    return run is not None and run.ended_at is not None


def test_nothing_is_journaled_of_a_process_that_never_enters(tmp_path: Path) -> None:
    with served_node(tmp_path, start_wait_s=1) as served:
        served.start()
        idle = served.process("sleep", "60")
        assert isinstance(idle.ask(), Ready)
        served.wait_clean()

        assert served.summary().runs == {}


def test_a_process_in_another_namespace_is_not_taken_for_measured(
    tmp_path: Path,
) -> None:
    with served_node(tmp_path, start_wait_s=1) as served:
        served.start()
        stray = served.process("sleep", "60")
        assert isinstance(stray.ask(), Ready)
        stray.enter("/proc/self/ns/net")
        served.wait_clean()

        assert served.summary().runs == {}


def test_a_client_that_dies_before_its_turn_leaves_nothing(served: ServedNode) -> None:
    gone = served.process("sleep", "60")
    gone.kill()
    reply = gone.ask()

    assert isinstance(reply, Refused)
    assert "is gone" in reply.why
    served.wait_clean()


def test_without_a_daemon_a_command_runs_uncounted(tmp_path: Path) -> None:
    with served_node(tmp_path) as served:
        done = served.poolmeter("node", "run", "--", "sh", "-c", "echo done; exit 5")

    assert done.stdout == "done\n"
    assert done.returncode == 5
    assert "not measured: daemon" in done.stderr


def test_a_disabled_node_measures_nothing(served: ServedNode) -> None:
    switch = Path(str(served.options["disabled_file"]))
    switch.touch()
    try:
        reply = served.process("sleep", "60").ask(Job(owner="alice"))
    finally:
        switch.unlink()

    assert isinstance(reply, NotMeasured)
    assert reply.reason == "disabled"
    until(lambda: served.summary().unmeasured, "an entry")
    entry = served.summary().unmeasured[-1]
    assert (entry.reason, entry.job.owner) == ("disabled", "alice")


def test_only_root_speaks_to_the_root_socket(served: ServedNode) -> None:
    mode = (served.runtime / "root.sock").stat().st_mode

    assert mode & 0o777 == 0o600


def test_a_job_may_ask_for_a_reading_and_tag_its_run(served: ServedNode) -> None:
    """Whoever asks must be in a measured namespace; and is known by it."""
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 4)
    inside = ("nsenter", f"--net={attached.namespace}")
    client = ("python3", "-Ic", JOB_CLIENT, str(served.runtime))
    tag = '{"request": "tag", "name": "user", "value": "a\\nb"}'

    flushed = served.command(*inside, *client, '{"request": "flush"}')
    tagged = served.command(*inside, *client, tag)
    outside = served.command(*client, '{"request": "flush"}')

    assert json.loads(flushed.stdout)["counts"]["NetworkOutgoingExternal"] == [
        4 * V4_BYTES,
        4,
    ]
    assert json.loads(tagged.stdout)["reply"] == "done"
    assert json.loads(outside.stdout)["reply"] == "refused"
    entry = next(e for e in served.entries() if isinstance(e, TagEntry))
    assert (entry.attach_id, entry.by_uid) == (attached.attach_id, 12345)
    assert entry.value == "a\\nb"
    attached.kill()


def test_nonsense_on_a_socket_is_answered_and_the_daemon_goes_on(
    served: ServedNode,
) -> None:
    for line in (b"\n", b"{}\n", b"[1]\n", b'{"request":"attach","pid":-5}\n'):
        with Client(served.runtime / "root.sock") as client:
            client._channel.sendall(line)
            assert isinstance(client.answer(), Refused)
    with Client(served.runtime / "job.sock") as client:
        client._channel.sendall(b"x" * 100_000)

    assert served.status()["measuring"]


def test_the_start_is_journaled_before_the_end(served: ServedNode) -> None:
    kinds: dict[str, list[type]] = {}
    for entry in served.entries():
        if isinstance(entry, Start | End):
            kinds.setdefault(entry.attach_id, []).append(type(entry))

    assert kinds
    assert all(order in ([Start], [Start, End]) for order in kinds.values())
