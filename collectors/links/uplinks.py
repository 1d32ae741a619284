"""How the node reaches the world: its default routes, and whether IPv6 is there.

Read in the calling thread's net namespace; jobs' own devices are no uplinks.
"""

import dataclasses
import socket
from collections.abc import Sequence
from typing import Any, Literal

from pyroute2 import IPRoute

from collectors.links.netlink import listed, route_netlink
from collectors.links.sysctls import SysctlChange, read_sysctl, write_sysctl
from collectors.links.veth import is_job_device

MAIN_TABLE = 254  # RT_TABLE_MAIN
FROM_ADVERTISEMENT = 9  # RTPROT_RA
SCOPE_GLOBAL = 0  # RT_SCOPE_UNIVERSE
#: ``IFA_F_TENTATIVE``, ``IFA_F_DADFAILED``, ``IFA_F_DEPRECATED``: not to be used.
UNUSABLE = 0x40 | 0x08 | 0x20
DEFAULT_MTU = 1500
#: What IPv6 asks of every link (RFC 8200, section 5).
LEAST_IPV6_MTU = 1280

Family = Literal[4, 6]
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclasses.dataclass(frozen=True, slots=True)
class DefaultRoute:
    """One way out of the node."""

    device: str
    gateway: str | None
    mtu: int
    by_advertisement: bool


def default_routes(family: Family) -> list[DefaultRoute]:
    """Return the default routes of the main table, the preferred one first.

    Raises:
        LinkError: The kernel did not list them.
    """
    with route_netlink("routes") as netlink:
        links = {link["index"]: link for link in listed(netlink.get_links)}
        routes = listed(
            lambda: netlink.get_routes(family=FAMILIES[family], table=MAIN_TABLE)
        )
    defaults = [route for route in routes if route["dst_len"] == 0]
    defaults.sort(key=lambda route: route.get("priority") or 0)
    hops = [(route, hop) for route in defaults for hop in _hops(route)]
    return [
        DefaultRoute(
            device=links[index].get("ifname"),
            gateway=gateway,
            mtu=links[index].get("mtu"),
            by_advertisement=route["proto"] == FROM_ADVERTISEMENT,
        )
        for route, (index, gateway) in hops
        if index in links and not is_job_device(links[index].get("ifname"))
    ]


def _hops(route: Any) -> list[tuple[int, str | None]]:  # noqa: ANN401 - pyroute2's own
    """Return device and gateway of each hop of a route; ECMP has several."""
    several = route.get("multipath")
    if several:
        return [(hop["oif"], hop.get("gateway")) for hop in several]
    return [(route.get("oif"), route.get("gateway"))]


def job_mtu(routes: Sequence[DefaultRoute]) -> int:
    """Return the MTU for jobs' links: the smallest of all ways out.

    >>> ways = [DefaultRoute("a", None, mtu, False) for mtu in (9000, 1400)]
    >>> job_mtu(ways)
    1400
    >>> job_mtu([])
    1500
    """
    return min((route.mtu for route in routes), default=DEFAULT_MTU)


def why_no_ipv6() -> str | None:
    """Return why jobs cannot have IPv6 on this node, or ``None`` where they can.

    The canary comes on top: this only says what the node itself has.
    """
    if read_sysctl("net/ipv6/conf/all/disable_ipv6") != "0":
        return "IPv6 is off in the kernel"
    if not default_routes(6):
        return "no IPv6 default route"
    if not _has_global_address():
        return "no global IPv6 address"
    return None


def _has_global_address() -> bool:
    with route_netlink("addresses") as netlink:
        addresses = listed(lambda: _global_addresses(netlink))
        names = {
            link["index"]: link.get("ifname") for link in listed(netlink.get_links)
        }
    return any(
        not is_job_device(names.get(address["index"]) or "")
        for address in addresses
        if not (address.get("flags") or 0) & UNUSABLE
    )


def _global_addresses(netlink: IPRoute) -> Any:  # noqa: ANN401 - pyroute2's own
    return netlink.get_addr(family=socket.AF_INET6, scope=SCOPE_GLOBAL)


def keep_advertised_routes() -> list[SysctlChange]:
    """Let the kernel take router advertisements although it forwards.

    A kernel that forwards ignores them unless ``accept_ra`` is 2, and drops the routes
    that it had of them (``ip-sysctl.rst``), so this comes before forwarding is turned
    on.  Where ``accept_ra`` is 0 a network service handles them: left alone.

    Raises:
        LinkError: A setting could not be changed.
    """
    changes = [
        write_sysctl(f"net/ipv6/conf/{device}/accept_ra", "2")
        for device in dict.fromkeys(
            route.device for route in default_routes(6) if route.by_advertisement
        )
        if read_sysctl(f"net/ipv6/conf/{device}/accept_ra") == "1"
    ]
    return [change for change in changes if change]


def forward_packets(families: Sequence[Family]) -> list[SysctlChange]:
    """Turn forwarding on where it is off; return what was changed.

    Raises:
        LinkError: A setting could not be changed.
    """
    changes: list[SysctlChange | None] = []
    if 6 in families and not is_forwarding(6):  # noqa: PLR2004 - IP's version
        changes += keep_advertised_routes()
    changes += [
        write_sysctl(FORWARDING[family], "1")
        for family in families
        if not is_forwarding(family)
    ]
    return [change for change in changes if change]


FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


def is_forwarding(family: Family) -> bool:
    """Whether the node forwards packets of this IP version."""
    return read_sysctl(FORWARDING[family]) == "1"
