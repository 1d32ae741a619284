"""What a packet costs while many jobs are counted, and what a flow gets.

One node for each design, each with the rules of all jobs; the measured job is the last
of them.  Samples are taken in turn, so that what else the machine does hits all alike.
A packet's cost is the CPU time of the sender (a datagram of 64 bytes passes link, rules
and address translation within its own call), the least of all samples.

    python -m bench.node_packets [--jobs 1000] [--rounds 15] [--datagrams 20000]
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.node_rules import DESIGNS, IPTABLES, NFTABLES, NONE, Design, make_links
from collectors.job_link import JobLink
from collectors.links.namespaces import create_namespace
from collectors.links.uplinks import forward_packets
from collectors.links.veth import bring_up, create_link
from tests.root.hosts import Host, connect

WAN, NODE = "203.0.113.1", "203.0.113.2"
BYTES = 64
PORT = 9000
FLOW_S = 1.0
#: Within that of the best, a design is held to be as good.
FLOW_DESIGNS = (NONE, NFTABLES, IPTABLES)

SERVER = """
import socket, sys
listener = socket.create_server(("", 9000))
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kind = peer.recv(1)
    total, buffer = 0, bytearray(1 << 20)
    while got := peer.recv_into(buffer):
        total += got
        if kind == b"r":
            peer.sendall(buffer[:got])
    peer.close()
"""
CLIENT = """
import json, socket, sys, time
kind, seconds = sys.argv[1], float(sys.argv[2])
peer = socket.create_connection(("203.0.113.1", 9000))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
peer.sendall(kind.encode())
end, count, piece = time.monotonic() + seconds, 0, bytes(1 << 17)
began = time.monotonic()
while time.monotonic() < end:
    if kind == "r":
        peer.sendall(b"x")
        count += len(peer.recv(1))
    else:
        count += peer.send(piece)
print(json.dumps(count / (time.monotonic() - began)))
"""


class Lane:
    """A node with one design's rules, its last job, and a machine behind it."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        design: Design,
        links: Sequence[JobLink],
        runtime: Path,
    ) -> None:
        self.design = design
        self.node, self.wan = (
            stack.enter_context(Host(name)) for name in ("node", "wan")
        )
        connect(self.node, "wan0", self.wan, "eth0")
        self.node.add_address("wan0", f"{NODE}/24")
        self.wan.add_address("eth0", f"{WAN}/24")
        self.node.run(forward_packets, (4, 6))
        design.install(self.node, links)
        last = links[-1]
        namespace = self.node.run(create_namespace, runtime, last.attach_id)
        self.node.run(create_link, last, namespace, 1500)
        self.node.run(bring_up, last.device)
        descriptor = self.node.run(os.open, namespace, os.O_RDONLY)
        self.job = stack.enter_context(Host("job", descriptor))
        os.close(descriptor)
        self.sink = self.wan.socket(2)
        stack.callback(self.sink.close)
        self.sink.bind((WAN, PORT))
        self.server = self.wan.run(
            subprocess.Popen, [sys.executable, "-Ic", SERVER], stdout=subprocess.PIPE
        )
        stack.enter_context(self.server)
        stack.callback(self.server.kill)
        assert self.server.stdout is not None  # noqa: S101 - for the type
        self.server.stdout.readline()

    def flow(self, kind: str) -> float:
        """Return bytes ("t") or answers ("r") a second of one connection of the job."""
        command = [sys.executable, "-Ic", CLIENT, kind, str(FLOW_S)]
        done = self.job.run(
            subprocess.run, command, capture_output=True, text=True, check=True
        )
        return float(json.loads(done.stdout))


def packet_cost_us(sender: Host, datagrams: int) -> float:
    """Return the CPU time of one datagram from *sender*, in microseconds."""
    with sender.socket(2) as opened:
        opened.connect((WAN, PORT))
        return sender.run(_send, opened, datagrams)


