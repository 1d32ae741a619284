"""The part of the table that all jobs of a node share, as libnftables commands.

Hooks and their order (``linux/netfilter_ipv4.h``): what jobs send is counted at
prerouting raw (-300), before connection tracking and any DNAT; what they receive at
postrouting 150, after the address of a DNATed server was put back (100), so that both
directions of a connection see the address that the job sees.
"""

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from collectors.rules import nftables_expressions as nft
from collectors.rules.backend import NodeRules
from collectors.rules.nftables_library import Command
from collectors.rules.nftables_names import (
    FAMILY,
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
    TABLE,
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


def table_command() -> Command:
    """Return the command that makes the table where it is missing."""
    return {"add": {"table": {"family": FAMILY, "name": TABLE}}}


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


def set_commands(rules: NodeRules) -> Iterator[Command]:
    """Yield commands that make each set anew: added where missing, emptied, filled."""
    for name in (FROM_JOB, TO_JOB):
        yield {
            "add": {"map": {**PLACE, "name": name, "type": "ifname", "map": "verdict"}}
        }
        yield {"flush": {"map": {**PLACE, "name": name}}}
    yield from _filled({"name": JOB_DEVICES, "type": "ifname"}, [])
    kinds = ["local", "broadcast"]
    yield from _filled({"name": OWN_KINDS, "type": "fib_addrtype"}, kinds)
    for name, networks in interval_sets(rules).items():
        kind = "ipv4_addr" if name.endswith("_v4") else "ipv6_addr"
        shape = {"name": name, "type": kind, "flags": ["interval"]}
        yield from _filled(shape, nft.prefixes(networks))


def _filled(
    shape: Mapping[str, object], elements: Sequence[object]
) -> Iterator[Command]:
    place = {**PLACE, "name": shape["name"]}
    yield {"add": {"set": {**PLACE, **shape}}}
    yield {"flush": {"set": place}}
    if elements:
        yield {"add": {"element": {**place, "elem": [*elements]}}}


def chain_commands(rules: NodeRules) -> Iterator[Command]:
    """Yield commands that make the shared chains, without their rules."""
    for chain in base_chains(rules):
        place = {"name": chain.name, "type": chain.kind, "hook": chain.hook}
        order = {"prio": chain.priority, "policy": "accept"}
        yield {"add": {"chain": {**PLACE, **place, **order}}}
    for name in FORWARD_CHAINS:
        yield {"add": {"chain": {**PLACE, "name": name}}}


def shared_rules(rules: NodeRules) -> dict[str, list[list[nft.Expression]]]:
    """Return the rules of each shared chain."""
    chains = {
        PREROUTING.name: [[nft.by_device("iifname", FROM_JOB)]],
        POSTROUTING.name: [[nft.by_device("oifname", TO_JOB)]],
        FORWARD.name: _forward(rules),
        FROM_JOB_FORWARD: _forward_from_job(rules),
        TO_JOB_FORWARD: [[nft.state("established", "related"), nft.ACCEPT], [nft.DROP]],
        MASQUERADE.name: _masquerade(rules),
    }
    if rules.flows_per_job_limit:
        chains[FLOW_LIMIT.name] = [_flow_limit(rules.flows_per_job_limit)]
    return chains


def rule_command(chain: str, rule: list[nft.Expression]) -> Command:
    """Return the command that appends *rule* to *chain*."""
    return {"add": {"rule": {**PLACE, "chain": chain, "expr": rule}}}


def _forward(rules: NodeRules) -> list[list[nft.Expression]]:
    devices = f"@{JOB_DEVICES}"
    ways = [
        [nft.match(nft.meta("iifname"), devices), nft.goto(FROM_JOB_FORWARD)],
        [nft.match(nft.meta("oifname"), devices), nft.goto(TO_JOB_FORWARD)],
    ]
    return [*ways, [nft.DROP]] if rules.drop_foreign_forwarding else ways


def _forward_from_job(rules: NodeRules) -> list[list[nft.Expression]]:
    """Return what keeps jobs apart, and packets that cannot be masqueraded inside.

    The kernel's NAT passes packets that connection tracking did not accept with the
    source that they have.
    """
    to_jobs = [nft.match(nft.meta("oifname"), f"@{JOB_DEVICES}"), nft.DROP]
    untranslated = [nft.state("invalid", "untracked"), nft.DROP]
    unused = [
        [nft.match(nft.address(block.version, "daddr"), nft.prefix(block)), nft.DROP]
        for block in _job_blocks(rules)
    ]
    return [to_jobs, *unused, untranslated, [nft.ACCEPT]]


def _masquerade(rules: NodeRules) -> list[list[nft.Expression]]:
    return [
        [
            nft.match(nft.address(block.version, "saddr"), nft.prefix(block)),
            nft.match(nft.meta("oifname"), f"@{JOB_DEVICES}", negated=True),
            {"masquerade": None},
        ]
        for block in _job_blocks(rules)
    ]


def _flow_limit(flows: int) -> list[nft.Expression]:
    over = {"ct count": {"val": flows, "inv": True}}
    return [
        nft.match(nft.meta("iifname"), f"@{JOB_DEVICES}"),
        nft.state("new"),
        {"meter": {"name": FLOWS, "key": nft.meta("iifname"), "stmt": over}},
        nft.DROP,
    ]


def _job_blocks(rules: NodeRules) -> list[IPv4Network | IPv6Network]:
    return [block for block in (rules.job_block_v4, rules.job_block_v6) if block]
