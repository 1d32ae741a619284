"""The part of the table that belongs to one job, as libnftables commands."""

from collections.abc import Iterator, Mapping, Sequence

from collectors.job_link import JobLink
from collectors.rules import nftables_expressions as nft
from collectors.rules.backend import NodeRules, SiteClass
from collectors.rules.nftables_library import Command
from collectors.rules.nftables_names import (
    FROM_JOB,
    JOB_DEVICES,
    LINK_SOURCES_V6,
    LOCAL_V4,
    LOCAL_V6,
    NEAR_V4,
    NEAR_V6,
    OWN_KINDS,
    PLACE,
    SPOOFED,
    TO_JOB,
    job_counter,
    received_chain,
    sent_chain,
    site_set,
    total_counter,
)
from collectors.rules.nftables_table import of_version, rule_command
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, Zone

NOTHING = Count()
Rules = list[list[nft.Expression]]

#: Which header's field holds the other end's address, and its port.
REMOTE_ADDRESS = {Direction.OUTGOING: "daddr", Direction.INCOMING: "saddr"}
REMOTE_PORT = {Direction.OUTGOING: "dport", Direction.INCOMING: "sport"}


def attributes(rules: NodeRules) -> tuple[str, ...]:
    """Return the attributes that each job has a counter for."""
    six = (traffic_class.attribute for traffic_class in TRAFFIC_CLASSES)
    return (*six, *dict.fromkeys(site.attribute for site in rules.site_classes))


def counter_names(rules: NodeRules, attach_id: str) -> tuple[str, ...]:
    """Return the names of all counters of a job."""
    return tuple(job_counter(attach_id, what) for what in (*attributes(rules), SPOOFED))


def counter_commands(
    rules: NodeRules, attach_id: str, counts: Mapping[str, Count]
) -> Iterator[Command]:
    """Yield commands that add the job's counters, beginning at *counts*."""
    for what in (*attributes(rules), SPOOFED):
        name = job_counter(attach_id, what)
        yield counter_command(name, what, counts.get(what, NOTHING))


def counter_command(name: str, comment: str, count: Count) -> Command:
    """Return the command that adds a counter; one that exists keeps its value."""
    start = {"packets": count.packets, "bytes": count.ip_bytes}
    return {"add": {"counter": {**PLACE, "name": name, "comment": comment, **start}}}


def chain_commands(rules: NodeRules, link: JobLink) -> Iterator[Command]:
    """Yield commands that make the job's two chains anew."""
    for chain, chain_rules in job_rules(rules, link).items():
        yield {"add": {"chain": {**PLACE, "name": chain}}}
        yield {"flush": {"chain": {**PLACE, "name": chain}}}
        for rule in chain_rules:
            yield rule_command(chain, rule)


def element_commands(verb: str, attach_id: str, device: str) -> Iterator[Command]:
    """Yield commands that ``add`` or ``delete`` the job's device in the maps."""
    chains = {FROM_JOB: sent_chain(attach_id), TO_JOB: received_chain(attach_id)}
    for name, chain in chains.items():
        element = [device, nft.goto(chain)]
        yield {verb: {"element": {**PLACE, "name": name, "elem": [element]}}}
    yield {verb: {"element": {**PLACE, "name": JOB_DEVICES, "elem": [device]}}}


def removal_commands(
    attach_id: str, device: str, counters: Sequence[str]
) -> Iterator[Command]:
    """Yield commands that remove a job's rules, whatever of them is still there.

    A missing object would fail the transaction; so each is added, which changes nothing
    where it exists, and then deleted.
    """
    chains = (sent_chain(attach_id), received_chain(attach_id))
    for chain in chains:
        yield {"add": {"chain": {**PLACE, "name": chain}}}
    yield from element_commands("add", attach_id, device)
    yield from element_commands("delete", attach_id, device)
    for chain in chains:
        yield {"flush": {"chain": {**PLACE, "name": chain}}}
        yield {"delete": {"chain": {**PLACE, "name": chain}}}
    for name in counters:
        yield {"add": {"counter": {**PLACE, "name": name}}}
        yield {"delete": {"counter": {**PLACE, "name": name}}}


def job_rules(rules: NodeRules, link: JobLink) -> dict[str, Rules]:
    """Return the rules of the job's two chains."""
    sent = [*_own_sources(link), *_counting(rules, link, Direction.OUTGOING)]
    received = _counting(rules, link, Direction.INCOMING)
    return {
        sent_chain(link.attach_id): sent,
        received_chain(link.attach_id): received,
    }


def _own_sources(link: JobLink) -> Rules:
    """Return what drops every source but the job's own, before anything is counted."""
    spoofed = [nft.count(job_counter(link.attach_id, SPOOFED)), nft.DROP]
    v4, v6 = nft.address(4, "saddr"), nft.address(6, "saddr")
    own_v4 = nft.match(v4, str(link.ipv4.job.ip), negated=True)
    of_link = nft.match(v6, f"@{LINK_SOURCES_V6}", negated=True)
    if link.ipv6 is None:
        return [[own_v4, *spoofed], [of_link, *spoofed]]
    own_v6 = nft.match(v6, str(link.ipv6.job.ip), negated=True)
    return [[own_v4, *spoofed], [own_v6, of_link, *spoofed]]


def _counting(rules: NodeRules, link: JobLink, direction: Direction) -> Rules:
    """Return what counts one direction; most packets are external and leave early."""
    end = REMOTE_ADDRESS[direction]
    v4, v6 = nft.address(4, end), nft.address(6, end)
    zones = [
        ([nft.match(nft.address_type(end), f"@{OWN_KINDS}")], Zone.LOCAL),
        ([nft.match(v4, f"@{NEAR_V4}", negated=True)], Zone.EXTERNAL),
        ([nft.match(v4, f"@{LOCAL_V4}")], Zone.LOCAL),
        ([nft.match(v6, f"@{NEAR_V6}", negated=True)], Zone.EXTERNAL),
        ([nft.match(v6, f"@{LOCAL_V6}")], Zone.LOCAL),
        ([], Zone.INTERNAL),
    ]
    attribute_of = {
        traffic_class.zone: traffic_class.attribute
        for traffic_class in TRAFFIC_CLASSES
        if traffic_class.direction is direction
    }
    classes = [
        [*test, nft.count(job_counter(link.attach_id, attribute_of[zone])), nft.ACCEPT]
        for test, zone in zones
    ]
    views = [
        view
        for site in rules.site_classes
        if site.direction is direction
        for view in _site_view(site, link.attach_id)
    ]
    return [[nft.count(total_counter(direction))], *views, *classes]


def _site_view(site: SiteClass, attach_id: str) -> Rules:
    ports = _ports(site)
    counted = nft.count(job_counter(attach_id, site.attribute))
    end = REMOTE_ADDRESS[site.direction]
    return [
        [
            nft.match(
                nft.address(version, end), f"@{site_set(site.attribute, version)}"
            ),
            *ports,
            counted,
        ]
        for version in (4, 6)
        if of_version(version, site.networks)
    ]


def _ports(site: SiteClass) -> list[nft.Expression]:
    protocols = [site.protocol] if site.protocol else ["tcp", "udp"]
    if not site.ports:
        return [nft.match(nft.meta("l4proto"), site.protocol)] if site.protocol else []
    port = nft.payload("th", REMOTE_PORT[site.direction])
    return [
        nft.match(nft.meta("l4proto"), protocols),
        nft.match(port, [*site.ports]),
    ]
