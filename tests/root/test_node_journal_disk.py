"""A journal that cannot be written: rules and counters stay, nothing is lost."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.client import Client
from collectors.daemon.protocol import NotMeasured, Ready, Tag
from tests.root.served_node import ServedNode, served_node, until
from tests.root.world import WAN_V4
from tests.soak.small_disk import filled, small_disk

EXTERNAL = "NetworkOutgoingExternal"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedNode]:
    with (
        small_disk(tmp_path / "journal", 256),
        served_node(tmp_path, canary_targets=[], snapshot_period_s=1) as served,
    ):
        yield served


def trouble(served: ServedNode) -> bool:
    """Return whether the daemon says that it cannot write the journal."""
    return bool(served.status()["journal_trouble"])


@contextlib.contextmanager
def full_disk(served: ServedNode, attach_id: str) -> Iterator[None]:
    """Fill the disk, and the last page of the journal's file with tags of a run."""
    tag = Tag(name="filler", value="", attach_id=attach_id)
    with filled(served.journal, leave_bytes=0):
        while not trouble(served):
            with Client(served.runtime / "root.sock") as client:
                client.say(tag)
        yield


def test_an_end_on_a_full_disk_waits_and_new_jobs_start_uncounted(
    served: ServedNode,
) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 5)
    with full_disk(served, attached.attach_id):
        ended = attached.detach()
        assert not ended.journaled
        assert ended.counts[EXTERNAL] == (640, 5)
        assert attached.attach_id in served.job_counters()
        # What was written of a line until the disk was full is cut off again.
        newest = max(served.journal.glob("*.jsonl"))
        until(lambda: newest.read_bytes().endswith(b"\n"), "whole lines")
        refused = served.process("sleep", "60").ask()
        assert isinstance(refused, NotMeasured)
        assert refused.reason == "journal"
    until(lambda: not trouble(served), "space")
    served.wait_clean()

    run = served.summary().runs[attached.attach_id]
    assert (run.counts[EXTERNAL], run.final) == ((640, 5), True)
    assert isinstance(served.process("sleep", "60").ask(), Ready)


def phases(served: ServedNode) -> set[str]:
    """Return how far the attaches are."""
    return {run["phase"] for run in served.status()["runs"]}


def test_a_kill_on_a_full_disk_loses_no_run(served: ServedNode) -> None:
    """Neither the start nor the end could be written; slots and counters remember."""
    served.start()
    first = served.process("sleep", "60").attach()
    first.send(WAN_V4, 3)
    second = served.process("sleep", "60")
    assert isinstance(second.ask(), Ready)
    with full_disk(served, first.attach_id):
        second.enter()
        until(second.is_inside, "the entry")
        second.send(WAN_V4, 4)
        first.kill()
        until(lambda: phases(served) == {"entered", "ending"}, "both to be noticed")
        served.kill()
    second.kill()
    served.start()
    served.wait_clean()

    runs = served.summary().runs
    assert runs[first.attach_id].counts[EXTERNAL] == (384, 3)
    assert runs[second.attach_id].counts[EXTERNAL] == (512, 4)
    assert {run.how for run in runs.values()} == {"orphan"}


def test_a_daemon_may_start_on_a_full_disk(served: ServedNode) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 6)
    with full_disk(served, attached.attach_id):
        served.kill()
        served.start()
        attached.kill()
        until(lambda: trouble(served), "the full disk")
        assert attached.attach_id in served.job_counters()
    served.wait_clean()

    assert served.summary().runs[attached.attach_id].counts[EXTERNAL] == (768, 6)


def test_what_a_crash_tore_is_cut_and_nothing_else(served: ServedNode) -> None:
    served.start()
    attached = served.process("sleep", "60").attach()
    served.kill()
    newest = max(served.journal.glob("*.jsonl"))
    whole = newest.read_bytes()
    newest.write_bytes(whole + b'{"kind":"end","at":"2026-')
    served.start()
    attached.detach()

    assert newest.read_bytes().startswith(whole)
    assert "a torn journal line was cut: 25 B" in served.log.read_text()
    assert served.summary().runs[attached.attach_id].final
