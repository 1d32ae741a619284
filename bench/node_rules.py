"""Rules for many jobs, in every way that is compared: none, ours, and those of 2011."""

import dataclasses
import secrets
import subprocess
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from collectors.addressing import ipv4_pair, ipv6_pair
from collectors.job_link import JobLink
from collectors.rules.backend import NodeRules
from collectors.rules.iptables import IptablesBackend
from collectors.rules.nftables import NftablesBackend
from tests.root.hosts import Host

BLOCK_V4, BLOCK_V6 = IPv4Network("100.64.0.0/19"), IPv6Network("fd70:6f6f:6c6d::/115")
CAMPUS = "10.10.0.0/16"
RULES = NodeRules((ip_network(CAMPUS),), BLOCK_V4, BLOCK_V6)


def make_links(count: int) -> list[JobLink]:
    """Return so many links; their ids are as random as the daemon's."""
    return [
        JobLink(
            secrets.token_hex(5),
            number,
            ipv4_pair(number, BLOCK_V4),
            ipv6_pair(number, BLOCK_V6),
        )
        for number in range(count)
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """One way to count; ``install`` makes the rules of all jobs on a node."""

    name: str
    install: Callable[[Host, Sequence[JobLink]], None]


def _nothing(node: Host, _: Sequence[JobLink]) -> None:
    """Only translate addresses, by a single rule."""
    rule = f"ip saddr {BLOCK_V4} oifname wan0 masquerade"
    hook = "type nat hook postrouting priority 100"
    _fed(node, ["nft", "-f", "-"], f"table ip nat {{ chain a {{ {hook}; {rule}\n}}\n}}")


def _nftables(node: Host, links: Sequence[JobLink]) -> None:
    node.run(NftablesBackend().install, RULES, links, {})


def _iptables(node: Host, links: Sequence[JobLink]) -> None:
    backend = IptablesBackend()
    node.run(backend.install, RULES, links, {})
    backend.close()


def _four_rules(variant: str) -> Callable[[Host, Sequence[JobLink]], None]:
    def install(node: Host, links: Sequence[JobLink]) -> None:
        lines = [line for link in links for line in four_rules(link)]
        restore(node, variant, lines, [])

    return install


def four_rules(link: JobLink) -> Iterator[str]:
    """Yield a job's rules in FORWARD, as sites had them: the campus, then the rest."""
    for flag, end, way in (("-i", "-d", "Outgoing"), ("-o", "-s", "Incoming")):
        for network, zone in ((f"{end} {CAMPUS} ", "Internal"), ("", "External")):
            comment = f"-m comment --comment Network{way}{zone}"
            yield f"-A FORWARD {flag} {link.device} {network}{comment} -j ACCEPT"


def _chain_a_job(variant: str) -> Callable[[Host, Sequence[JobLink]], None]:
    def install(node: Host, links: Sequence[JobLink]) -> None:
        lines = []
        for link in links:
            lines.append(f":{link.attach_id} - [0:0]")
            lines += [r.replace("FORWARD", link.attach_id) for r in four_rules(link)]
            for flag in ("-i", "-o"):
                lines.append(f"-A FORWARD {flag} {link.device} -j {link.attach_id}")
        addresses = [f"-s {link.ipv4.job.ip}" for link in links]
        restore(node, variant, lines, addresses)

    return install


def restore(
    node: Host, variant: str, filters: Sequence[str], sources: Sequence[str]
) -> None:
    """Load rules of FORWARD, and translation of *sources* (of all where none is)."""
    nat = [f"-A POSTROUTING {s} -j MASQUERADE" for s in sources or [f"-s {BLOCK_V4}"]]
    text = ["*filter", *filters, "COMMIT", "*nat", *nat, "COMMIT", ""]
    _fed(node, [f"iptables-{variant}-restore", "--noflush"], "\n".join(text))


def _fed(node: Host, command: Sequence[str], text: str) -> None:
    node.run(subprocess.run, command, input=text, text=True, check=True)


NONE = Design("no accounting", _nothing)
NFTABLES = Design("poolmeter, nftables", _nftables)
IPTABLES = Design("poolmeter, iptables", _iptables)
DESIGNS = (
    NONE,
    NFTABLES,
    IPTABLES,
    Design("2011, a chain a job, iptables-legacy", _chain_a_job("legacy")),
    Design("2011, a chain a job, iptables-nft", _chain_a_job("nft")),
    Design("2011, four rules a job, iptables-legacy", _four_rules("legacy")),
    Design("2011, four rules a job, iptables-nft", _four_rules("nft")),
)
