"""Parts of the daemon that need no network: queue, slots, tally, gate, words."""

from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from collectors.check import loopback_ports
from collectors.daemon.gate import Gate, Refusal
from collectors.daemon.service_manager import notify
from collectors.daemon.tally import Tally
from collectors.daemon.work_queue import SETUPS_IN_A_ROW, Turn, WorkQueue
from collectors.errors import LinkError
from collectors.job_link import AddressPair, JobLink
from collectors.journal.entries import Job, Process
from collectors.rules.backend import RulesReading
from collectors.slots import Slot, SlotFolder
from collectors.traffic import Count
from poolmeter.config import parse_config
from poolmeter.errors import ConfigError


def test_set_ups_go_before_flushes_and_tear_downs_are_not_starved() -> None:
    queue = WorkQueue()
    done: list[str] = []
    queue.put(Turn.FLUSH, lambda: done.append("flush"))
    queue.put(Turn.TEARDOWN, lambda: done.append("teardown"))
    for _ in range(SETUPS_IN_A_ROW + 1):
        queue.put(Turn.SETUP, lambda: done.append("setup"))
    queue.put(Turn.RESTORE, lambda: done.append("restore"))
    while (task := queue.next_task(0)) is not None:
        task()

    assert done == [
        "restore",
        *["setup"] * SETUPS_IN_A_ROW,
        "teardown",
        "setup",
        "flush",
    ]


def test_a_task_says_how_many_go_before_it() -> None:
    queue = WorkQueue()

    assert queue.put(Turn.FLUSH, lambda: None) == 0
    assert queue.put(Turn.SETUP, lambda: None) == 0
    assert queue.put(Turn.SETUP, lambda: None) == 1
    assert queue.put(Turn.FLUSH, lambda: None) == 3


def slot(number: int, attach_id: str = "0123456789") -> Slot:
    return Slot(number, attach_id, "boot", Process(1, 2, 0), Job(), ipv6=False)


def test_a_slot_is_taken_once_and_used_again_last(tmp_path: Path) -> None:
    slots = SlotFolder(tmp_path, 3)
    for number in range(3):
        assert slots.next_free() == number
        slots.take(slot(number))
    with pytest.raises(LinkError, match="all 3 slots are taken"):
        slots.next_free()
    slots.release(0)
    slots.release(1)
    assert slots.next_free() == 0
    slots.take(slot(0))
    slots.release(0)
    assert slots.next_free() == 1


def test_two_daemons_cannot_take_one_slot(tmp_path: Path) -> None:
    one, other = SlotFolder(tmp_path, 3), SlotFolder(tmp_path, 3)
    one.take(slot(0))

    with pytest.raises(LinkError, match="File exists"):
        other.take(slot(0))


def test_slots_are_there_after_a_restart(tmp_path: Path) -> None:
    slots = SlotFolder(tmp_path, 9)
    slots.take(slot(4))
    (tmp_path / ".00007").write_bytes(b"half")
    (tmp_path / "00006").write_bytes(b"not ours")
    again = SlotFolder(tmp_path, 9)

    assert again.taken() == [slot(4)]
    assert again.next_free() == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00004"]


def reading(*counts: int) -> RulesReading:
    jobs = {f"{n}": {"X": Count(count, count)} for n, count in enumerate(counts)}
    return RulesReading(jobs, {}, {})


def test_sums_never_fall() -> None:
    tally = Tally()
    tally.begin("0")
    seen = []
    for shown in (5, 9, 2, 2, 4, 0, 1):
        fell = tally.follow(reading(shown))
        seen.append((tally.counts("0")["X"].ip_bytes, fell))

    kept: list[str] = []
    assert seen == [
        (5, kept),
        (9, kept),
        (11, ["0"]),
        (11, kept),
        (13, kept),
        (13, ["0"]),
        (14, kept),
    ]


def test_a_run_without_counters_keeps_what_it_had() -> None:
    tally = Tally()
    tally.begin("0")
    tally.follow(reading(5))
    tally.follow(reading())

    assert tally.counts("0") == {"X": Count(5, 5)}
    assert tally.missing(reading(), ["0"]) == ["0"]
    assert tally.shown() == {"0": {"X": Count(5, 5)}}


@pytest.mark.parametrize(
    ("journaled", "kernel", "sum_then", "partial"),
    [(5, 5, 5, False), (5, 8, 8, False), (5, 0, 5, True), (5, 3, 5, True)],
)
def test_an_adopted_run_goes_on_from_what_was_journaled(
    journaled: int, kernel: int, sum_then: int, *, partial: bool
) -> None:
    tally = Tally()
    counts = {"X": Count(journaled, journaled)}
    assert tally.adopt("0", counts, {"X": Count(kernel, kernel)}) is partial
    assert tally.counts("0") == {"X": Count(sum_then, sum_then)}
    tally.follow(reading(kernel + 2))
    assert tally.counts("0") == {"X": Count(sum_then + 2, sum_then + 2)}


def test_the_gate_is_open_when_nothing_holds_it_closed() -> None:
    gate = Gate()
    assert gate.refusal() is None
    assert gate.close("preflight", "blocked")
    assert not gate.close("preflight", "still blocked")
    assert gate.close("drain", "drained")
    assert gate.refusal() == Refusal("preflight", "still blocked")
    assert gate.open("preflight")
    assert not gate.open("preflight")
    assert gate.refusal() == Refusal("drain", "drained")


def test_a_link_has_a_name_that_network_manager_leaves_alone() -> None:
    pair = AddressPair(IPv4Interface("100.64.0.0/31"), IPv4Interface("100.64.0.1/31"))

    assert JobLink("0123456789", 0, pair).device.startswith("veth")


def test_ports_on_loopback_alone_are_found() -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    rows = (
        "   0: 0100007F:0CEA 00000000:0000 0A 0",  # 127.0.0.1:3306
        "   1: 00000000:0016 00000000:0000 0A 0",  # 0.0.0.0:22
        "   2: 0100007F:0016 00000000:0000 0A 0",  # 127.0.0.1:22, beside it
        "   3: 0100007F:8000 0100007F:0CEA 01 0",  # connected
        f"   4: {'0' * 24}01000000:1538 {'0' * 32}:0000 0A 0",  # [::1]:5432
    )

    assert loopback_ports(head + "\n".join(rows)) == {3306, 5432}


def test_a_service_manager_that_is_gone_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify(ready=1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('mode = "bridge"', "`bridge` (a public address per job) is planned"),
        ('mode = "cgroup"', "`cgroup` comes with the attachment to HTCondor"),
        ('internal = ["10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        ('job_block_v4 = "fd00::/64"', "is not IPv4"),
        ('canary_targets = ["a b"]', "canary_targets"),
        ('runtime_folder = "run"', "runtime_folder"),
        ("canary_period = 3", "did you mean `canary_period_s`?"),
    ],
)
def test_what_cannot_work_is_refused_by_the_configuration(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(f"[node]\n{line}")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('attribute = "NetworkOutgoingExternal"\nnetworks = []', "one of the six"),
        (
            'attribute = "NetworkOutgoingX"\nnetworks = []\nports = [1]',
            "need a protocol",
        ),
        ('attribute = "MyStorage"\nnetworks = []', "attribute"),
    ],
)
def test_a_class_that_can_be_none_is_refused(table: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(f"[[node.classes]]\n{table}")

    assert said in str(refused.value)
