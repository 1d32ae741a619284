"""What the worker node's daemon itself costs, and whether a large end delays others.

::

    python -m bench.node_daemon [--jobs 100 200] [--flows 200000] [--idle-s 30]

Three tables of one run, in namespaces of their own (root): memory and CPU beside idle
jobs; set-ups at once; and the wait for a set-up while a job with many entries in
connection tracking ends.
"""

import argparse
import contextlib
import os
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from collectors.daemon.protocol import Ready
from collectors.links.conntrack import IN_USE
from collectors.links.sysctls import read_limit
from tests.root.crowd import Member, all_measured, crowd
from tests.root.served_node import Attachable, ServedNode, served_node, until
from tests.root.world import FAR_V4

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PORTS = 50_000
SETUPS = 12


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--crowds", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--flows", type=int, default=200_000)
    parser.add_argument("--idle-s", type=float, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served_node(Path(folder)) as served:
        served.start()
        _print_costs(served, chosen.jobs, chosen.idle_s)
        _print_crowds(served, chosen.crowds)
        _print_delays(served, chosen.flows)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far (proc_pid_stat(5), 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mib(pid: int, name: str) -> float:
    """Return ``Rss`` or ``Pss`` of a process (proc_pid_smaps(5))."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    kib = next(line.split()[1] for line in rollup.splitlines() if line.startswith(name))
    return int(kib) / 1024


def _print_costs(served: ServedNode, sizes: Sequence[int], idle_s: float) -> None:
    print("\n| jobs | Rss MiB | CPU, % of a core | CPU ms a second |")
    print("|---|---|---|---|")
    members: list[Member] = []
    for size in (0, *sizes):
        members += crowd(served, size - len(members), random.Random(0))
        all_measured(served, members)
        before_s, began_s = cpu_s(served.pid), time.monotonic()
        time.sleep(idle_s)
        share = (cpu_s(served.pid) - before_s) / (time.monotonic() - began_s)
        rss = memory_mib(served.pid, "Rss")
        print(f"| {size} | {rss:.1f} | {share * 100:.2f} | {share * 1000:.1f} |")
    _end(served, members)


def _end(served: ServedNode, members: Sequence[Member]) -> None:
    for member in members:
        member.attached.kill()
    until(lambda: not served.leftovers(), "a clean node", limit_s=300)


def _print_crowds(served: ServedNode, sizes: Sequence[int]) -> None:
    print("\n| at once | set up | slowest s | median s | CPU ms each | ends, s |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        before_s = cpu_s(served.pid)
        members = crowd(served, size, random.Random(0))
        all_measured(served, members)
        each_ms = (cpu_s(served.pid) - before_s) / size * 1000
        waits = [member.waited_s for member in members]
        ready = sum(isinstance(member.reply, Ready) for member in members)
        began_s = time.monotonic()
        _end(served, members)
        print(
            f"| {size} | {ready} | {max(waits):.2f} | {statistics.median(waits):.2f} "
            f"| {each_ms:.1f} | {time.monotonic() - began_s:.2f} |"
        )


def _print_delays(served: ServedNode, flows: int) -> None:
    """Set-ups alone, then while a job with *flows* entries is removed."""
    alone = [_setup_s(served) for _ in range(SETUPS)]
    busy = served.process("sleep", "600").attach()
    _open_flows(busy, flows)
    entries = served.node.run(read_limit, IN_USE)
    busy.kill()
    beside: list[float] = []
    began_s = time.monotonic()
    while _is_there(served, busy) or len(beside) < SETUPS:
        beside.append(_setup_s(served))
        if not _is_there(served, busy) and len(beside) >= SETUPS:
            break
    print(f"\n{entries} entries, removed after {time.monotonic() - began_s:.1f} s")
    print("\n| set-ups | | median ms | slowest ms |")
    print("|---|---|---|---|")
    for name, found in (("alone", alone), ("beside", beside)):
        median, slowest = statistics.median(found) * 1000, max(found) * 1000
        print(f"| {len(found)} | {name} | {median:.0f} | {slowest:.0f} |")


def _is_there(served: ServedNode, attached: Attachable) -> bool:
    return any(r["attach_id"] == attached.attach_id for r in served.status()["runs"])


def _setup_s(served: ServedNode) -> float:
    process = served.process("sleep", "60")
    began_s = time.monotonic()
    reply = process.ask()
    took_s = time.monotonic() - began_s
    process.kill()
    if not isinstance(reply, Ready):
        raise SystemExit(f"no set-up: {reply}")
    return took_s


def _open_flows(attached: Attachable, flows: int) -> None:
    """Make so many entries: a datagram from each of some ports to each of many."""
    with attached.inside() as inside:
        for _ in range(0, flows, PORTS):
            with inside.socket(socket.AF_INET) as sender:
                for port in range(1, PORTS + 1):
                    with contextlib.suppress(OSError):
                        sender.sendto(b"", (FAR_V4, port))


if __name__ == "__main__":
    main()
