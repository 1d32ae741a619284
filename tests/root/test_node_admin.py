"""What an administrator does: status, check, gc, drain, reload, left-over processes."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.daemon.processes import net_namespace
from collectors.journal.entries import End
from poolmeter.errors import ExitCode
from tests.root.served_node import Attachable, ServedNode, served_node, until
from tests.root.world import FAR_V4, WAN_V4

EXTERNAL, INTERNAL = "NetworkOutgoingExternal", "NetworkOutgoingInternal"

#: A daemon of the job's own: another session, another parent, root or not.
LEAVE_BEHIND = "setsid setpriv --reuid={uid} sleep 77 & exec sleep 60"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedNode]:
    metrics = str(tmp_path / "poolmeter.prom")
    with served_node(tmp_path, metrics_file=metrics, canary_targets=[]) as served:
        served.start()
        yield served


def test_status_check_and_journal_say_how_it_is(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(WAN_V4, 3)
    status = served.poolmeter("node", "status")
    check = served.poolmeter("node", "check")
    journal = served.poolmeter("node", "journal", "--live", "--format", "json")
    disabled = Path(str(served.options["disabled_file"]))
    disabled.touch()
    refused = served.poolmeter("node", "status", "--format", "json")

    assert status.returncode == ExitCode.DONE
    assert f"run          {attached.attach_id} entered" in status.stdout
    assert check.returncode == ExitCode.DONE, check.stdout
    assert "ok    daemon      the daemon runs and measures" in check.stdout
    assert list(json.loads(journal.stdout)["runs"]) == [attached.attach_id]
    assert refused.returncode == ExitCode.FAILED
    assert json.loads(refused.stdout)["refusal"]["reason"] == "disabled"


def test_without_a_daemon_check_says_what_is_missing(tmp_path: Path) -> None:
    with served_node(tmp_path) as served:
        served.node.run(Path("/proc/sys/net/ipv4/ip_forward").write_text, "0")
        done = served.poolmeter("node", "check", "--format", "json")
        refused = served.poolmeter("node", "serve")
    findings = {f["subject"]: f["grade"] for f in json.loads(done.stdout)}

    assert done.returncode == ExitCode.FAILED
    assert findings["daemon"] == findings["forwarding"] == "fail"
    assert findings["netfilter"] == findings["root"] == "ok"
    assert refused.returncode == ExitCode.FAILED
    assert "set [node] manage_sysctls = true" in refused.stderr


def test_what_belongs_to_nobody_is_collected(served: ServedNode) -> None:
    """A link, a namespace and rules of our names that no run owns."""
    stranger = "00000bad00"
    served.command("ip", "link", "add", f"veth{stranger}", "type", "veth")
    done = served.poolmeter("node", "gc")

    assert done.stdout == f"{stranger}: belonged to no run, removed\n"
    assert served.leftovers() == []


def test_links_of_others_are_left_alone(served: ServedNode) -> None:
    for name in ("vethc0ffee", "veth0123456789a", "vethXYZ0123456"):
        served.command("ip", "link", "add", name, "type", "veth")
    served.poolmeter("node", "gc")

    assert {"vethc0ffee", "veth0123456789a", "vethXYZ0123456"} <= served.devices()


def test_gc_without_a_daemon_ends_orphans_and_keeps_live_runs(
    served: ServedNode,
) -> None:
    live = served.process("sleep", "60").attach()
    orphan = served.process("sleep", "60").attach()
    orphan.send(WAN_V4, 4)
    served.kill()
    orphan.kill()
    done = served.poolmeter("node", "gc")

    assert done.returncode == ExitCode.DONE, done.stderr
    runs = served.summary().runs
    assert runs[orphan.attach_id].counts[EXTERNAL] == (512, 4)
    assert runs[live.attach_id].ended_at is None
    assert served.job_counters() == {live.attach_id}


def test_a_drain_waits_for_the_last_run_and_removes_everything(
    served: ServedNode,
) -> None:
    attached = served.process("sleep", "60").attach()
    begun = served.poolmeter("node", "drain", "--no-wait")
    refused = served.process("sleep", "60").ask()
    daemon = served.pid
    attached.kill()
    until(lambda: not Path(f"/proc/{daemon}").exists(), "the end of the daemon")

    assert begun.stdout == f"{attached.attach_id}: still there\n"
    assert getattr(refused, "reason", None) == "drain"
    assert served.leftovers() == []
    tables = served.command("nft", "list", "tables").stdout
    assert "poolmeter" not in tables
    assert served.summary().runs[attached.attach_id].final


def test_a_drain_without_a_daemon(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    served.stop()
    busy = served.poolmeter("node", "drain")
    attached.kill()
    done = served.poolmeter("node", "drain")

    assert busy.returncode == ExitCode.FAILED
    assert busy.stdout == f"{attached.attach_id}: still there\n"
    assert done.returncode == ExitCode.DONE
    assert "poolmeter" not in served.command("nft", "list", "tables").stdout
    assert served.leftovers() == []


def test_a_reload_changes_networks_and_keeps_counters(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    attached.send(FAR_V4, 5)
    internal = [*served.options["internal"], f"{FAR_V4}/32"]  # type: ignore[misc]
    served.write_config(internal=internal, job_block_v4="100.80.0.0/19")
    served.signal(signal.SIGHUP)
    served.wait_told("RELOADING=1")
    served.wait_told("READY=1")
    attached.send(FAR_V4, 7)
    counts = attached.detach().counts

    assert counts[EXTERNAL] == (5 * 128, 5)
    assert counts[INTERNAL] == (7 * 128, 7)
    assert "job_block_v4 stays '100.64.0.0/19'" in served.log.read_text()


def test_a_reload_of_nonsense_changes_nothing(served: ServedNode) -> None:
    attached = served.process("sleep", "60").attach()
    served.config.write_text('[node]\nmode = "bridge"\n')
    served.signal(signal.SIGHUP)
    served.wait_told("READY=1")
    attached.send(WAN_V4, 1)

    assert attached.detach().counts[EXTERNAL] == (128, 1)
    assert "`bridge` (a public address per job) is planned" in served.log.read_text()


@pytest.mark.parametrize(("uid", "killed"), [(12345, True), (0, False)])
def test_a_left_over_process_is_journaled_and_killed_unless_it_is_roots(
    served: ServedNode, uid: int, *, killed: bool
) -> None:
    served.write_config(left_over_processes="kill")
    served.signal(signal.SIGHUP)
    served.wait_told("READY=1")
    attached = served.process("sh", "-c", LEAVE_BEHIND.format(uid=uid)).attach()
    until(lambda: children(served, attached), "the process")
    attached.kill()
    served.wait_clean()
    end = next(e for e in served.entries() if isinstance(e, End))

    (left,) = end.left_over
    assert (left.name, left.uid, left.killed) == ("sleep", uid, killed)
    if killed:
        until(lambda: not Path(f"/proc/{left.pid}").exists(), "its end")
    else:
        os.kill(left.pid, signal.SIGKILL)


def children(served: ServedNode, attached: Attachable) -> list[str]:
    """Return the other processes called sleep in its namespace."""
    found = served.command("pgrep", "--full", "sleep 77").stdout.split()
    namespace = served.node.run(os.stat, attached.namespace).st_ino
    return [pid for pid in found if net_namespace(int(pid)) == namespace]


def test_metrics_are_in_prometheus_form(
    served: ServedNode, golden: Callable[[Path, str], None]
) -> None:
    path = Path(str(served.options["metrics_file"]))
    until(path.exists, "metrics")
    names = [
        line.split()[2] for line in path.read_text().splitlines() if "TYPE" in line
    ]

    assert "poolmeter_node_measuring 1\n" in path.read_text()
    golden(Path(__file__).with_name("metric-names.txt"), "\n".join(names) + "\n")
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_switch_works_at_once(served: ServedNode) -> None:
    Path(str(served.options["disabled_file"])).touch()
    done = served.poolmeter("node", "run", "--", "true")

    assert done.returncode == 0
    assert "not measured: disabled" in done.stderr
