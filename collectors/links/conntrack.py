"""Connection tracking: room for all jobs, and an end for the flows of ended ones.

Numbers are those of ``linux/netfilter/nfnetlink_conntrack.h``.
"""

import dataclasses
import errno
import itertools
import socket
import struct
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from collectors.links.sysctls import read_limit
from collectors.netlink.messages import attribute, attributes_of, nested
from collectors.netlink.nfnetlink import command, kernel_error, listing

Address = IPv4Address | IPv6Address

SUBSYSTEM = 1  # NFNL_SUBSYS_CTNETLINK
GET, DELETE = 1, 2
ORIGINAL, IDENTIFIER, ZONE, FILTER = 1, 12, 18, 25
TUPLE_ADDRESSES = 1
ORIGINAL_FLAGS = 1
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
#: The kind of the attribute of a source, and of a destination, by IP version.
ADDRESS_KINDS = {4: (1, 2), 6: (3, 4)}
#: ``CTA_FILTER_FLAG``: which fields of the tuple must be equal.
END_FLAGS = (1 << 0, 1 << 1)
FLAGS = struct.Struct("=I")

LIMIT = "net/netfilter/nf_conntrack_max"
IN_USE = "net/netfilter/nf_conntrack_count"


@dataclasses.dataclass(frozen=True, slots=True)
class Headroom:
    """How many entries connection tracking has room for, and how many jobs may need."""

    limit: int
    in_use: int
    needed: int

    @property
    def is_enough(self) -> bool:
        """Whether all slots may have their flows beside what is in use now.

        >>> Headroom(limit=1000, in_use=100, needed=900).is_enough
        True
        """
        return self.in_use + self.needed <= self.limit


def headroom(
    slots: int,
    flows_per_job: int,
    read: Callable[[str], int | None] = read_limit,
) -> Headroom | None:
    """Return the headroom for that many *slots*; ``None`` without connection tracking.

    The limit is the machine's: a private net namespace cannot change it, so *read* is
    what reads a limit.
    """
    limit, in_use = read(LIMIT), read(IN_USE)
    if limit is None or in_use is None:
        return None
    return Headroom(limit, in_use, slots * flows_per_job)


def forget_flows(addresses: Iterable[Address]) -> None:
    """Delete the entries of all flows from or to these addresses.

    The kernel walks its table once for each address and end; where it is too old to
    choose by address while it deletes, the entries are listed and deleted one by one.

    Raises:
        RulesError: The kernel refused.
    """
    for address, end in itertools.product(addresses, (0, 1)):
        version = address.version
        chosen = _of_address(address, end)
        code = command(SUBSYSTEM, DELETE, FAMILIES[version], chosen)
        if code in (errno.EINVAL, errno.EOPNOTSUPP):
            _forget_one_by_one(address, end)
        elif code not in (0, errno.ENOENT):
            raise kernel_error(code)


def list_flows(address: Address, end: int = 0) -> list[dict[int, bytes]]:
    """Return the entries whose source (*end* 0) or destination is *address*."""
    family = FAMILIES[address.version]
    found = listing(SUBSYSTEM, GET, family, _of_address(address, end))
    kind = ADDRESS_KINDS[address.version][end]
    entries = [attributes_of(entry) for entry in found]
    # An old kernel lists all, whatever it was asked for.
    return [entry for entry in entries if _address(entry, kind) == address.packed]


def _forget_one_by_one(address: Address, end: int) -> None:
    for entry in list_flows(address, end):
        kept = [kind for kind in (ORIGINAL, IDENTIFIER, ZONE) if kind in entry]
        exact = b"".join(attribute(kind, entry[kind]) for kind in kept)
        code = command(SUBSYSTEM, DELETE, FAMILIES[address.version], exact)
        if code not in (0, errno.ENOENT):
            raise kernel_error(code)


def _of_address(address: Address, end: int) -> bytes:
    kind = ADDRESS_KINDS[address.version][end]
    addresses = nested(TUPLE_ADDRESSES, attribute(kind, address.packed))
    flags = attribute(ORIGINAL_FLAGS, FLAGS.pack(END_FLAGS[end]))
    return nested(ORIGINAL, addresses) + nested(FILTER, flags)


def _address(entry: dict[int, bytes], kind: int) -> bytes | None:
    addresses = attributes_of(entry[ORIGINAL])[TUPLE_ADDRESSES]
    return attributes_of(addresses).get(kind)
