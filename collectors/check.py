"""`poolmeter node check`: whether jobs can be measured on this node."""

import dataclasses
import enum
import ipaddress
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from collectors.addressing import refuse_overlap, slot_capacity
from collectors.client import Client, NoDaemonError
from collectors.contract_2011.scripted_node import scripts_of, try_scripts
from collectors.daemon.network import JobNetwork
from collectors.daemon.preparation import node_rules
from collectors.daemon.protocol import Facts, Status
from collectors.errors import NodeError
from collectors.links.calls import unshare_net
from collectors.links.conntrack import headroom
from collectors.links.namespaces import in_thread
from collectors.links.uplinks import (
    DEFAULT_MTU,
    default_routes,
    is_forwarding,
    why_no_ipv6,
)
from collectors.rules.iptables import usable_families
from collectors.rules.nftables_state import table_exists
from poolmeter.attributes import NETWORK_COUNTS
from poolmeter.node_config import NodeConfig

RESOLV_CONF = Path("/etc/resolv.conf")
TCP_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"
#: How loopback begins in the kernel's hexadecimal tables (little-endian words).
LOOPBACK_V4, LOOPBACK_V6 = "7F", "0" * 24 + "01000000"

#: A journal of a busy day; less than that free is said.
JOURNAL_BYTES = 200 * 2**20


class Grade(enum.StrEnum):
    """How a finding is meant."""

    OK = "ok"
    NOTE = "note"  # as it is; somebody may have to know
    FAIL = "fail"  # jobs are not measured


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    grade: Grade
    text: str


def check_node(settings: NodeConfig) -> Iterator[Finding]:
    """Yield what was found; nothing is changed.

    What cannot be looked at is a finding as well.
    """
    for subject, look in _LOOKS.items():
        try:
            yield from (Finding(subject, *found) for found in look(settings))
        except (NodeError, OSError) as error:
            yield Finding(subject, Grade.FAIL, str(error))


Found = tuple[Grade, str]


def _root(_: NodeConfig) -> Iterator[Found]:
    if os.geteuid() != 0:
        yield Grade.FAIL, "not root: this and the daemon need it"
        return
    in_thread(unshare_net)
    yield Grade.OK, "net namespaces can be made"


def _switch(settings: NodeConfig) -> Iterator[Found]:
    if Path(settings.disabled_file).exists():
        yield Grade.FAIL, f"{settings.disabled_file} is there: nothing is measured"
    if settings.rollout_percent < 100:  # noqa: PLR2004 - all of them
        yield Grade.NOTE, f"rollout_percent is {settings.rollout_percent}"


def _netfilter(settings: NodeConfig) -> Iterator[Found]:
    if scripts_of(settings) is not None:
        return
    if settings.rules == "iptables":
        yield Grade.OK, f"legacy tables: {', '.join(usable_families())}"
        return
    there = "is there" if table_exists() else "is not there: no daemon has made it"
    yield Grade.OK, f"nftables answers; the table inet poolmeter {there}"


def _scripts(settings: NodeConfig) -> Iterator[Found]:
    """Run the site's own pair once, with a scratch id."""
    scripts = scripts_of(settings)
    if scripts is None:
        return
    rules = node_rules(settings, with_ipv6=False, drop_foreign_forwarding=False)
    network = JobNetwork(Path(settings.runtime_folder), rules, DEFAULT_MTU)
    found = try_scripts(scripts, network)
    unknown = [name for name in found if name not in NETWORK_COUNTS]
    yield Grade.OK, f"{scripts.setup} counts {', '.join(found)}"
    if unknown:
        yield Grade.NOTE, f"of no class, so never priced: {', '.join(unknown)}"


def _uplink(settings: NodeConfig) -> Iterator[Found]:
    routes = default_routes(4)
    if not routes:
        yield Grade.FAIL, "no IPv4 default route"
    for route in routes:
        yield Grade.OK, f"{route.device} by {route.gateway}, MTU {route.mtu}"
    why = why_no_ipv6()
    if settings.ipv6 == "on" and why:
        yield Grade.NOTE, f"ipv6 is on, but: {why}"
    elif settings.ipv6 == "auto":
        yield Grade.OK, f"jobs get no IPv6: {why}" if why else "jobs get IPv6"


