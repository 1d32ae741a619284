"""A worker node between a WAN and a campus, and jobs on it.

::

    wan 203.0.113.1 ── wan0 ┐                  ┌ veth… ── eth0 job
                            ├ node (forwards) ─┤
    campus 10.10.0.1 ─ lan0 ┘                  └ veth… ── eth0 job

The WAN machine also has addresses behind it, the campus machine several blocks and,
just outside of them, addresses that are not campus.  The counters are compared with
what was captured on the job's link, classed here by plain containment of addresses.
"""

import contextlib
import ipaddress
import itertools
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from collectors.addressing import ipv4_pair, ipv6_pair
from collectors.job_link import JobLink
from collectors.links.conntrack import forget_flows
from collectors.links.namespaces import create_namespace, delete_namespace
from collectors.links.uplinks import forward_packets
from collectors.links.veth import bring_down, bring_up, create_link, delete_link
from collectors.rules.backend import NodeRules, RuleBackend
from collectors.rules.nftables import NftablesBackend
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, Zone
from tests.root.capture import Capture, Packet
from tests.root.hosts import Host, connect, set_offloads

JOB_BLOCK_V4 = IPv4Network("100.64.0.0/19")
JOB_BLOCK_V6 = IPv6Network("fd70:6f6f:6c6d::/115")
#: Several blocks of both versions, one within another, and one of a single address.
CAMPUS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.10.0.0/16",
        "10.10.128.0/20",
        "192.168.40.0/24",
        "172.20.5.77/32",
        "2001:db8:10::/48",
        "2001:db8:40:8000::/49",
    )
)
RULES = NodeRules(CAMPUS, JOB_BLOCK_V4, JOB_BLOCK_V6, drop_foreign_forwarding=True)

WAN_V4, WAN_V6 = "203.0.113.1", "2001:db8:113::1"
FAR_V4, FAR_V6 = "198.51.100.9", "2001:db8:ffff::9"
CAMPUS_V4, CAMPUS_V6 = "10.10.0.1", "2001:db8:10::1"
NODE_WAN_V4, NODE_WAN_V6 = "203.0.113.2", "2001:db8:113::2"
NODE_LAN_V4, NODE_LAN_V6 = "10.10.0.2", "2001:db8:10::2"
#: The first and the last address of blocks, and their neighbours outside.
CAMPUS_EDGES = (
    "10.10.255.254",
    "10.10.128.0",
    "192.168.40.0",
    "192.168.40.255",
    "172.20.5.77",
    "2001:db8:10:ffff:ffff:ffff:ffff:ffff",
    "2001:db8:40:8000::",
)
OUTSIDE_EDGES = (
    "10.9.255.255",
    "10.11.0.0",
    "192.168.39.255",
    "192.168.41.0",
    "172.20.5.76",
    "172.20.5.78",
    "2001:db8:11::",
    "2001:db8:f:ffff:ffff:ffff:ffff:ffff",
    "2001:db8:40:7fff:ffff:ffff:ffff:ffff",
)
NEVER_REMOTE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "fe80::/10",
        "ff00::/8",
    )
)


SETTLE_LIMIT_S = 2


class Job:
    """A measured job: its link, and the inside of its namespace."""

    def __init__(self, world: "World", link: JobLink, inside: Host) -> None:
        self.world = world
        self.link = link
        self.inside = inside
        #: What passes the node's end of the link, from before it was opened.
        self.capture = Capture(world.node, link.device)

    @property
    def device(self) -> str:
        """The node's end of the link."""
        return self.link.device

    def address(self, version: int) -> str:
        """Return the job's own address."""
        pair = self.link.ipv4 if version == 4 else self.link.ipv6
        assert pair is not None
        return str(pair.job.ip)

    def counts(self) -> dict[str, Count]:
        """Return the counters of now, by attribute."""
        reading = self.world.node.run(self.world.backend.read)
        return dict(reading.jobs[self.link.attach_id])

    def grown(self, before: dict[str, Count], way: Direction, zone: Zone) -> Count:
        """Return what a class has counted since *before*."""
        attribute = attribute_of(way, zone)
        now, then = self.counts()[attribute], before[attribute]
        return Count(now.ip_bytes - then.ip_bytes, now.packets - then.packets)

    def spoofed(self) -> Count:
        """Return what was dropped for its source."""
        reading = self.world.node.run(self.world.backend.read)
        return reading.spoofed[self.link.attach_id]


