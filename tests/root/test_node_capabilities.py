"""What fails without each capability of the unit; with all of them everything works.

All other tests of the daemon run it under exactly the unit's capabilities.
"""

import re
import signal
from pathlib import Path

import pytest

from collectors.daemon.processes import net_namespace
from collectors.daemon.protocol import Ready
from collectors.journal.entries import End
from tests.root.served_node import (
    REPOSITORY,
    UNIT,
    ServedNode,
    served_node,
    unit_capabilities,
    until,
)

PAGE = REPOSITORY / "docs" / "node-daemon.md"
CANARY_YES = {"yes"}


def without(served: ServedNode, capability: str, *, ready: bool = True) -> None:
    """Start the daemon with the unit's capabilities but one."""
    served.capabilities = [c for c in unit_capabilities() if c != capability]
    served.start(wait=ready)


def canary_answers(served: ServedNode) -> set[str]:
    """Return what the canary was answered."""
    return {each["canary"] for each in served.status()["canary"]}


def test_the_page_names_exactly_the_units_capabilities() -> None:
    section = PAGE.read_text().partition("\n## Capabilities")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `CAP_(\w+)` \|", section, re.MULTILINE)

    assert [name.lower() for name in named] == [*unit_capabilities()]
    assert UNIT.read_text().count("CapabilityBoundingSet=") == len(named)


@pytest.mark.parametrize("capability", ["net_admin", "sys_admin"])
def test_the_daemon_does_not_start_without(tmp_path: Path, capability: str) -> None:
    """Not even the canary can be made; and nothing is left."""
    with served_node(tmp_path) as served:
        without(served, capability, ready=False)
        daemon = served.pid
        until(lambda: not Path(f"/proc/{daemon}").exists(), "its end")
        said = served.log.read_text()
        served.pid = 0

        assert "Operation not permitted" in said
        assert not served.devices() & {"veth"}


def test_the_canary_is_mute_without_net_raw(tmp_path: Path) -> None:
    with served_node(tmp_path) as served:
        without(served, "net_raw")
        assert canary_answers(served) == {"none"}
        served.kill()
        without(served, "nothing")
        assert canary_answers(served) == CANARY_YES


def test_nobody_is_seen_inside_without_sys_ptrace(tmp_path: Path) -> None:
    """A run that nobody sees begin is not measured."""
    with served_node(tmp_path, canary_targets=[], start_wait_s=1) as served:
        without(served, "sys_ptrace")
        process = served.process("sleep", "60")
        assert isinstance(process.ask(), Ready)
        process.enter()
        until(process.is_inside, "the entry")
        served.wait_clean()

        assert served.summary().runs == {}


@pytest.mark.parametrize("capability", ["kill", None])
def test_left_over_processes_of_others_are_spared_without_kill(
    tmp_path: Path, capability: str | None
) -> None:
    script = "setsid setpriv --reuid=12345 sleep 77 & exec sleep 60"
    options = {"canary_targets": [], "left_over_processes": "kill"}
    with served_node(tmp_path, **options) as served:
        without(served, capability or "nothing")
        attached = served.process("sh", "-c", script).attach()
        until(lambda: other_user(served, attached.namespace), "the other process")
        attached.kill()
        served.wait_clean()
        end = next(e for e in served.entries() if isinstance(e, End))
        (left,) = end.left_over

        assert left.killed is (capability is None)
        if capability:
            served.command("kill", f"-{signal.SIGKILL.value}", str(left.pid))


def other_user(served: ServedNode, namespace: str) -> bool:
    """Return whether a process of that user is in the namespace."""
    inode = served.node.run(Path(namespace).stat).st_ino
    pids = served.command("pgrep", "--uid", "12345").stdout.split()
    return inode in {net_namespace(int(pid)) for pid in pids}
