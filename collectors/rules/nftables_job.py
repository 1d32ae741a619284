"""The part of the table that belongs to one job, as commands of ``nft(8)``."""

from collections.abc import Iterator, Mapping, Sequence

from collectors.job_link import JobLink
from collectors.rules.backend import NodeRules, SiteClass
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
from collectors.rules.nftables_table import of_version, rule_commands
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, Zone

NOTHING = Count()
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
) -> Iterator[str]:
    """Yield commands that add the job's counters, beginning at *counts*."""
    for what in (*attributes(rules), SPOOFED):
        name = job_counter(attach_id, what)
        yield counter_command(name, what, counts.get(what, NOTHING))


def counter_command(name: str, comment: str, count: Count) -> str:
    """Return the command that adds a counter; one that exists keeps its value."""
    start = f"packets {count.packets} bytes {count.ip_bytes}"
    return f'add counter {PLACE} {name} {{ comment "{comment}"; {start}; }}'


def chain_commands(rules: NodeRules, link: JobLink) -> Iterator[str]:
    """Yield commands that make the job's two chains anew."""
    of_job = job_rules(rules, link)
    for chain in of_job:
        yield f"add chain {PLACE} {chain}"
        yield f"flush chain {PLACE} {chain}"
    yield from rule_commands(of_job)


def element_commands(verb: str, attach_id: str, device: str) -> Iterator[str]:
    """Yield commands that ``add`` or ``delete`` the job's device in the maps."""
    chains = {FROM_JOB: sent_chain(attach_id), TO_JOB: received_chain(attach_id)}
    for name, chain in chains.items():
        yield f'{verb} element {PLACE} {name} {{ "{device}" : goto {chain} }}'
    yield f'{verb} element {PLACE} {JOB_DEVICES} {{ "{device}" }}'


def removal_commands(
    attach_id: str, device: str, counters: Sequence[str]
) -> Iterator[str]:
    """Yield commands that remove a job's rules, whatever of them is still there.

    A missing object would fail the transaction; so each is added, which changes nothing
    where it exists, and then deleted.
    """
    chains = (sent_chain(attach_id), received_chain(attach_id))
    for chain in chains:
        yield f"add chain {PLACE} {chain}"
    yield from element_commands("add", attach_id, device)
    yield from element_commands("delete", attach_id, device)
    for chain in chains:
        yield f"flush chain {PLACE} {chain}"
        yield f"delete chain {PLACE} {chain}"
    for name in counters:
        yield f"add counter {PLACE} {name}"
        yield f"delete counter {PLACE} {name}"


def job_rules(rules: NodeRules, link: JobLink) -> dict[str, list[str]]:
    """Return the rules of the job's two chains."""
    sent = [*_own_sources(link), *_counting(rules, link, Direction.OUTGOING)]
    received = _counting(rules, link, Direction.INCOMING)
    return {
        sent_chain(link.attach_id): sent,
        received_chain(link.attach_id): received,
    }


def _own_sources(link: JobLink) -> list[str]:
    """Return what drops every source but the job's own, before anything is counted."""
    spoofed = f"counter name {job_counter(link.attach_id, SPOOFED)} drop"
    own_v4 = f"ip saddr != {link.ipv4.job.ip}"
    of_link = f"ip6 saddr != @{LINK_SOURCES_V6}"
    if link.ipv6 is None:
        return [f"{own_v4} {spoofed}", f"{of_link} {spoofed}"]
    own_v6 = f"ip6 saddr != {link.ipv6.job.ip}"
    return [f"{own_v4} {spoofed}", f"{own_v6} {of_link} {spoofed}"]


def _counting(rules: NodeRules, link: JobLink, direction: Direction) -> list[str]:
    """Return what counts one direction; most packets are external and leave early."""
    end = REMOTE_ADDRESS[direction]
    zones = [
        (f"fib {end} type @{OWN_KINDS} ", Zone.LOCAL),
        (f"ip {end} != @{NEAR_V4} ", Zone.EXTERNAL),
        (f"ip {end} @{LOCAL_V4} ", Zone.LOCAL),
        (f"ip6 {end} != @{NEAR_V6} ", Zone.EXTERNAL),
        (f"ip6 {end} @{LOCAL_V6} ", Zone.LOCAL),
        ("", Zone.INTERNAL),
    ]
    counter_of = {
        traffic_class.zone: job_counter(link.attach_id, traffic_class.attribute)
        for traffic_class in TRAFFIC_CLASSES
        if traffic_class.direction is direction
    }
    views = [
        view
        for site in rules.site_classes
        if site.direction is direction
        for view in _site_view(site, link.attach_id)
    ]
    classes = [f"{test}counter name {counter_of[zone]} accept" for test, zone in zones]
    return [f"counter name {total_counter(direction)}", *views, *classes]


def _site_view(site: SiteClass, attach_id: str) -> list[str]:
    end = REMOTE_ADDRESS[site.direction]
    counted = f"counter name {job_counter(attach_id, site.attribute)}"
    return [
        f"{header} {end} @{site_set(site.attribute, version)} {_ports(site)}{counted}"
        for version, header in ((4, "ip"), (6, "ip6"))
        if of_version(version, site.networks)
    ]


def _ports(site: SiteClass) -> str:
    """Return the tests of protocol and remote port, as far as the class has them."""
    protocols = site.protocol or "tcp, udp"
    if not site.ports:
        return f"meta l4proto {site.protocol} " if site.protocol else ""
    ports = ", ".join(map(str, site.ports))
    port = f"th {REMOTE_PORT[site.direction]} {{ {ports} }}"
    return f"meta l4proto {{ {protocols} }} {port} "
