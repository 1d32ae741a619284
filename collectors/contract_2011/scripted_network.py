"""Links of jobs whose routing and rules a site's own scripts make.

The scripts only print the job's address.  So that nothing else need be known, the job's
end has that address alone, and sends all to the hardware address of the node's end: a
gateway that exists for this purpose only (169.254.1.1) stands for it.
"""

import contextlib
import dataclasses
import socket
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from pyroute2 import IPRoute

from collectors.contract_2011.chains import ChainReader
from collectors.contract_2011.site_scripts import SiteScripts
from collectors.daemon.network import JobNetwork
from collectors.errors import LinkError, NodeError
from collectors.job_link import AddressPair, JobLink
from collectors.links.namespaces import in_namespace, is_pinned
from collectors.links.netlink import link_index, listed, route_netlink
from collectors.links.sysctls import read_sysctl, write_where_present
from collectors.links.veth import (
    INHERITED_SYSCTLS,
    JOB_DEVICE,
    LINK_SYSCTLS,
    bring_up,
    delete_link,
)

GATEWAY = "169.254.1.1"
HOST_PREFIX = 32
NUD_PERMANENT = 0x80
SCOPE_LINK = 253


@dataclasses.dataclass(slots=True)
class ScriptedNetwork(JobNetwork):
    """As ``JobNetwork``, but a script makes the routing; IPv4 only."""

    scripts: SiteScripts = dataclasses.field(kw_only=True)
    reader: ChainReader = dataclasses.field(kw_only=True)

    def plan(
        self, attach_id: str, slot_number: int, *, ipv6: bool | None = None
    ) -> JobLink:
        """Return the link, with the address that the job has if it has one."""
        del ipv6  # the contract knows none
        link = super(ScriptedNetwork, self).plan(attach_id, slot_number, ipv6=False)
        path = self.namespace_path(attach_id)
        address = in_namespace(path, _own_address) if is_pinned(path) else None
        return link if address is None else _with_address(link, address)

    def connect(self, link: JobLink) -> JobLink:
        """Make the link, have the script make its rules, and open it.

        Raises:
            LinkError: The script broke the contract; it is cleaned up after.
        """
        try:
            address = self._connect(link)
        except NodeError:
            with contextlib.suppress(NodeError):
                self.scripts.clean_up(link.attach_id, link.device)
            delete_link(link.device)
            raise
        return _with_address(link, address)

    def _connect(self, link: JobLink) -> IPv4Address:
        namespace = self.namespace_path(link.attach_id)
        hardware_address = make_bare_link(link.device, namespace, self.mtu)
        address = self.scripts.set_up(link.attach_id, link.device)
        attributes = self.reader.read(link.attach_id).get(link.attach_id)
        if not attributes:
            raise LinkError(
                f"{self.scripts.setup}",
                expected=f"a chain {link.attach_id} whose comments name attributes",
                found="none" if attributes is None else "no such comment",
            )
        inherited = {name: read_sysctl(name) for name in INHERITED_SYSCTLS}
        in_namespace(
            namespace, lambda: _configure_job_end(address, hardware_address, inherited)
        )
        bring_up(link.device)
        _refuse_other_route(address, link.device, self.scripts.setup)
        return address


def _with_address(link: JobLink, address: IPv4Address) -> JobLink:
    alone = IPv4Interface((address, HOST_PREFIX))
    return dataclasses.replace(link, ipv4=AddressPair(alone, alone), ipv6=None)


def make_bare_link(device: str, namespace: Path, mtu: int) -> str:
    """Make a pair without addresses; return the hardware address of the node's end.

    Raises:
        LinkError: It could not be made.
    """
    delete_link(device)
    try:
        with namespace.open("rb") as pinned, route_netlink(device) as netlink:
            peer = {"ifname": JOB_DEVICE, "net_ns_fd": pinned.fileno(), "mtu": mtu}
            netlink.link("add", ifname=device, kind="veth", peer=peer, mtu=mtu)
            _prepare(device)
            [found] = netlink.link("get", ifname=device)
            return str(found.get("address"))
    except OSError as error:
        raise LinkError(device, found=str(error.strerror)) from error


def _prepare(device: str) -> None:
    for name, value in {**LINK_SYSCTLS, "ipv6/conf/{}/disable_ipv6": "1"}.items():
        write_where_present(f"net/{name.format(device)}", value)


def _configure_job_end(
    address: IPv4Address, hardware_address: str, inherited: dict[str, str | None]
) -> None:
    for name, value in inherited.items():
        if value:
            write_where_present(name, value)
    _prepare(JOB_DEVICE)
    with route_netlink("job's end") as netlink:
        index = link_index(netlink, JOB_DEVICE)
        for each in (link_index(netlink, "lo"), index):
            netlink.link("set", index=each, state="up")
        netlink.addr("add", index=index, address=str(address), prefixlen=HOST_PREFIX)
        netlink.neigh(
            "add",
            index=index,
            dst=GATEWAY,
            lladdr=hardware_address,
            state=NUD_PERMANENT,
        )
        gateway = f"{GATEWAY}/{HOST_PREFIX}"
        netlink.route("add", dst=gateway, oif=index, scope=SCOPE_LINK)
        netlink.route("add", dst="default", gateway=GATEWAY, oif=index)


def _own_address() -> IPv4Address | None:
    """Return the address of the job's end, in its namespace."""
    with route_netlink("job's end") as netlink:
        index = link_index(netlink, JOB_DEVICE)
        if index is None:
            return None
        found = _addresses(netlink, index)
    return found[0] if found else None


def _addresses(netlink: IPRoute, index: int) -> list[IPv4Address]:
    listing = listed(lambda: netlink.get_addr(family=socket.AF_INET, index=index))
    return [IPv4Address(each.get("local") or each.get("address")) for each in listing]


def _refuse_other_route(address: IPv4Address, device: str, script: Path) -> None:
    """Refuse a job that the node does not reach through *device*."""
    with route_netlink(f"route to {address}") as netlink:
        [route] = netlink.route("get", dst=str(address))
        oif, index = route.get("oif"), link_index(netlink, device)
    if oif != index:
        raise LinkError(
            f"{script}", expected=f"a route to {address} by {device}", found="another"
        )
