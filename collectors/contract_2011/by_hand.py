"""``poolmeter-netns-setup`` and ``poolmeter-netns-cleanup``: a job by hand, no daemon.

The kernel is the only memory: which pairs of addresses are taken is read from the
devices, what belongs to a job from the comments of its rules.
"""

import contextlib
import dataclasses
import re
import shutil
import socket
import subprocess
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path

from pyroute2 import IPRoute

from collectors.addressing import ipv4_pair, slot_capacity
from collectors.contract_2011.by_hand_rules import (
    JobByHand,
    addresses_of,
    clean_up_text,
    is_whole,
    set_up_text,
)
from collectors.contract_2011.chains import save
from collectors.contract_2011.names import checked_job_id
from collectors.contract_2011.saved_rules import SavedRules
from collectors.errors import LinkError, RulesError
from collectors.job_link import AddressPair
from collectors.links.conntrack import forget_flows
from collectors.links.netlink import link_index, listed, route_netlink
from collectors.links.sysctls import write_where_present
from collectors.links.uplinks import forward_packets, is_forwarding
from collectors.links.veth import LINK_SYSCTLS
from poolmeter.errors import UsageError
from poolmeter.locks import locked
from poolmeter.node_config import NodeConfig

DEVICE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
LOCK = "netns-setup.lock"
RESTORE_LIMIT_S = 60
#: Somebody else may remove a rule between our look and our removal.
ATTEMPTS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class ByHand:
    """Sets jobs up and cleans up after them, with the iptables commands of *path*."""

    settings: NodeConfig
    path: str

    def set_up(self, job_id: str, device: str) -> IPv4Address:
        """Make routing and rules for *device*; return the address of the job's end.

        What is whole already is left alone, with its counters.

        Raises:
            UsageError: The id or the device is none.
            NodeError: The kernel or iptables refused; nothing is left half made.
        """
        checked_job_id(job_id)
        checked_device(device)
        with self._locked():
            self._prepare_forwarding()
            pair = _route(device, self._block(), self._slots())
            job = self._job(job_id, device, pair)
            if not is_whole(job, self._saved()):
                self._remove_rules(job_id)
                try:
                    self._restore(set_up_text(job))
                except RulesError:
                    self._remove_rules(job_id)
                    raise
            return job.address

    def clean_up(self, job_id: str, device: str) -> None:
        """Remove rules, flows and addresses of the job; what is gone is fine.

        Raises:
            UsageError: The id or the device is none.
            NodeError: The kernel or iptables refused.
        """
        checked_job_id(job_id)
        checked_device(device)
        with self._locked():
            addresses = self._remove_rules(job_id)
            _unroute(device, self._block())
            forget_flows(addresses)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        folder = Path(self.settings.runtime_folder)
        return locked(folder / LOCK, what="setting up jobs by hand", wait=True)

    def _block(self) -> IPv4Network:
        return IPv4Network(self.settings.job_block_v4)

    def _slots(self) -> Path:
        return Path(self.settings.runtime_folder) / "slots"

    def _job(self, job_id: str, device: str, pair: AddressPair) -> JobByHand:
        networks = [ip_network(text) for text in self.settings.internal]
        return JobByHand(
            job_id,
            device,
            IPv4Address(pair.job.ip),
            self._block(),
            tuple(n for n in networks if isinstance(n, IPv4Network)),
            self.settings.local == "internal",
        )

    def _prepare_forwarding(self) -> None:
        if is_forwarding(4):
            return
        if not self.settings.manage_sysctls:
            raise LinkError(
                "IPv4 forwarding",
                expected="on, so that jobs reach the network",
                found="off",
                mend="sysctl -w net.ipv4.ip_forward=1",
            )
        forward_packets([4])

    def _saved(self) -> SavedRules:
        return save(self._command("iptables-save"), self.path)

    def _remove_rules(self, job_id: str) -> list[IPv4Address]:
        """Remove the rules of *job_id*; return the addresses that they were for."""
        found: list[IPv4Address] = []
        for attempt in range(1, ATTEMPTS + 1):
            saved = self._saved()
            found += addresses_of(job_id, saved)
            try:
                self._restore(clean_up_text(job_id, saved))
            except RulesError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        return found

    def _restore(self, text: str) -> None:
        if not text:
            return
        command = self._command("iptables-restore")
        done = subprocess.run(  # noqa: S603 - a command of the administrator's PATH
            (command, "--noflush", "--wait"),
            input=text,
            env={"PATH": self.path, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=RESTORE_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise RulesError(command, found=done.stderr.strip())

    def _command(self, name: str) -> str:
        found = shutil.which(name, path=self.path)
        if found is None:
            raise RulesError(name, found="no such command", mend="install iptables")
        return found


def checked_device(device: str) -> None:
    """Refuse what is no device's name; one that ended in "+" would match many.

    Raises:
        UsageError: It is none.
    """
    if DEVICE.fullmatch(device) is None or device in (".", ".."):
        raise UsageError("DEVICE", expected="a device's name", found=repr(device))


def _route(device: str, block: IPv4Network, slots: Path) -> AddressPair:
    """Give *device* the node's address of a pair that is free, and open it."""
    with route_netlink(device) as netlink:
        index = link_index(netlink, device)
        if index is None:
            raise LinkError(device, expected="the node's end of a link", found="none")
        taken = _taken(netlink, block, slots)
        number = next((n for n, owner in taken.items() if owner == index), None)
        if number is None:
            number = _first_free(taken, block)
            node = ipv4_pair(number, block).node
            address, length = str(node.ip), node.network.prefixlen
            netlink.addr("add", index=index, address=address, prefixlen=length)
        for name, value in {**LINK_SYSCTLS, "ipv6/conf/{}/disable_ipv6": "1"}.items():
            write_where_present(f"net/{name.format(device)}", value)
        netlink.link("set", index=index, state="up")
        return ipv4_pair(number, block)


def _taken(netlink: IPRoute, block: IPv4Network, slots: Path) -> dict[int, int | None]:
    """Return which slots are taken, and by the index of which device."""
    taken: dict[int, int | None] = {}
    if slots.is_dir():
        taken = {int(f.name): None for f in slots.iterdir() if f.name.isdecimal()}
    for found in listed(lambda: netlink.get_addr(family=socket.AF_INET)):
        address = IPv4Address(found.get("local") or found.get("address"))
        if address in block:
            number = (int(address) - int(block.network_address)) // 2
            taken[number] = found["index"]
    return taken


def _first_free(taken: dict[int, int | None], block: IPv4Network) -> int:
    for number in range(slot_capacity(block)):
        if number not in taken:
            return number
    raise LinkError(f"all addresses of {block} are taken", mend="configure more")


def _unroute(device: str, block: IPv4Network) -> None:
    """Take the addresses of *block* from *device*; one that is gone has none."""
    with route_netlink(device) as netlink:
        index = link_index(netlink, device)
        if index is None:
            return
        for found in listed(lambda: netlink.get_addr(index=index)):
            address = found.get("local") or found.get("address")
            if found["family"] == socket.AF_INET and IPv4Address(address) in block:
                length = found["prefixlen"]
                netlink.addr("del", index=index, address=address, prefixlen=length)