class World:
    """The machines and the rules on the node."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        runtime: Path,
        backend: RuleBackend | None = None,
    ) -> None:
        self.node, self.wan, self.campus = (
            stack.enter_context(Host(name)) for name in ("node", "wan", "campus")
        )
        self.runtime = runtime
        self.rules = RULES
        self.backend = backend or NftablesBackend()
        self.jobs: list[Job] = []
        self._numbers = itertools.count()
        self._cable()
        self.node.run(forward_packets, (4, 6))
        self.install(self.rules)

    def install(self, rules: NodeRules) -> None:
        """Make the node's table that of *rules*; jobs and their counters stay."""
        links = [job.link for job in self.jobs]
        self.node.run(self.backend.install, rules, links, {})

    def _cable(self) -> None:
        node, wan, campus = self.node, self.wan, self.campus
        connect(node, "wan0", wan, "eth0")
        connect(node, "lan0", campus, "eth0")
        node.add_address("wan0", f"{NODE_WAN_V4}/24", f"{NODE_WAN_V6}/64")
        node.add_address("lan0", f"{NODE_LAN_V4}/24", f"{NODE_LAN_V6}/64")
        wan.add_address("eth0", f"{WAN_V4}/24", f"{WAN_V6}/64")
        wan.add_address("lo", f"{FAR_V4}/32", f"{FAR_V6}/128")
        campus.add_address("eth0", f"{CAMPUS_V4}/24", f"{CAMPUS_V6}/64")
        for address in (*CAMPUS_EDGES, *OUTSIDE_EDGES):
            length = ipaddress.ip_address(address).max_prefixlen
            campus.add_address("lo", f"{address}/{length}")
            gateway = CAMPUS_V4 if length == 32 else CAMPUS_V6
            node.add_route(f"{address}/{length}", gateway)
        node.add_route("default", WAN_V4)
        node.add_route("default", WAN_V6)

    def set_offloads(self, *, on: bool) -> None:
        """Turn segmentation offloads of the uplinks on or off."""
        for host, device in (
            (self.node, "wan0"),
            (self.node, "lan0"),
            (self.wan, "eth0"),
            (self.campus, "eth0"),
        ):
            host.run(set_offloads, device, on=on)

    def plan(self, *, ipv6: bool = True) -> JobLink:
        """Return the next slot's link; nothing of it is made."""
        number = next(self._numbers)
        pair_v6 = ipv6_pair(number, JOB_BLOCK_V6) if ipv6 else None
        pair_v4 = ipv4_pair(number, JOB_BLOCK_V4)
        return JobLink(f"{number:010x}", number, pair_v4, pair_v6)

    def prepare(self, *, ipv6: bool = True, mtu: int = 1500) -> Job:
        """Make a job's rules, namespace and link; the link is still down."""
        link = self.plan(ipv6=ipv6)
        namespace = self.node.run(create_namespace, self.runtime, link.attach_id)
        self.node.run(self.backend.setup, link)
        self.node.run(create_link, link, namespace, mtu)
        descriptor = self.node.run(os.open, namespace, os.O_RDONLY)
        try:
            self.jobs.append(Job(self, link, Host(link.device, descriptor)))
            return self.jobs[-1]
        finally:
            os.close(descriptor)

    def start(self, *, ipv6: bool = True, offloads: bool = True) -> Job:
        """Make a job and open its link."""
        job = self.prepare(ipv6=ipv6)
        self.node.run(set_offloads, job.device, on=offloads)
        job.inside.run(set_offloads, "eth0", on=offloads)
        self.node.run(bring_up, job.device)
        return job

    def end(self, job: Job) -> None:
        """End a job in the order that loses nothing."""
        link = job.link
        self.jobs.remove(job)
        self.node.run(bring_down, link.device)
        self.node.run(self.backend.teardown, [link.attach_id])
        pairs = [pair for pair in (link.ipv4, link.ipv6) if pair]
        self.node.run(forget_flows, [pair.job.ip for pair in pairs])
        self.node.run(delete_link, link.device)
        self.node.run(delete_namespace, self.runtime, link.attach_id)
        job.inside.close()
        job.capture.close()

    def settled_difference_to_total(
        self, jobs: Sequence[Job]
    ) -> dict[Direction, Count]:
        """Return what the table's total has beyond the six classes of these *jobs*.

        Read until two readings agree: one lists counters while packets pass.
        """
        last = None
        while last != (last := self._difference_to_total(jobs)):
            pass
        return last

    def _difference_to_total(self, jobs: Sequence[Job]) -> dict[Direction, Count]:
        reading = self.node.run(self.backend.read)
        beyond = {}
        for way in Direction:
            total = reading.total[way]
            classes = [
                reading.jobs[job.link.attach_id][attribute_of(way, zone)]
                for job, zone in itertools.product(jobs, Zone)
            ]
            beyond[way] = Count(
                total.ip_bytes - sum(count.ip_bytes for count in classes),
                total.packets - sum(count.packets for count in classes),
            )
        return beyond

    @contextlib.contextmanager
    def job(self, *, ipv6: bool = True, offloads: bool = True) -> Iterator[Job]:
        """Yield a job with an open link."""
        job = self.start(ipv6=ipv6, offloads=offloads)
        try:
            yield job
        finally:
            self.end(job)