def _send(opened: object, datagrams: int) -> float:
    send, content = opened.send, bytes(BYTES)  # type: ignore[attr-defined]
    began_ns = time.thread_time_ns()
    for _ in range(datagrams):
        send(content)
    return (time.thread_time_ns() - began_ns) / datagrams / 1000


def in_turn(
    rounds: int, samples: dict[str, Callable[[], float]]
) -> dict[str, list[float]]:
    """Take each sample once a round; return all values by name."""
    values: dict[str, list[float]] = {name: [] for name in samples}
    for number in range(rounds):
        names = list(samples)
        # Who is first is another one each time.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            values[name].append(samples[name]())
    return values


@contextlib.contextmanager
def lanes(designs: Sequence[Design], jobs: int) -> Iterator[list[Lane]]:
    """Yield a lane for each design."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        made = []
        for number, design in enumerate(designs):
            print(f"making {jobs} jobs: {design.name}", file=sys.stderr)
            runtime = Path(folder) / str(number)
            made.append(Lane(stack, design, make_links(jobs), runtime))
        yield made


def print_packets(made: Sequence[Lane], rounds: int, datagrams: int, jobs: int) -> None:
    """Measure and print what a job's packet costs."""

    def sample(lane: Lane) -> Callable[[], float]:
        return lambda: packet_cost_us(lane.job, datagrams)

    values = in_turn(rounds, {lane.design.name: sample(lane) for lane in made})
    base = min(values[NONE.name])
    print(f"\nCPU time of a job's packet, {jobs} jobs\n")
    print("| rules | us a packet, least | median | times no accounting |")
    print("|---|---|---|---|")
    for name, costs in values.items():
        median = statistics.median(costs)
        least = min(costs)
        print(f"| {name} | {least:.2f} | {median:.2f} | {least / base:.2f} |")


def print_host(made: Sequence[Lane], rounds: int, datagrams: int) -> None:
    """Measure and print what a packet of the node itself costs."""

    def sample(lane: Lane) -> Callable[[], float]:
        return lambda: packet_cost_us(lane.node, datagrams)

    chosen = [lane for lane in made if lane.design in FLOW_DESIGNS]
    values = in_turn(rounds, {lane.design.name: sample(lane) for lane in chosen})
    base = min(values[NONE.name])
    print("\nCPU time of a packet from the node itself, no job's\n")
    print("| rules | us a packet, least | times no accounting |")
    print("|---|---|---|")
    for name, costs in values.items():
        print(f"| {name} | {min(costs):.2f} | {min(costs) / base:.2f} |")


def print_flows(made: Sequence[Lane], rounds: int) -> None:
    """Measure and print what one connection of a job gets."""
    chosen = [lane for lane in made if lane.design in FLOW_DESIGNS]
    print("\nOne connection of a job: the best of all samples, and the median\n")
    print("| rules | Gbit/s | times no accounting | requests/s | times no accounting |")
    print("|---|---|---|---|---|")

    def sample(lane: Lane, kind: str) -> Callable[[], float]:
        return lambda: lane.flow(kind)

    streams, answers = (
        in_turn(rounds, {lane.design.name: sample(lane, kind) for lane in chosen})
        for kind in ("t", "r")
    )
    for name in streams:
        cells = [
            text
            for values, unit in ((streams, 8e-9), (answers, 1.0))
            for text in flow_cells(values, name, unit)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def flow_cells(values: dict[str, list[float]], name: str, unit: float) -> list[str]:
    """Return best and median with their ratios to those without accounting."""
    best, median = max(values[name]), statistics.median(values[name])
    base_best = max(values[NONE.name])
    base_median = statistics.median(values[NONE.name])
    ratios = f"{best / base_best:.2f} / {median / base_median:.2f}"
    return [f"{best * unit:,.2f} / {median * unit:,.2f}", ratios]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--datagrams", type=int, default=20_000)
    options = parser.parse_args()
    with lanes(DESIGNS, options.jobs) as made:
        print_packets(made, options.rounds, options.datagrams, options.jobs)
        print_host(made, options.rounds, options.datagrams)
        print_flows(made, options.rounds)


if __name__ == "__main__":
    main()
