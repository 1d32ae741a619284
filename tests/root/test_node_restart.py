"""The daemon is stopped, killed at any step, replaced: no record lost, none twice."""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.client import NoDaemonError
from collectors.daemon.protocol import Ready
from collectors.errors import NodeError
from collectors.journal.entries import Restored
from poolmeter.errors import ExitCode
from tests.root.served_node import Attachable, ServedNode, served_node, until
from tests.root.world import WAN_V4

EXTERNAL = "NetworkOutgoingExternal"
DATAGRAM_BYTES = 128

#: So many half-steps a short life has at least.
STEPS = 35


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    with served_node(tmp_path_factory.mktemp("node"), canary_targets=[]) as served:
        yield served


def test_a_restart_touches_no_live_job(served: ServedNode) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 3)
    served.stop()
    attached.send(WAN_V4, 4)
    served.start()
    attached.send(WAN_V4, 5)
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (12 * DATAGRAM_BYTES, 12)
    assert not ended.partial
    served.wait_clean()
    served.stop()


def test_a_job_that_ends_while_no_daemon_runs_is_an_orphan(served: ServedNode) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    served.kill()
    attached.send(WAN_V4, 6)
    attached.kill()
    served.start()
    served.wait_clean()

    run = served.summary().runs[attached.attach_id]
    assert (run.how, run.final, run.partial) == ("orphan", True, False)
    assert run.counts[EXTERNAL] == (6 * DATAGRAM_BYTES, 6)
    served.stop()


def test_a_process_that_entered_while_no_daemon_looked_is_measured(
    served: ServedNode,
) -> None:
    served.start()
    attached = served.process("sleep", "60")
    assert isinstance(attached.ask(), Ready)
    served.kill()
    attached.enter()
    until(attached.is_inside, "the entry")
    attached.send(WAN_V4, 2)
    served.start()
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (2 * DATAGRAM_BYTES, 2)
    assert served.summary().runs[attached.attach_id].start.adopted
    served.stop()


def test_a_process_that_never_entered_is_named_as_unmeasured(
    served: ServedNode,
) -> None:
    served.start()
    idle = served.process("sleep", "60")
    assert isinstance(idle.ask(), Ready)
    served.kill()
    served.start()
    served.wait_clean()

    assert idle.attach_id not in served.summary().runs
    unmeasured = served.summary().unmeasured[-1]
    assert (unmeasured.reason, unmeasured.process.pid) == ("daemon", idle.process.pid)
    served.stop()


def test_rules_that_went_while_no_daemon_looked_make_the_run_partial(
    served: ServedNode,
) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 7)
    served.stop()  # which journals a snapshot
    served.command("nft", "flush", "ruleset")
    served.start()
    attached.send(WAN_V4, 8)
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (15 * DATAGRAM_BYTES, 15)
    assert ended.partial
    assert any(isinstance(entry, Restored) for entry in served.entries())
    served.wait_clean()
    served.stop()


def test_a_lost_runtime_folder_loses_no_run(served: ServedNode) -> None:
    """Somebody cleans /run: the journal still knows, and the namespace is pinned."""
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 9)
    served.kill()
    for slot in (served.runtime / "slots").iterdir():
        slot.unlink()
    served.start()
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (9 * DATAGRAM_BYTES, 9)
    served.wait_clean()
    served.stop()


def test_after_a_boot_a_run_is_closed_from_its_snapshot(served: ServedNode) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 10)
    until(lambda: counted(served, attached), "a reading")
    served.stop()  # which journals a snapshot
    new_boot = served.folder / "boot_id"
    new_boot.write_text("00000000-0000-4000-8000-000000000000\n")
    boot_id = "/proc/sys/kernel/random/boot_id"
    served.command("mount", "--bind", str(new_boot), boot_id)
    try:
        served.start()
        served.wait_clean()
    finally:
        served.command("umount", boot_id)

    run = served.summary().runs[attached.attach_id]
    assert (run.how, run.final, run.partial) == ("reboot", False, True)
    assert run.counts[EXTERNAL] == (10 * DATAGRAM_BYTES, 10)
    served.stop()


def counted(served: ServedNode, attached: Attachable) -> bool:
    """Return whether a reading has something of a run."""
    runs = {run["attach_id"]: run for run in served.status()["runs"]}
    return EXTERNAL in runs[attached.attach_id]["counts"]


def test_other_addresses_are_refused_while_a_job_has_the_old_ones(
    served: ServedNode,
) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    served.stop()
    served.write_config(job_block_v4="100.80.0.0/19")
    refused = served.poolmeter("node", "serve")
    served.write_config(job_block_v4="100.64.0.0/19")
    served.start()

    assert refused.returncode == ExitCode.FAILED
    assert "put it back, `poolmeter node drain`" in refused.stderr
    assert not attached.detach().partial
    served.stop()


def test_a_second_daemon_is_refused(served: ServedNode) -> None:
    served.start()
    first = served.pid
    second = served.start(wait=False)
    until(lambda: not Path(f"/proc/{second}").exists(), "its end")
    served.pid = first

    assert "locked by another run" in served.log.read_text()
    assert served.status()["measuring"]
    served.stop()


def a_life(served: ServedNode, datagrams: int) -> Attachable:
    """Attach a process and let it send, as far as a daemon is there."""
    attached = served.process("sleep", "60")
    with contextlib.suppress(NodeError):
        if isinstance(attached.ask(), Ready):
            attached.enter()
            until(attached.is_inside, "the entry")
            attached.send(WAN_V4, datagrams)
    return attached


def kill_round(served: ServedNode, kill_at: int, rng: random.Random) -> bool:
    """Kill a daemon at half-step *kill_at* of a life; return whether it came so far."""
    datagrams = rng.randrange(1, 20)
    served.start(kill_at=kill_at, wait=False)
    daemon = served.pid
    with contextlib.suppress(AssertionError, NoDaemonError):
        until(lambda: served.answers() or not is_running(daemon), "a daemon")
    attached = a_life(served, datagrams)
    until(lambda: attached.is_measured() or not is_running(daemon), "a start")
    with contextlib.suppress(NodeError):
        attached.detach()
    attached.kill()
    with contextlib.suppress(AssertionError):
        until(lambda: not is_running(daemon), "the kill", limit_s=1)
    came_so_far = not is_running(daemon)
    served.kill()
    attached.kill()
    served.start()
    served.wait_clean()
    check_record(served, attached, datagrams)
    served.kill()
    return came_so_far


def is_running(pid: int) -> bool:
    """Return whether a process is there."""
    return Path(f"/proc/{pid}").exists()


def check_record(served: ServedNode, attached: Attachable, datagrams: int) -> None:
    """The run is recorded once and wholly, or it never began, or it is named."""
    summary = served.summary()
    run = summary.runs.get(attached.attach_id)
    if run is None:
        # It never got a namespace, or nobody saw it inside, and that is said.
        unmeasured = {entry.process.pid for entry in summary.unmeasured}
        assert not attached.attach_id or attached.process.pid in unmeasured
        return
    assert run.ended_at is not None
    assert run.final
    assert not run.partial
    assert run.counts[EXTERNAL] == (datagrams * DATAGRAM_BYTES, datagrams)


def test_a_kill_at_any_step_loses_nothing_and_leaves_nothing(
    served: ServedNode, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    """Each step is a change of rules, links, slots or journal; before and after it."""
    kill_at = 1
    while kill_round(served, kill_at, rng):
        kill_at += rng.randint(1, rounds(5, 1))
    assert kill_at > STEPS
