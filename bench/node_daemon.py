"""What the daemon takes for many jobs, beside the shell recipe of 2011.

A daemon gets jobs until there are as many as asked for.  Then one more is set up now
and then, in turn with one by the shell recipe (``ip`` and ``iptables-legacy``, in a
table with the rules of as many jobs); 64 are set up at once in both ways; everything is
read; 200,000 entries of connection tracking are put in one job's name and the job ends.
CPU seconds are those of the daemon, and of the shell with all that it started.

    python -m bench.node_daemon [--jobs 1000] [--rounds 7] [--at-once 64]
"""

import argparse
import contextlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.node_rules import RULES, four_rules, make_links, restore
from collectors.job_link import JobLink
from collectors.rules.iptables import IptablesBackend
from collectors.rules.nftables import NftablesBackend
from tests.root.crowd import all_measured, crowd
from tests.root.hosts import Host
from tests.root.served_node import ServedNode, served_node

STEP = 32
IDLE_S = 20.0
CONNTRACK_ENTRIES = 200_000
SETUPS_MEANWHILE = 10

SET_UP = """
ip netns add {id}
ip link add {device} type veth peer name eth0 netns {id}
ip address add {node} dev {device}
ip link set {device} up
ip -n {id} link set lo up
ip -n {id} link set eth0 up
ip -n {id} address add {job} dev eth0
ip -n {id} route add default via {gateway}
iptables-legacy -w -t nat -A POSTROUTING -s {address} -j MASQUERADE
"""


def shell_set_up(link: JobLink) -> str:
    """Return the recipe for one job."""
    pair = link.ipv4
    lines = SET_UP.format(
        id=link.attach_id,
        device=link.device,
        node=pair.node,
        job=pair.job,
        gateway=pair.node.ip,
        address=pair.job.ip,
    )
    return lines + "\n".join(f"iptables-legacy -w {rule}" for rule in four_rules(link))


