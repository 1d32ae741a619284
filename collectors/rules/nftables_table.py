"""The part of the table that all jobs of a node share, as commands of ``nft(8)``.

Hooks and their order (``linux/netfilter_ipv4.h``): what jobs send is counted at
prerouting raw (-300), before connection tracking and any DNAT; what they receive at
postrouting 150, after the address of a DNATed server was put back (100), so that both
directions of a connection see the address that the job sees.
"""

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from collectors.rules.backend import NodeRules
from collectors.rules.nftables_names import (
    FLOWS,
    FROM_JOB,
    JOB_DEVICES,
    LINK_SOURCES_V6,
    LOCAL_V4,
    LOCAL_V6,
    NEAR_V4,
    NEAR_V6,
    OWN_KINDS,
    PLACE,
    TO_JOB,
    site_set,
)

Networks = Sequence[IPv4Network | IPv6Network]

LINK_LOCAL_V6 = IPv6Network("fe80::/10")
#: Link-local (RFC 3927, RFC 4291), multicast (RFC 5771, RFC 4291) and broadcast.
NEVER_REMOTE: Networks = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("255.255.255.255/32"),
    LINK_LOCAL_V6,
    IPv6Network("ff00::/8"),
)
#: The source of duplicate address detection and of the first MLD report (RFC 4862).
UNSPECIFIED_V6 = IPv6Network("::/128")


@dataclasses.dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain that the kernel calls at a hook."""

    name: str
    hook: str
    priority: int
    kind: str = "filter"


PREROUTING = BaseChain("prerouting", "prerouting", -300)
FLOW_LIMIT = BaseChain("flow_limit", "prerouting", -150)
FORWARD = BaseChain("forward", "forward", 0)
MASQUERADE = BaseChain("source_nat", "postrouting", 100, "nat")
POSTROUTING = BaseChain("postrouting", "postrouting", 150)

FROM_JOB_FORWARD, TO_JOB_FORWARD = "from_job_forward", "to_job_forward"
FORWARD_CHAINS = (FROM_JOB_FORWARD, TO_JOB_FORWARD)


def base_chains(rules: NodeRules) -> tuple[BaseChain, ...]:
    """Return the chains at hooks that these *rules* ask for."""
    limit = (FLOW_LIMIT,) if rules.flows_per_job_limit else ()
    return (PREROUTING, *limit, FORWARD, MASQUERADE, POSTROUTING)


def interval_sets(rules: NodeRules) -> dict[str, Networks]:
    """Return what each set of networks holds, by its name."""
    job_blocks = [block for block in (rules.job_block_v4, rules.job_block_v6) if block]
    local = [*NEVER_REMOTE, *job_blocks]
    sets: dict[str, Networks] = {
        LOCAL_V4: of_version(4, local),
        LOCAL_V6: of_version(6, local),
        NEAR_V4: of_version(4, [*local, *rules.internal]),
        NEAR_V6: of_version(6, [*local, *rules.internal]),
        LINK_SOURCES_V6: (LINK_LOCAL_V6, UNSPECIFIED_V6),
    }
    for site_class in rules.site_classes:
        for version in (4, 6):
            name = site_set(site_class.attribute, version)
            sets[name] = of_version(version, site_class.networks)
    return sets


def of_version(version: int, networks: Iterable[IPv4Network | IPv6Network]) -> Networks:
    """Return the *networks* of one IP version, none of them within another.

    >>> campus = IPv4Network("10.0.0.0/8"), IPv4Network("10.1.0.0/16")
    >>> of_version(4, campus)
    [IPv4Network('10.0.0.0/8')]
    """
    chosen = [network for network in networks if network.version == version]
    return [*ipaddress.collapse_addresses(chosen)]  # type: ignore[type-var]


def set_commands(rules: NodeRules) -> Iterator[str]:
    """Yield commands that make each set anew: added where missing, emptied, filled."""
    for name in (FROM_JOB, TO_JOB):
        yield f"add map {PLACE} {name} {{ type ifname : verdict; }}"
        yield f"flush map {PLACE} {name}"
    yield from _filled(JOB_DEVICES, "type ifname;", ())
    yield from _filled(OWN_KINDS, "type fib_addrtype;", ("local", "broadcast"))
    for name, networks in interval_sets(rules).items():
        kind = "ipv4_addr" if name.endswith("_v4") else "ipv6_addr"
        elements = [str(network) for network in networks]
        yield from _filled(name, f"type {kind}; flags interval;", elements)


def _filled(name: str, shape: str, elements: Sequence[str]) -> Iterator[str]:
    yield f"add set {PLACE} {name} {{ {shape} }}"
    yield f"flush set {PLACE} {name}"
    if elements:
        yield f"add element {PLACE} {name} {{ {', '.join(elements)} }}"


def chain_commands(rules: NodeRules) -> Iterator[str]:
    """Yield commands that make the shared chains, without their rules."""
    for chain in base_chains(rules):
        hook = f"type {chain.kind} hook {chain.hook} priority {chain.priority};"
        yield f"add chain {PLACE} {chain.name} {{ {hook} policy accept; }}"
    for name in FORWARD_CHAINS:
        yield f"add chain {PLACE} {name}"


def rule_commands(rules: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield commands that append *rules* to the chains that they are listed by."""
    for chain, of_chain in rules.items():
        for rule in of_chain:
            yield f"add rule {PLACE} {chain} {rule}"


