"""The rules of a family that all jobs share: what is local, internal, let through.

``mangle`` counts in PREROUTING and POSTROUTING, which see what FORWARD misses: packets
to and from the node itself, multicast, broadcast.  A packet's remote end decides which
tree it is sent into (:mod:`collectors.rules.iptables_trees`).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from collectors.rules.backend import NodeRules, SiteClass
from collectors.rules.iptables_trees import RECEIVED, SENT, TOTALS, TRANSLATED, Tree
from collectors.rules.xtables_rule import (
    Family,
    FamilyPlan,
    Hook,
    XtablesMatch,
    XtablesRule,
)
from collectors.traffic import TRAFFIC_CLASSES, Direction, Zone

ANY_JOB_DEVICE = "veth+"
FORWARD, FLOWS = "POOLMETER-FORWARD", "POOLMETER-FLOWS"
MASQUERADE = "POOLMETER-MASQUERADE"
#: multiport(8) takes up to this many ports.
PORTS_A_RULE = 15

#: Remote addresses that are on the link, beside those of the types below.
LOCAL_NETWORKS = {
    Family.IPV4: ("169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
    Family.IPV6: ("fe80::/10", "ff00::/8"),
}
LOCAL_TYPES = {
    Family.IPV4: "LOCAL,BROADCAST",
    Family.IPV6: "LOCAL",
}
TRANSLATED_REPLY = {"ctstate": "DNAT", "ctdir": "REPLY"}
ADDRESS_BITS = {Family.IPV4: 32, Family.IPV6: 128}


def trees_of(rules: NodeRules) -> list[Tree]:
    """Return the tree of each counted attribute."""
    classes = [Tree(c.attribute, c.direction, c.zone) for c in TRAFFIC_CLASSES]
    views = {view.attribute: view for view in rules.site_classes}
    return classes + [Tree(name, view.direction) for name, view in views.items()]


def family_plan(
    rules: NodeRules, family: Family, own_addresses: Sequence[str] = ()
) -> FamilyPlan:
    """Return all rules of *family* that do not depend on a job.

    *own_addresses* are the node's, of that family: for translated connections only, as
    nothing can ask the kernel whether the address before translation is one.
    """
    block = job_block(rules, family)
    chains = {
        "filter": {
            FLOWS: tuple(_flow_limit(rules, family, block)),
            FORWARD: tuple(_forward_rules(rules, block)),
        },
        "mangle": {
            SENT: tuple(_classifying(rules, family, Direction.OUTGOING)),
            RECEIVED: tuple(_classifying(rules, family, Direction.INCOMING)),
            TRANSLATED: tuple(_translated(rules, family, own_addresses)),
            **{chain: (XtablesRule(target="RETURN"),) for chain in TOTALS.values()},
        },
        "nat": {MASQUERADE: tuple(_masquerading(block))},
    }
    roots = tuple(tree.root for tree in trees_of(rules))
    return FamilyPlan(_hooks(), chains, roots)


def job_block(rules: NodeRules, family: Family) -> str | None:
    """Return the addresses of all jobs, or ``None`` where they have none."""
    block = rules.job_block_v4 if family is Family.IPV4 else rules.job_block_v6
    return None if block is None else str(block)


def _hooks() -> tuple[Hook, ...]:
    from_jobs = XtablesRule(target=SENT, in_device=ANY_JOB_DEVICE)
    to_jobs = XtablesRule(target=RECEIVED, out_device=ANY_JOB_DEVICE)
    return (
        Hook("filter", "INPUT", XtablesRule(target=FLOWS, in_device=ANY_JOB_DEVICE)),
        Hook("filter", "FORWARD", XtablesRule(target=FORWARD)),
        Hook("nat", "POSTROUTING", XtablesRule(target=MASQUERADE)),
        Hook("mangle", "PREROUTING", from_jobs),
        Hook("mangle", "POSTROUTING", to_jobs),
    )


def _classifying(
    rules: NodeRules, family: Family, direction: Direction
) -> Iterator[XtablesRule]:
    """Yield the views, then the zones: the first zone that fits takes the packet."""
    for view in rules.site_classes:
        if view.direction is direction:
            yield from _view_rules(view, family)
    root = {c.zone: _root(c.zone, direction) for c in TRAFFIC_CLASSES}
    if direction is Direction.INCOMING:
        reply = _conntrack(TRANSLATED_REPLY)
        yield XtablesRule(target=TRANSLATED, goto=True, matches=(reply,))
    end = "dst" if direction is Direction.OUTGOING else "src"
    local_type = XtablesMatch("addrtype", ((f"{end}-type", LOCAL_TYPES[family]),))
    yield XtablesRule(target=root[Zone.LOCAL], goto=True, matches=(local_type,))
    block = job_block(rules, family)
    for network in (*LOCAL_NETWORKS[family], *([block] if block else [])):
        yield _to_remote(direction, network, root[Zone.LOCAL])
    for network in _of_family(rules.internal, family):
        yield _to_remote(direction, network, root[Zone.INTERNAL])
    yield XtablesRule(target=root[Zone.EXTERNAL], goto=True)


def _translated(
    rules: NodeRules, family: Family, own_addresses: Sequence[str]
) -> Iterator[XtablesRule]:
    """Yield what sends answers to the zone of the address that the job had asked.

    POSTROUTING of ``mangle`` comes before the translation back, so that a packet has
    the real server's address there, and both directions would be of different zones.
    """
    zones = {
        Zone.LOCAL: [*own_addresses, *LOCAL_NETWORKS[family]],
        Zone.INTERNAL: _of_family(rules.internal, family),
    }
    for zone, networks in zones.items():
        for network in networks:
            asked = _conntrack({"ctorigdst": network})
            target = _root(zone, Direction.INCOMING)
            yield XtablesRule(target=target, goto=True, matches=(asked,))
    yield XtablesRule(target=_root(Zone.EXTERNAL, Direction.INCOMING), goto=True)


def _conntrack(options: Mapping[str, str]) -> XtablesMatch:
    return XtablesMatch("conntrack", tuple(options.items()))


def _root(zone: Zone, direction: Direction) -> str:
    for traffic in TRAFFIC_CLASSES:
        if (traffic.zone, traffic.direction) == (zone, direction):
            return Tree(traffic.attribute, direction, zone).root
    raise AssertionError(zone, direction)


def _to_remote(direction: Direction, network: str, target: str) -> XtablesRule:
    outgoing = direction is Direction.OUTGOING
    return XtablesRule(
        target=target,
        goto=True,
        destination=network if outgoing else None,
        source=None if outgoing else network,
    )


def _of_family(
    networks: Sequence[IPv4Network | IPv6Network], family: Family
) -> list[str]:
    """Return the networks of *family*, none of which holds another."""
    if family is Family.IPV4:
        v4 = (n for n in networks if isinstance(n, IPv4Network))
        return [str(network) for network in collapse_addresses(v4)]
    v6 = (n for n in networks if isinstance(n, IPv6Network))
    return [str(network) for network in collapse_addresses(v6)]


def _view_rules(view: SiteClass, family: Family) -> Iterator[XtablesRule]:
    """Yield rules of which at most one fits a packet, so that none counts twice."""
    outgoing = view.direction is Direction.OUTGOING
    end = "dports" if outgoing else "sports"
    ports = [str(port) for port in sorted(set(view.ports))]
    groups = [
        ports[at : at + PORTS_A_RULE] for at in range(0, len(ports), PORTS_A_RULE)
    ]
    options: list[tuple[XtablesMatch, ...]] = [
        (XtablesMatch("multiport", ((end, ",".join(group)),)),) for group in groups
    ]
    protocols = [view.protocol] if view.protocol or not ports else ["tcp", "udp"]
    networks = _of_family(view.networks, family)
    for network, protocol, matches in itertools.product(
        networks, protocols, options or [()]
    ):
        yield XtablesRule(
            target=Tree(view.attribute, view.direction).root,
            protocol=protocol,
            destination=network if outgoing else None,
            source=None if outgoing else network,
            matches=matches,
        )


def _forward_rules(rules: NodeRules, block: str | None) -> Iterator[XtablesRule]:
    """Yield what may pass between devices.

    To a job only answers, between jobs nothing.  A job's address must come from a job's
    link, so that no neighbour passes for a job, and must be one that NAT can replace:
    it lets through unchanged what connection tracking did not accept.
    """
    if block is not None:
        untranslated = _state("INVALID,UNTRACKED")
        answers = _state("ESTABLISHED,RELATED")
        yield XtablesRule(target="DROP", source=block, destination=block)
        yield XtablesRule(target="ACCEPT", destination=block, matches=(answers,))
        yield XtablesRule(target="DROP", destination=block)
        yield XtablesRule(target="DROP", source=block, matches=(untranslated,))
        yield XtablesRule(target=FLOWS, source=block)
        yield XtablesRule(target="ACCEPT", source=block, in_device=ANY_JOB_DEVICE)
        yield XtablesRule(target="DROP", source=block)
    if rules.drop_foreign_forwarding:
        yield XtablesRule(target="DROP")


def _state(states: str) -> XtablesMatch:
    return _conntrack({"ctstate": states})


def _flow_limit(
    rules: NodeRules, family: Family, block: str | None
) -> Iterator[XtablesRule]:
    """Yield what refuses a job more flows than its share of the node's table."""
    if rules.flows_per_job_limit is None or block is None:
        return
    above = (
        ("connlimit-above", str(rules.flows_per_job_limit)),
        ("connlimit-mask", str(ADDRESS_BITS[family])),
        ("connlimit-saddr", ""),
    )
    matches = (_state("NEW"), XtablesMatch("connlimit", above))
    yield XtablesRule(target="DROP", source=block, matches=matches)


def _masquerading(block: str | None) -> Iterator[XtablesRule]:
    if block is not None:
        yield XtablesRule(target="MASQUERADE", source=block, destination=f"!{block}")