def shell(node: Host, *scripts: str) -> tuple[float, float]:
    """Run *scripts* at once; return wall and CPU seconds."""
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    running = [node.run(subprocess.Popen, ["sh", "-ec", script]) for script in scripts]
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit("bench.node_daemon: the shell recipe failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began_s, cpu_s


def cpu_s_of(pid: int) -> float:
    """Return the CPU time of a process so far, all threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text("ascii").split()[0]) for each in threads) / 1e9


def memory_mib_of(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def fill(served: ServedNode, jobs: int) -> None:
    """Have the daemon measure so many jobs."""
    rng = random.Random(1)
    for begin in range(0, jobs, STEP):
        members = crowd(served, min(STEP, jobs - begin), rng)
        refused = [member.reply for member in members if not member.attached.attach_id]
        if refused:
            sys.exit(
                f"bench.node_daemon: {refused[0]} {served.log.read_text()[-2000:]}"
            )
        all_measured(served, members)
        print(f"{begin + len(members)} jobs", file=sys.stderr)


def print_set_ups(served: ServedNode, rounds: int, spare: list[JobLink]) -> None:
    """Measure and print one more set-up, in both ways in turn."""
    ours, theirs = [], []
    for _ in range(rounds):
        waiting = served.process("sleep", "600")
        cpu_s, began_s = cpu_s_of(served.pid), time.monotonic()
        waiting.ask()
        wall_s = time.monotonic() - began_s
        waiting.enter()
        ours.append((wall_s, cpu_s_of(served.pid) - cpu_s))
        theirs.append(shell(served.node, shell_set_up(spare.pop())))
    _print_ratio("one more set-up", ours, theirs, statistics.median)


def print_at_once(served: ServedNode, size: int, spare: list[JobLink]) -> None:
    """Measure and print many set-ups at once."""
    cpu_s = cpu_s_of(served.pid)
    members = crowd(served, size, random.Random(2))
    longest_s = max(member.waited_s for member in members)
    ours = longest_s, cpu_s_of(served.pid) - cpu_s
    theirs = shell(served.node, *(shell_set_up(spare.pop()) for _ in range(size)))
    _print_ratio(f"{size} at once", [ours], [theirs], statistics.median)
    all_measured(served, members)


def _print_ratio(
    what: str,
    ours: Sequence[tuple[float, float]],
    theirs: Sequence[tuple[float, float]],
    middle: Callable[[Sequence[float]], float],
) -> None:
    values = []
    for kind in (0, 1):
        own = middle([sample[kind] for sample in ours])
        other = middle([sample[kind] for sample in theirs])
        values += [f"{own * 1000:,.0f}", f"{other * 1000:,.0f}", f"{own / other:.2f}"]
    print(f"| {what} | {' | '.join(values)} |", flush=True)


def print_readings(served: ServedNode, jobs: int, rounds: int) -> None:
    """Measure and print a reading of everything, by both back ends."""
    print("\n| a reading of all jobs by | ms, median | least |\n|---|---|---|")
    nftables = NftablesBackend()
    with Host("tables") as other:
        iptables = IptablesBackend()
        other.run(iptables.install, RULES, make_links(jobs), {})
        readers: dict[str, Callable[[], object]] = {
            "nftables": lambda: served.node.run(nftables.read),
            "iptables": lambda: other.run(iptables.read),
        }
        for name, read in readers.items():
            took_ms = []
            for _ in range(rounds):
                began_s = time.monotonic()
                read()
                took_ms.append((time.monotonic() - began_s) * 1000)
            middle = statistics.median(took_ms)
            print(f"| {name} | {middle:,.0f} | {min(took_ms):,.0f} |", flush=True)
        iptables.close()


def print_footprint(served: ServedNode, jobs: int, empty_mib: float) -> None:
    """Measure and print what the daemon takes while nothing begins or ends."""
    before_s = cpu_s_of(served.pid)
    time.sleep(IDLE_S)
    percent = (cpu_s_of(served.pid) - before_s) / IDLE_S * 100
    mib = memory_mib_of(served.pid)
    each = (mib - empty_mib) / jobs * 100
    print(f"\nthe daemon at {jobs} jobs: {mib:.0f} MiB ({empty_mib:.0f} with none)")
    print(f"each 100 jobs: {each:.2f} MiB, {percent / jobs * 100:.2f} % of a core")


def print_conntrack(served: ServedNode, entries: int) -> None:
    """Measure set-ups while a job ends that has very many flows."""
    busy = served.process("sleep", "600").attach()
    calm = [_waited_ms(served) for _ in range(SETUPS_MEANWHILE)]
    with busy.inside() as inside, inside.socket(2) as sender:
        inside.run(_open_flows, sender, entries)
    ending = threading.Thread(target=busy.detach)
    ending.start()
    meanwhile = [_waited_ms(served) for _ in range(SETUPS_MEANWHILE)]
    ending.join()
    print(f"\na set-up, alone: median {statistics.median(calm):.0f} ms, ", end="")
    print(
        f"longest {max(calm):.0f} ms; while a job with {entries} flows ends: ", end=""
    )
    print(f"median {statistics.median(meanwhile):.0f}, longest {max(meanwhile):.0f} ms")


def _waited_ms(served: ServedNode) -> float:
    waiting = served.process("sleep", "600")
    began_s = time.monotonic()
    waiting.ask()
    waited_ms = (time.monotonic() - began_s) * 1000
    waiting.enter()
    return waited_ms


def _open_flows(sender: object, entries: int) -> None:
    """Send one datagram to each of so many ports and addresses."""
    for number in range(entries):
        target = f"198.51.{100 + number // 50_000}.9", 1 + number % 50_000
        with contextlib.suppress(OSError):
            sender.sendto(b"", target)  # type: ignore[attr-defined]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--flows", type=int, default=CONNTRACK_ENTRIES)
    options = parser.parse_args()
    # The unit allows the daemon many; here it inherits our limit.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        tempfile.TemporaryDirectory() as folder,
        served_node(Path(folder), ipv6="off") as served,
    ):
        served.node.command(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        served.start()
        empty_mib = memory_mib_of(served.pid)
        fill(served, options.jobs)
        links = make_links(options.jobs + options.rounds + options.at_once)
        spare = links[options.jobs :]
        rules = [rule for link in links[: options.jobs] for rule in four_rules(link)]
        sources = [f"-s {link.ipv4.job.ip}" for link in links[: options.jobs]]
        restore(served.node, "legacy", rules, sources)
        print(f"{options.jobs} jobs\n")
        print("| | wall ms | shell | ratio | CPU ms | shell | ratio |")
        print("|---|---|---|---|---|---|---|")
        print_set_ups(served, options.rounds, spare)
        print_at_once(served, options.at_once, spare)
        print_readings(served, options.jobs, options.rounds)
        print_footprint(served, options.jobs, empty_mib)
        print_conntrack(served, options.flows)


if __name__ == "__main__":
    main()