@contextlib.contextmanager
def small_world(runtime: Path, backend: RuleBackend | None = None) -> Iterator[World]:
    """Yield a world of one's own."""
    with contextlib.ExitStack() as stack:
        yield World(stack, runtime, backend)


def expected_counts(packets: Sequence[Packet]) -> dict[str, Count]:
    """Return what the captured *packets* of the job's link count as, by attribute.

    The node sends what the job receives.
    """
    counts: dict[str, Count] = defaultdict(Count)
    for traffic_class in TRAFFIC_CLASSES:
        counts[traffic_class.attribute] = Count()
    for packet in packets:
        direction = Direction.INCOMING if packet.outgoing else Direction.OUTGOING
        remote = packet.source if packet.outgoing else packet.destination
        attribute = attribute_of(direction, zone_of(str(remote)))
        counts[attribute] += Count(packet.ip_bytes, 1)
    return dict(counts)


def attribute_of(direction: Direction, zone: Zone) -> str:
    """Return the attribute that counts this class."""
    return next(
        traffic_class.attribute
        for traffic_class in TRAFFIC_CLASSES
        if (traffic_class.direction, traffic_class.zone) == (direction, zone)
    )


NODE_ADDRESSES = {NODE_WAN_V4, NODE_WAN_V6, NODE_LAN_V4, NODE_LAN_V6}
SUBNET_BROADCASTS = {"203.0.113.255", "10.10.0.255"}


def zone_of(text: str) -> Zone:
    """Return where an address is, by the definition and without the kernel."""
    address = ipaddress.ip_address(text)
    local = (*NEVER_REMOTE, JOB_BLOCK_V4, JOB_BLOCK_V6)
    if text in NODE_ADDRESSES | SUBNET_BROADCASTS or _within(address, local):
        return Zone.LOCAL
    return Zone.INTERNAL if _within(address, CAMPUS) else Zone.EXTERNAL


def _within(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    networks: Sequence[IPv4Network | IPv6Network],
) -> bool:
    return any(address in network for network in networks)


def assert_exact(
    job: Job, seen_as: Callable[[list[Packet]], list[Packet]] = list
) -> dict[str, Count]:
    """Assert that the counters equal all that passed the link; return them.

    *seen_as* says what the hooks see of what passed.

    Multicast listeners report when they like, also between two readings: it is enough
    that both are equal once.  A wrong count never becomes right.
    """
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while True:
        counts = job.counts()
        expected = expected_counts(seen_as(job.capture.packets()))
        if counts == expected:
            return counts
        assert time.monotonic() < deadline, f"counted {counts}, captured {expected}"
        time.sleep(0.01)
