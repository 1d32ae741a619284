"""When a node's jobs can have IPv6, and that the node keeps its own."""

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from collectors.links.sysctls import read_sysctl
from collectors.links.uplinks import (
    DefaultRoute,
    default_routes,
    forward_packets,
    is_forwarding,
    job_mtu,
    why_no_ipv6,
)
from tests.root.hosts import Host, connect, device_index, hosts

ADVERTISED = "2001:db8:77::"
WAIT_LIMIT_S = 10


@pytest.fixture
def node_and_router() -> Iterator[tuple[Host, Host]]:
    with hosts("node", "router") as (node, router):
        connect(node, "wan0", router, "eth0")
        yield node, router


def test_a_node_without_an_uplink_of_ipv6_has_none_for_jobs(
    node_and_router: tuple[Host, Host],
) -> None:
    node, _ = node_and_router
    node.add_address("wan0", "203.0.113.2/24")
    node.add_route("default", "203.0.113.1")
    assert node.run(why_no_ipv6) == "no IPv6 default route"


def test_a_default_route_without_a_global_address_is_not_enough(
    node_and_router: tuple[Host, Host],
) -> None:
    node, _ = node_and_router
    node.command(
        ["ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "wan0"]
    )
    assert node.run(why_no_ipv6) == "no global IPv6 address"


def test_a_job_s_own_link_is_no_uplink(node_and_router: tuple[Host, Host]) -> None:
    node, router = node_and_router
    connect(node, "veth0123456789", router, "eth1")
    node.add_address("veth0123456789", "2001:db8:5::2/64")
    node.add_route("default", "2001:db8:5::1")
    assert node.run(why_no_ipv6) == "no IPv6 default route"


def test_ipv6_that_the_kernel_has_off_is_named(
    node_and_router: tuple[Host, Host],
) -> None:
    node, _ = node_and_router
    node.sysctl("net/ipv6/conf/all/disable_ipv6", "1")
    assert node.run(why_no_ipv6) == "IPv6 is off in the kernel"


def test_a_node_with_an_advertised_default_route_keeps_it_when_it_forwards(
    node_and_router: tuple[Host, Host],
) -> None:
    node, router = node_and_router
    advertise(router)
    before = await_advertised_route(node)
    assert node.run(why_no_ipv6) is None
    assert not node.run(is_forwarding, 6)
    changes = node.run(forward_packets, (4, 6))
    changed = [(change.name, change.after) for change in changes]
    assert changed == [
        ("net.ipv6.conf.wan0.accept_ra", "2"),
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
    ]
    assert node.run(default_routes, 6) == [before]
    # The next advertisement is taken as well: this one ends the route.
    advertise(router, lifetime_s=0)
    await_no_route(node)
    assert node.run(forward_packets, (4, 6)) == []


def test_a_node_whose_network_service_handles_advertisements_is_left_alone(
    node_and_router: tuple[Host, Host],
) -> None:
    node, router = node_and_router
    advertise(router)
    await_advertised_route(node)
    node.sysctl("net/ipv6/conf/wan0/accept_ra", "0")
    node.run(forward_packets, (6,))
    assert node.run(read_sysctl, "net/ipv6/conf/wan0/accept_ra") == "0"


def test_the_mtu_of_jobs_is_the_smallest_of_all_uplinks(
    node_and_router: tuple[Host, Host],
) -> None:
    node, router = node_and_router
    connect(node, "lan0", router, "eth1")
    node.command(["ip", "link", "set", "wan0", "mtu", "1400"])
    node.command(["ip", "link", "set", "lan0", "mtu", "9000"])
    node.add_address("wan0", "203.0.113.2/24")
    node.add_address("lan0", "10.10.0.2/24")
    hops = "nexthop via 203.0.113.1 nexthop via 10.10.0.1"
    node.command(["ip", "route", "add", "default", *hops.split()])
    routes = node.run(default_routes, 4)
    assert {route.device for route in routes} == {"wan0", "lan0"}
    assert job_mtu(routes) == 1400


def advertise(router: Host, lifetime_s: int = 1800) -> None:
    """Send one router advertisement (RFC 4861, 4.2) with a prefix."""

    def send() -> None:
        with socket.socket(
            socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6
        ) as raw:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            index = device_index("eth0")
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            prefix = socket.inet_pton(socket.AF_INET6, ADVERTISED)
            option = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 7200, 7200, 0, prefix)
            header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime_s, 0, 0)
            raw.sendto(header + option, ("ff02::1", 0))

    # Until its link-local address is ready, and the node listens.
    deadline = time.monotonic() + WAIT_LIMIT_S
    while True:
        try:
            return router.run(send)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def await_advertised_route(node: Host) -> DefaultRoute:
    """Return the default route that the kernel took from an advertisement."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not (routes := node.run(default_routes, 6)):
        assert time.monotonic() < deadline, "no route of an advertisement"
        time.sleep(0.02)
    assert routes[0].by_advertisement
    await_global_address(node)
    return routes[0]


def await_global_address(node: Host) -> None:
    """Wait until the address of the advertised prefix is ready for use."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while node.run(why_no_ipv6):
        assert time.monotonic() < deadline, node.run(why_no_ipv6)
        time.sleep(0.02)


def await_no_route(node: Host) -> None:
    """Wait until there is no default route of IPv6."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while node.run(default_routes, 6):
        assert time.monotonic() < deadline, "the route is still there"
        time.sleep(0.02)
