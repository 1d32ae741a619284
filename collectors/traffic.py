"""What is counted: six classes of traffic, a partition of a job's packets.

A packet is classed once per direction by its remote address as seen at the job's
link: *local* (the node itself, another job, multicast, broadcast, link-local), else
*internal* (the configured campus blocks), else *external*.  A counted byte is a byte of
an IP packet at the netfilter hook: neither Ethernet headers nor what segmentation adds.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Self

from poolmeter import attributes
from poolmeter.attributes import Attribute


class Direction(enum.StrEnum):
    """Which way a packet goes, seen from the job."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class Zone(enum.StrEnum):
    """Where the other end of a packet is."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    LOCAL = "local"


@dataclasses.dataclass(frozen=True, slots=True)
class TrafficClass:
    """One of the six counters that every job has."""

    direction: Direction
    zone: Zone
    attribute: Attribute


#: All six, in the order of the ledger's columns.
TRAFFIC_CLASSES = (
    TrafficClass(
        Direction.OUTGOING, Zone.INTERNAL, attributes.NETWORK_OUTGOING_INTERNAL
    ),
    TrafficClass(
        Direction.OUTGOING, Zone.EXTERNAL, attributes.NETWORK_OUTGOING_EXTERNAL
    ),
    TrafficClass(Direction.OUTGOING, Zone.LOCAL, attributes.NETWORK_OUTGOING_LOCAL),
    TrafficClass(
        Direction.INCOMING, Zone.INTERNAL, attributes.NETWORK_INCOMING_INTERNAL
    ),
    TrafficClass(
        Direction.INCOMING, Zone.EXTERNAL, attributes.NETWORK_INCOMING_EXTERNAL
    ),
    TrafficClass(Direction.INCOMING, Zone.LOCAL, attributes.NETWORK_INCOMING_LOCAL),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Bytes of IP packets and the packets themselves; both only ever grow.

    >>> Count(1500, 1) + Count(40, 1)
    Count(ip_bytes=1540, packets=2)
    """

    ip_bytes: int = 0
    packets: int = 0

    def __add__(self, other: Self) -> "Count":
        """Return the sum."""
        return Count(self.ip_bytes + other.ip_bytes, self.packets + other.packets)


#: A job's counts by attribute name: the six classes, and a site's own views.
JobCounts = Mapping[str, Count]


def local_as_internal(counts: JobCounts) -> dict[str, Count]:
    """Return *counts* with what is local counted as internal: the four of 2011.

    >>> name = attributes.NETWORK_OUTGOING_LOCAL
    >>> local_as_internal({name: Count(60, 1)})
    {'NetworkOutgoingInternal': Count(ip_bytes=60, packets=1)}
    """
    folded: dict[str, Count] = {}
    internal = {
        each.direction: each.attribute
        for each in TRAFFIC_CLASSES
        if each.zone is Zone.INTERNAL
    }
    becomes = {
        str(each.attribute): str(internal[each.direction])
        for each in TRAFFIC_CLASSES
        if each.zone is Zone.LOCAL
    }
    for name, count in counts.items():
        target = becomes.get(name, name)
        folded[target] = folded.get(target, Count()) + count
    return folded