def shared_rules(rules: NodeRules) -> dict[str, list[str]]:
    """Return the rules of each shared chain."""
    chains = {
        PREROUTING.name: [f"iifname vmap @{FROM_JOB}"],
        POSTROUTING.name: [f"oifname vmap @{TO_JOB}"],
        FORWARD.name: _forward(rules),
        FROM_JOB_FORWARD: _forward_from_job(rules),
        TO_JOB_FORWARD: ["ct state established,related accept", "drop"],
        MASQUERADE.name: _masquerade(rules),
    }
    if rules.flows_per_job_limit:
        over = f"{{ iifname ct count over {rules.flows_per_job_limit} }}"
        chains[FLOW_LIMIT.name] = [
            f"iifname @{JOB_DEVICES} ct state new meter {FLOWS} {over} drop"
        ]
    return chains


def _forward(rules: NodeRules) -> list[str]:
    ways = [
        f"iifname @{JOB_DEVICES} goto {FROM_JOB_FORWARD}",
        f"oifname @{JOB_DEVICES} goto {TO_JOB_FORWARD}",
    ]
    return [*ways, "drop"] if rules.drop_foreign_forwarding else ways


def _forward_from_job(rules: NodeRules) -> list[str]:
    """Return what keeps jobs apart, and packets that cannot be masqueraded inside.

    The kernel's NAT passes packets that connection tracking did not accept with the
    source that they have.
    """
    to_jobs = f"oifname @{JOB_DEVICES} drop"
    unused = [f"{ip(block)} daddr {block} drop" for block in _job_blocks(rules)]
    untranslated = "ct state invalid,untracked drop"
    return [to_jobs, *unused, untranslated, "accept"]


def _masquerade(rules: NodeRules) -> list[str]:
    return [
        f"{ip(block)} saddr {block} oifname != @{JOB_DEVICES} masquerade"
        for block in _job_blocks(rules)
    ]


def _job_blocks(rules: NodeRules) -> list[IPv4Network | IPv6Network]:
    return [block for block in (rules.job_block_v4, rules.job_block_v6) if block]


def ip(network: IPv4Network | IPv6Network) -> str:
    """Return how nftables calls the header of this version.

    >>> ip(IPv6Network("::/0"))
    'ip6'
    """
    return "ip" if isinstance(network, IPv4Network) else "ip6"
