"""The rules of one job that is set up by hand, as text for ``iptables-restore``.

``iptables-restore --noflush`` of the variant on the PATH adds them, each table at once
and under that variant's own lock.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from collectors.contract_2011.names import chain_name, id_comment
from collectors.contract_2011.saved_rules import SavedRules
from collectors.rules.iptables_plan import LOCAL_NETWORKS, LOCAL_TYPES
from collectors.rules.xtables_rule import Family
from collectors.traffic import TRAFFIC_CLASSES, Direction, Zone

COUNTING_TABLE = "mangle"
TABLES = (COUNTING_TABLE, "nat", "filter")
#: A rule's chain and its words.
Rule = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class JobByHand:
    """A job that is set up by hand, and the site's networks."""

    job_id: str
    device: str
    address: IPv4Address
    job_block: IPv4Network
    internal: tuple[IPv4Network, ...]
    #: Whether traffic with the node itself counts as campus traffic, as in 2011.
    local_is_internal: bool = False

    @property
    def chain(self) -> str:
        """The name of the job's chain."""
        return chain_name(self.job_id)


def rules_of_tables(job: JobByHand) -> dict[str, list[Rule]]:
    """Return the rules by table; those of built-in chains go to their heads."""
    return {
        COUNTING_TABLE: [*_counting(job), *_leading(job)],
        "nat": [
            ("POSTROUTING", f"-s {job.address} ! -d {job.job_block} -j MASQUERADE")
        ],
        "filter": [*_forwarding(job)],
    }


def _leading(job: JobByHand) -> Iterator[Rule]:
    yield "PREROUTING", f"-i {job.device} -j {job.chain}"
    yield "POSTROUTING", f"-o {job.device} -j {job.chain}"


def _counting(job: JobByHand) -> Iterator[Rule]:
    """Yield the rules of the job's chain, which sees both directions.

    In PREROUTING a packet has no device to go to, in POSTROUTING none that it came
    from, so each rule fits one direction.
    """
    yield job.chain, f"-i {job.device} ! -s {job.address} -j DROP"
    for direction, flag, end in (
        (Direction.OUTGOING, f"-i {job.device}", "d"),
        (Direction.INCOMING, f"-o {job.device}", "s"),
    ):
        for match, zone in _zones(job, end):
            comment = _attribute(job, direction, zone)
            counted = f"-m comment --comment {comment} -j RETURN"
            yield job.chain, " ".join(filter(None, (flag, match, counted)))


def _zones(job: JobByHand, end: str) -> Iterator[tuple[str, Zone]]:
    side = "dst" if end == "d" else "src"
    kinds = LOCAL_TYPES[Family.IPV4]
    yield f"-m addrtype --{side}-type {kinds}", Zone.LOCAL
    for network in (*LOCAL_NETWORKS[Family.IPV4], job.job_block):
        yield f"-{end} {network}", Zone.LOCAL
    for network in job.internal:
        yield f"-{end} {network}", Zone.INTERNAL
    yield "", Zone.EXTERNAL


def _attribute(job: JobByHand, direction: Direction, zone: Zone) -> str:
    if job.local_is_internal and zone is Zone.LOCAL:
        zone = Zone.INTERNAL
    return next(
        str(c.attribute)
        for c in TRAFFIC_CLASSES
        if (c.direction, c.zone) == (direction, zone)
    )


def _forwarding(job: JobByHand) -> Iterator[Rule]:
    states = "-m conntrack --ctstate"
    for rule in (
        f"-i {job.device} -d {job.job_block} -j DROP",
        f"-i {job.device} {states} INVALID,UNTRACKED -j DROP",
        f"-i {job.device} -j ACCEPT",
        f"-o {job.device} {states} ESTABLISHED,RELATED -j ACCEPT",
        f"-o {job.device} -j DROP",
    ):
        yield "FORWARD", rule


def set_up_text(job: JobByHand) -> str:
    """Return what adds all rules of *job*."""
    mark = f"-m comment --comment {quoted(id_comment(job.job_id))}"
    lines = []
    for table, rules in rules_of_tables(job).items():
        lines.append(f"*{table}")
        if table == COUNTING_TABLE:
            lines.append(f":{job.chain} - [0:0]")
        lines += [f"-A {chain} {rule}" for chain, rule in rules if chain == job.chain]
        shared = [(chain, rule) for chain, rule in rules if chain != job.chain]
        # Each goes to the head, so the first one comes last.
        lines += [f"-I {chain} {mark} {rule}" for chain, rule in reversed(shared)]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def clean_up_text(job_id: str, saved: SavedRules) -> str:
    """Return what removes all rules of *job_id* that are in *saved*; "" if none is."""
    chain, comment = chain_name(job_id), id_comment(job_id)
    lines = []
    for table in TABLES:
        deleted = [
            " ".join(["-D", rule.chain, *map(quoted, rule.words)])
            for rule in saved.rules
            if rule.table == table and rule.comment == comment
        ]
        if (table, chain) in saved.chains:
            deleted += [f"-F {chain}", f"-X {chain}"]
        if deleted:
            lines += [f"*{table}", *deleted, "COMMIT"]
    return "\n".join([*lines, ""]) if lines else ""


def quoted(word: str) -> str:
    r"""Return *word* as ``iptables-restore`` reads it: it knows double quotes only.

    >>> quoted("-j"), quoted("#id 12.0")
    ('-j', '"#id 12.0"')
    """
    if word and all(char.isalnum() or char in "-_./:,!+" for char in word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_whole(job: JobByHand, saved: SavedRules) -> bool:
    """Whether all rules of *job* are in *saved*, by number and place."""
    comment = id_comment(job.job_id)
    for table, rules in rules_of_tables(job).items():
        wanted = [chain for chain, _ in rules]
        found = [
            rule.chain
            for rule in saved.rules
            if rule.table == table
            and (rule.chain == job.chain or rule.comment == comment)
        ]
        if sorted(wanted) != sorted(found):
            return False
    return True


def addresses_of(job_id: str, saved: SavedRules) -> list[IPv4Address]:
    """Return the addresses that the rules of *job_id* in *saved* translate."""
    comment = id_comment(job_id)
    marked: Sequence[tuple[str, ...]] = [
        rule.words
        for rule in saved.rules
        if rule.table == "nat" and rule.comment == comment
    ]
    return [
        IPv4Address(words[words.index("-s") + 1].partition("/")[0])
        for words in marked
        if "-s" in words[:-1]
    ]
