"""What a job may not do: change the network, reach other jobs, be reached."""

import socket
import textwrap
from collections.abc import Iterator

import pytest

from collectors.links.sysctls import read_sysctl
from collectors.rules.backend import NodeRules
from collectors.traffic import Count
from tests.root import traffic
from tests.root.capture import Capture
from tests.root.world import (
    CAMPUS_V4,
    CAMPUS_V6,
    FAR_V4,
    JOB_BLOCK_V4,
    JOB_BLOCK_V6,
    NODE_LAN_V4,
    NODE_LAN_V6,
    NODE_WAN_V4,
    NODE_WAN_V6,
    RULES,
    Job,
    World,
    assert_exact,
)

NOBODY = 65534
#: Each attempt, and what its refusal says.
ATTEMPTS = {
    "nft flush ruleset": "Operation not permitted",
    "nft list ruleset": "Operation not permitted",
    "nft delete table inet poolmeter": "Operation not permitted",
    "ip link set eth0 down": "Operation not permitted",
    "ip link set eth0 address 02:00:00:00:00:01": "Operation not permitted",
    "ip link set eth0 mtu 9000": "Operation not permitted",
    "ip link set eth0 netns 1": "Operation not permitted",
    "ip link add more type veth": "Operation not permitted",
    "ip address add 100.64.0.99/31 dev eth0": "Operation not permitted",
    "ip -6 address add 2001:db8:bad::1/64 dev eth0": "Operation not permitted",
    "ip route add 10.0.0.0/8 dev eth0": "Operation not permitted",
    "ip route del default": "Operation not permitted",
    "ip neighbour add 100.64.0.0 lladdr 02:00:00:00:00:01 dev eth0": "not permitted",
    "nsenter --net=/proc/1/ns/net true": "denied",
    "tee /proc/sys/net/ipv4/ip_forward": "denied",
    "tee /proc/sys/net/ipv6/conf/eth0/disable_ipv6": "denied",
}
#: A root of its own user namespace is nobody in the namespace of the link.
AS_USERNS_ROOT = ("unshare", "--user", "--map-root-user")


@pytest.fixture(scope="module")
def job(world: World) -> Iterator[Job]:
    with world.job() as job:
        yield job


@pytest.mark.parametrize("wrapper", [(), AS_USERNS_ROOT], ids=["user", "userns-root"])
def test_a_job_cannot_change_rules_links_routes_or_addresses(
    world: World, job: Job, wrapper: tuple[str, ...]
) -> None:
    state = job.inside.command(["ip", "-d", "address"]).stdout
    routes = job.inside.command(["ip", "route", "show", "table", "all"]).stdout
    for attempt, refusal in ATTEMPTS.items():
        done = job.inside.command([*wrapper, *attempt.split()], user=NOBODY)
        assert done.returncode != 0, attempt
        assert refusal in done.stderr, (attempt, done.stderr)
    assert job.inside.command(["ip", "-d", "address"]).stdout == state
    after = job.inside.command(["ip", "route", "show", "table", "all"]).stdout
    assert after == routes
    assert world.node.run(world.backend.check) is None


def test_a_neighbour_with_a_route_to_the_block_opens_no_connection(
    world: World, job: Job
) -> None:
    neighbour = world.campus
    neighbour.add_route(str(JOB_BLOCK_V4), NODE_LAN_V4)
    neighbour.add_route(str(JOB_BLOCK_V6), NODE_LAN_V6)
    try:
        for version in (4, 6):
            address = job.address(version)
            family = traffic.family_of(address)
            with job.inside.socket(family, socket.SOCK_STREAM) as listener:
                listener.bind((address, 0))
                listener.listen()
                with neighbour.socket(family, socket.SOCK_STREAM) as client:
                    client.settimeout(0.3)
                    with pytest.raises(TimeoutError):
                        client.connect(listener.getsockname()[:2])
            traffic.send_datagrams(neighbour, address, 20, 500)
        assert_exact(job)
        sources = {str(p.source) for p in job.capture.packets() if p.outgoing}
        assert not sources & {CAMPUS_V4, CAMPUS_V6}
    finally:
        for version, block in ((4, JOB_BLOCK_V4), (6, JOB_BLOCK_V6)):
            neighbour.command(["ip", f"-{version}", "route", "del", str(block)])


