"""The trees of chains by which a packet finds its job's counters in few steps.

Each counted attribute has one tree in ``mangle``.  Its root leads to at most 16 chains
by the first digit of the attach id, each of these to at most 16 by the second, and
there the few jobs that share both digits stand.  One list of all jobs would cost 13
times the CPU time a packet at 1000 jobs.
"""

import dataclasses
import hashlib
import re

from collectors.job_link import JobLink
from collectors.rules.xtables_rule import (
    CHAIN_NAME_LENGTH,
    Family,
    PlacedRule,
    XtablesRule,
)
from collectors.traffic import Count, Direction, JobCounts, Zone

TREE_PREFIX = "PM-"
#: What the names of chains below a root have more than the root's: "-" and two digits.
DEPTH = 2
LEAF = re.compile(rf"({TREE_PREFIX}[A-Za-z0-9]+)-[0-9a-f]{{{DEPTH}}}")
LONGEST_ROOT = CHAIN_NAME_LENGTH - 1 - DEPTH

SENT, RECEIVED = "POOLMETER-OUT", "POOLMETER-IN"
#: What comes back from a server whose address this node translates.
TRANSLATED = "POOLMETER-IN-DNAT"
#: Every packet of the six classes passes one of these, after it was counted.
TOTALS = {
    Direction.OUTGOING: "POOLMETER-OUT-TOTAL",
    Direction.INCOMING: "POOLMETER-IN-TOTAL",
}
VIEW_TARGET = "RETURN"
#: Neighbour discovery needs the first, the first report of MLD the second (RFC 4862).
LINK_SOURCES_V6 = ("fe80::/10", "::/128")


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """The counters of one attribute; ``zone`` is ``None`` for a site's own view."""

    attribute: str
    direction: Direction
    zone: Zone | None = None

    @property
    def root(self) -> str:
        """The name of the chain that leads to all counters of this attribute.

        >>> Tree("NetworkOutgoingExternal", Direction.OUTGOING, Zone.EXTERNAL).root
        'PM-OutgoingExternal'
        """
        name = TREE_PREFIX + self.attribute.removeprefix("Network")
        if len(name) <= LONGEST_ROOT:
            return name
        digest = hashlib.sha256(self.attribute.encode()).hexdigest()
        return TREE_PREFIX + digest[: LONGEST_ROOT - len(TREE_PREFIX)]

    @property
    def target(self) -> str:
        """Where a counted packet goes: to the total, or back if it is a view."""
        return VIEW_TARGET if self.zone is None else TOTALS[self.direction]

    @property
    def last_target(self) -> str:
        """Where what no counting rule took goes."""
        is_zone = self.zone is not None
        outgoing = self.direction is Direction.OUTGOING
        return "DROP" if is_zone and outgoing else self.target

    def leaf(self, device: str) -> str:
        """Return the chain where a device's rules stand.

        >>> Tree("NetworkOutgoingLocal", Direction.OUTGOING).leaf("veth3f01234567")
        'PM-OutgoingLocal-3f'
        """
        return self.root + leaf_suffix(device)


def leaf_suffix(device: str) -> str:
    """Return how the names of all leaves end where this device's rules stand.

    >>> leaf_suffix("veth3f01234567")
    '-3f'
    """
    return f"-{_digits(device, DEPTH)}"


def _digits(device: str, count: int) -> str:
    return device.removeprefix("veth")[:count]


def root_of_leaf(chain: str) -> str | None:
    """Return the root of the tree in whose leaf *chain* jobs' counters stand.

    >>> root_of_leaf("PM-OutgoingLocal-3f")
    'PM-OutgoingLocal'
    >>> root_of_leaf("PM-OutgoingLocal-3")
    """
    matched = LEAF.fullmatch(chain)
    return matched[1] if matched else None


def branch_rules(tree: Tree, device: str) -> list[PlacedRule]:
    """Return the rules that lead from the root to the leaf of *device*."""
    placed = []
    parent = tree.root
    for depth in range(1, DEPTH + 1):
        digits = _digits(device, depth)
        child = f"{tree.root}-{digits}"
        rule = _at_device(tree.direction, f"veth{digits}+", child, goto=True)
        placed.append(PlacedRule(parent, rule))
        parent = child
    return placed


def counting_rules(
    tree: Tree, link: JobLink, family: Family, counts: JobCounts
) -> list[PlacedRule]:
    """Return the rules that count one attribute of a job, and drop what it forges.

    A packet from the job counts if its source is the job's own, or in IPv6 one that
    belongs to the link: without these no neighbour is found, and the kernel forwards
    none of them (RFC 4291, section 2.5.6).
    """
    count = counts.get(tree.attribute, Count())
    device = link.device
    leaf = tree.leaf(device)
    if tree.direction is Direction.INCOMING:
        sources: list[str | None] = [None]
    else:
        sources = [*own_source(link, family)]
        if family is Family.IPV6:
            sources += LINK_SOURCES_V6
    rules = [
        _at_device(
            tree.direction,
            device,
            tree.target,
            goto=tree.zone is not None,
            source=source,
            count=count if position == 0 else Count(),
        )
        for position, source in enumerate(sources)
    ]
    if tree.last_target != tree.target:
        rules.append(_at_device(tree.direction, device, tree.last_target))
    return [PlacedRule(leaf, rule) for rule in rules]


def own_source(link: JobLink, family: Family) -> list[str]:
    """Return the job's own address in *family*, as a list of at most one."""
    pair = link.ipv4 if family is Family.IPV4 else link.ipv6
    return [] if pair is None else [str(pair.job.ip)]


def _at_device(
    direction: Direction,
    device: str,
    target: str,
    *,
    goto: bool = False,
    source: str | None = None,
    count: Count = Count(),  # noqa: B008 - frozen
) -> XtablesRule:
    outgoing = direction is Direction.OUTGOING
    return XtablesRule(
        target=target,
        goto=goto,
        in_device=device if outgoing else None,
        out_device=None if outgoing else device,
        source=source,
        count=count,
    )
