"""The veth pair between the node and a job's namespace.

The node's end is made down: rules come before it is up.  The job's end is complete
before that, so that the first packet finds its way.
"""

from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute

from collectors.errors import LinkError
from collectors.job_link import JobLink
from collectors.links.namespaces import in_namespace
from collectors.links.netlink import link_index, route_netlink
from collectors.links.sysctls import read_sysctl, write_where_present

JOB_DEVICE = "eth0"
NO_TWIN_DETECTION = 0x02  # IFA_F_NODAD
NODE_PREFIX = "veth"

#: Neither end believes what the other announces, and neither looks for twins; a packet
#: goes where its header says and not where an option in it would send it afterwards.
LINK_SYSCTLS = {
    "ipv4/conf/{}/accept_source_route": "0",
    "ipv6/conf/{}/accept_source_route": "-1",
    "ipv4/conf/{}/accept_redirects": "0",
    "ipv4/conf/{}/send_redirects": "0",
    "ipv4/conf/{}/rp_filter": "1",
    "ipv6/conf/{}/accept_ra": "0",
    "ipv6/conf/{}/accept_redirects": "0",
    "ipv6/conf/{}/autoconf": "0",
    "ipv6/conf/{}/accept_dad": "0",
}
#: Settings of the node that a job relies on; a new namespace has the kernel's own.
INHERITED_SYSCTLS = (
    "net/ipv4/ping_group_range",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/tcp_keepalive_time",
    "net/ipv4/tcp_keepalive_intvl",
    "net/ipv4/tcp_keepalive_probes",
)


def create_link(link: JobLink, namespace: Path, mtu: int) -> None:
    """Make the pair, the job's end in *namespace*; the node's end stays down.

    One that is left of an attempt that failed is made anew.

    Raises:
        LinkError: It could not be made; nothing of it is left.
    """
    delete_link(link.device)
    inherited = {name: read_sysctl(name) for name in INHERITED_SYSCTLS}
    try:
        with namespace.open("rb") as pinned, route_netlink(link.device) as netlink:
            peer = {"ifname": JOB_DEVICE, "net_ns_fd": pinned.fileno(), "mtu": mtu}
            netlink.link("add", ifname=link.device, kind="veth", peer=peer, mtu=mtu)
            _prepare_device(link.device, has_ipv6=link.ipv6 is not None)
            _add_addresses(netlink, link.device, _ends(link, "node"))
        in_namespace(namespace, lambda: _configure_job_end(link, inherited))
    except OSError as error:
        raise LinkError(link.device, found=str(error.strerror)) from error
    except LinkError:
        delete_link(link.device)
        raise


def bring_up(device: str) -> None:
    """Open the link; from now on packets flow.

    Raises:
        LinkError: There is no such device.
    """
    _set_state(device, "up")


def bring_down(device: str) -> None:
    """Close the link for good, so that no packet comes after the last reading.

    A device that is gone is down.
    """
    with route_netlink(device) as netlink:
        index = link_index(netlink, device)
        if index is not None:
            netlink.link("set", index=index, state="down")


def delete_link(device: str) -> None:
    """Remove the pair; one that is gone is fine."""
    with route_netlink(device) as netlink:
        index = link_index(netlink, device)
        if index is not None:
            netlink.link("del", index=index)


def _set_state(device: str, state: str) -> None:
    with route_netlink(device) as netlink:
        index = link_index(netlink, device)
        if index is None:
            raise LinkError(device, expected="the link of a job", found="no device")
        netlink.link("set", index=index, state=state)


def _prepare_device(device: str, *, has_ipv6: bool) -> None:
    for name, value in LINK_SYSCTLS.items():
        write_where_present(f"net/{name.format(device)}", value)
    # Without IPv6 not even neighbour discovery; connecting by IPv6 fails at once.
    disabled = "0" if has_ipv6 else "1"
    write_where_present(f"net/ipv6/conf/{device}/disable_ipv6", disabled)


def _configure_job_end(link: JobLink, inherited: dict[str, str | None]) -> None:
    for name, value in inherited.items():
        if value:
            write_where_present(name, value)
    _prepare_device(JOB_DEVICE, has_ipv6=link.ipv6 is not None)
    with route_netlink(f"{link.device}, job's end") as netlink:
        _set_up(netlink, "lo")
        _set_up(netlink, JOB_DEVICE)
        _add_addresses(netlink, JOB_DEVICE, _ends(link, "job"))
        for gateway in _ends(link, "node"):
            netlink.route("add", dst="default", gateway=str(gateway.ip))


def _ends(link: JobLink, end: str) -> list[IPv4Interface | IPv6Interface]:
    pairs = [pair for pair in (link.ipv4, link.ipv6) if pair]
    return [pair.node if end == "node" else pair.job for pair in pairs]


def _set_up(netlink: IPRoute, device: str) -> None:
    netlink.link("set", index=link_index(netlink, device), state="up")


def _add_addresses(
    netlink: IPRoute, device: str, addresses: list[IPv4Interface | IPv6Interface]
) -> None:
    index = link_index(netlink, device)
    for address in addresses:
        netlink.addr(
            "add",
            index=index,
            address=str(address.ip),
            prefixlen=address.network.prefixlen,
            # Without it an IPv6 address cannot be used until some time after the
            # link came up, and the job's first packets would have no source.
            flags=NO_TWIN_DETECTION,
        )


def list_links() -> list[str]:
    """Return the node's devices that have the name of a job's link."""
    with route_netlink("links") as netlink:
        names = [link.get("ifname") for link in netlink.get_links()]
    return sorted(name for name in names if is_job_device(name))


def is_job_device(name: str) -> bool:
    """Whether *name* has the form of a job's link: ``veth`` and ten hexadecimal digits.

    >>> is_job_device("veth0123456789"), is_job_device("vethc0ffee")
    (True, False)
    """
    digits = name.removeprefix(NODE_PREFIX)
    return (
        name.startswith(NODE_PREFIX)
        and len(digits) == 10  # noqa: PLR2004 - the length of an attach id
        and all(digit in "0123456789abcdef" for digit in digits)
    )
