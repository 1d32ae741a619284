"""The addresses of the node itself."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from collectors.links.netlink import listed, route_netlink

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def own_addresses(version: Literal[4, 6]) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of all devices in the calling thread's net namespace.

    Raises:
        LinkError: The kernel did not list them.
    """
    with route_netlink("addresses") as netlink:
        found = listed(lambda: netlink.get_addr(family=FAMILIES[version]))
    texts = {each.get("local") or each.get("address") for each in found}
    return sorted(ip_address(text) for text in texts if text)