def test_an_answer_to_the_job_still_comes_with_that_route(
    world: World, job: Job
) -> None:
    """What is refused is a new connection, not the neighbour."""
    assert traffic.exchange_datagrams(job.inside, world.campus, CAMPUS_V4, 5, 100) == 5


@pytest.mark.parametrize("drop", [True, False], ids=["ours", "not-ours"])
def test_packets_between_two_uplinks_are_forwarded_only_if_somebody_else_wanted_it(
    world: World, *, drop: bool
) -> None:
    """``drop_foreign_forwarding`` is set where forwarding was off before us."""
    world.wan.add_route("10.10.0.0/16", NODE_WAN_V4)
    world.wan.add_route("2001:db8:10::/64", NODE_WAN_V6)
    world.install(with_drop(drop=drop))
    try:
        with Capture(world.campus, "eth0") as heard:
            for address in (CAMPUS_V4, CAMPUS_V6):
                traffic.send_datagrams(world.wan, address, 20, 500)
            passed = [p for p in heard.packets() if p.ip_bytes > 500]
        assert len(passed) == (0 if drop else 40)
    finally:
        world.install(RULES)
        world.wan.command(["ip", "route", "del", "10.10.0.0/16"])
        world.wan.command(["ip", "-6", "route", "del", "2001:db8:10::/64"])


def with_drop(*, drop: bool) -> NodeRules:
    """Return the world's rules with or without what is between two uplinks."""
    return NodeRules(
        RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, drop_foreign_forwarding=drop
    )


def test_what_the_job_announces_as_a_router_changes_nothing_on_the_node(
    world: World, job: Job
) -> None:
    """Even as root within: no route, no address comes of its advertisements."""
    routes = world.node.command(["ip", "-6", "route"]).stdout
    advertisement = textwrap.dedent(
        """
        import socket, struct
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF,
                       socket.if_nametoindex("eth0"))
        prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
        option = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 7200, 7200, 0, prefix)
        router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
        raw.sendto(router + option, ("ff02::1", 0))
        """
    )
    before = job.counts()
    done = job.inside.command(["python3", "-c", advertisement])
    assert done.returncode == 0, done.stderr
    job.capture.await_packet(lambda packet: packet.head[40] == 134)
    assert job.counts() != before
    assert world.node.command(["ip", "-6", "route"]).stdout == routes
    assert "bad" not in world.node.command(["ip", "-6", "address"]).stdout


def test_a_job_without_ipv6_fails_at_once_and_sends_no_packet(world: World) -> None:
    with world.job(ipv6=False) as job:
        with (
            job.inside.socket(socket.AF_INET6, socket.SOCK_STREAM) as client,
            pytest.raises(OSError, match="unreachable"),
        ):
            client.connect((CAMPUS_V6, 80))
        with job.inside.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
            listener.bind(("::1", 0))  # the job's own loopback has IPv6 all the same
        assert traffic.exchange_datagrams(job.inside, world.campus, CAMPUS_V4, 1, 100)
        assert_exact(job)
        assert {p.source.version for p in job.capture.packets()} == {4}


def test_settings_of_the_node_that_jobs_rely_on_are_those_of_the_node(
    world: World,
) -> None:
    world.node.sysctl("net/ipv4/ip_local_port_range", "20000\t30000")
    world.node.sysctl("net/ipv4/ping_group_range", "0\t2147483647")
    with world.job() as job:
        ports = job.inside.run(read_sysctl, "net/ipv4/ip_local_port_range")
        groups = job.inside.run(read_sysctl, "net/ipv4/ping_group_range")
    assert (ports, groups) == ("20000\t30000", "0\t2147483647")


def test_the_flow_limit_holds_a_job_and_leaves_the_others(world: World) -> None:
    limited = NodeRules(RULES.internal, JOB_BLOCK_V4, JOB_BLOCK_V6, (), True, 10)
    with world.job() as greedy, world.job() as other:
        world.install(limited)
        try:
            with Capture(world.wan, "eth0") as heard:
                for job in (greedy, other):
                    flows = 50 if job is greedy else 5
                    for port in range(1000, 1000 + flows):
                        traffic.send_datagrams(job.inside, FAR_V4, 1, 500, port)
                passed = [p for p in heard.packets() if p.ip_bytes == 528]
            assert len(passed) == 10 + 5
            assert_exact(greedy)
            assert_exact(other)
        finally:
            world.install(RULES)


def test_no_job_has_spoofed_anything_by_accident(job: Job) -> None:
    assert job.spoofed() == Count()