def _forwarding(settings: NodeConfig) -> Iterator[Found]:
    if is_forwarding(4):
        yield Grade.OK, "IPv4 forwarding is on"
    elif settings.manage_sysctls:
        yield Grade.OK, "IPv4 forwarding is off; the daemon turns it on"
    else:
        mend = "turn it on in /etc/sysctl.d, or set manage_sysctls = true"
        yield Grade.FAIL, f"IPv4 forwarding is off; {mend}"


def _addresses(settings: NodeConfig) -> Iterator[Found]:
    rules = node_rules(settings, with_ipv6=True, drop_foreign_forwarding=False)
    for block in (rules.job_block_v4, rules.job_block_v6):
        if block is not None:
            refuse_overlap(block, rules.internal, "[node] internal network")
    if not rules.internal:
        yield Grade.NOTE, "[node] internal is empty: nothing is counted as campus"
    yield Grade.OK, f"{slot_capacity(rules.job_block_v4)} slots"


def _conntrack(settings: NodeConfig) -> Iterator[Found]:
    cores = os.cpu_count() or 1
    room = headroom(cores, settings.flows_per_job)
    if room is None:
        yield Grade.NOTE, "connection tracking is not loaded yet"
        return
    text = (
        f"{room.in_use} of {room.limit} entries in use; "
        f"{cores} jobs of {settings.flows_per_job} flows need {room.needed}"
    )
    if room.is_enough:
        yield Grade.OK, text
    else:
        yield Grade.NOTE, f"{text}: raise net.netfilter.nf_conntrack_max"


def _names(_: NodeConfig) -> Iterator[Found]:
    servers = nameservers(RESOLV_CONF.read_text("utf-8", "replace"))
    if servers and all(ipaddress.ip_address(s).is_loopback for s in servers):
        names = ", ".join(servers)
        yield Grade.NOTE, f"{RESOLV_CONF} names only {names}, which no job reaches"
    else:
        yield Grade.OK, f"name servers: {', '.join(servers) or 'none'}"


def nameservers(text: str) -> list[str]:
    r"""Return the addresses that a resolv.conf(5) names.

    >>> nameservers("search example.org\nnameserver 127.0.0.53\n")
    ['127.0.0.53']
    """
    lines = [line.split() for line in text.splitlines()]
    found = [words[1] for words in lines if words[:1] == ["nameserver"] and words[1:]]
    return [address.partition("%")[0] for address in found if _is_address(address)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _loopback_services(_: NodeConfig) -> Iterator[Found]:
    ports: set[int] = set()
    for table in TCP_TABLES:
        if table.exists():
            ports |= loopback_ports(table.read_text("ascii"))
    if ports:
        shown = ", ".join(str(port) for port in sorted(ports))
        yield (
            Grade.NOTE,
            f"TCP ports open on loopback only, which no job reaches: {shown}",
        )


def loopback_ports(table: str) -> set[int]:
    """Return the ports that listen on loopback alone (proc_net_tcp)."""
    alone: set[int] = set()
    everywhere: set[int] = set()
    for line in table.splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, _, port = local.partition(":")
        if state == LISTENING:
            is_loopback = address == LOOPBACK_V6 or (
                len(address) == len("0100007F") and address.endswith(LOOPBACK_V4)
            )
            (alone if is_loopback else everywhere).add(int(port, 16))
    return alone - everywhere


def _journal(settings: NodeConfig) -> Iterator[Found]:
    folder = Path(settings.journal_folder)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    text = f"{folder}: {free_bytes // 2**20} MiB free"
    yield (Grade.OK if free_bytes >= JOURNAL_BYTES else Grade.NOTE), text


def _daemon(settings: NodeConfig) -> Iterator[Found]:
    try:
        with Client(Path(settings.runtime_folder) / "root.sock") as client:
            reply = client.ask(Status())
    except NoDaemonError as error:
        yield Grade.FAIL, str(error)
        return
    status = reply.status if isinstance(reply, Facts) else {}
    if status.get("measuring"):
        yield Grade.OK, "the daemon runs and measures"
    else:
        yield (
            Grade.FAIL,
            f"the daemon runs and does not measure: {status.get('refusal')}",
        )


_LOOKS: dict[str, Callable[[NodeConfig], Iterator[Found]]] = {
    "root": _root,
    "switches": _switch,
    "netfilter": _netfilter,
    "scripts": _scripts,
    "uplink": _uplink,
    "forwarding": _forwarding,
    "addresses": _addresses,
    "conntrack": _conntrack,
    "names": _names,
    "loopback": _loopback_services,
    "journal": _journal,
    "daemon": _daemon,
}
