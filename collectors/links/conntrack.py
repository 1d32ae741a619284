"""Connection tracking: room for all jobs, and an end for the flows of ended ones.

Numbers are those of ``linux/netfilter/nfnetlink_conntrack.h``.
"""

import dataclasses
import errno
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

from collectors.links.sysctls import read_limit
from collectors.netlink.messages import attribute, attributes_of, nested
from collectors.netlink.nfnetlink import command, commands, kernel_error, listing

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
    """Delete the entries of all flows from or to these addresses, and no other.

    For IPv4 the kernel walks its table once for each address and end.  Where it is too
    old to choose by address while it deletes, and always for IPv6, the entries are
    listed and deleted one by one: kernels choose just the *other* IPv6 addresses
    (``ctnetlink_filter_match_tuple``; seen on 6.18).

    Raises:
        RulesError: The kernel refused.
    """
    one_by_one = [each for each in addresses if not _forgotten_by_kernel(each)]
    for version, family in FAMILIES.items():
        chosen = [each for each in one_by_one if each.version == version]
        flows = [_exactly(flow) for flow in list_flows(chosen)]
        for code in commands(SUBSYSTEM, DELETE, family, flows):
            _refuse(code)


def list_flows(addresses: Sequence[Address]) -> list[dict[int, bytes]]:
    """Return the entries whose original source or destination is one of *addresses*.

    All of these are of one IP version.
    """
    if not addresses:
        return []
    version = addresses[0].version
    packed = {address.packed for address in addresses}
    found = listing(SUBSYSTEM, GET, FAMILIES[version], b"", holding=[*packed])
    entries = [attributes_of(entry) for entry in found]
    return [entry for entry in entries if packed & _ends(entry, version)]


def _forgotten_by_kernel(address: Address) -> bool:
    """Have the kernel delete an address's entries; false where it cannot choose."""
    if isinstance(address, IPv6Address):
        return False
    for end in (0, 1):
        code = command(SUBSYSTEM, DELETE, socket.AF_INET, _of_address(address, end))
        if code in (errno.EINVAL, errno.EOPNOTSUPP):
            return False
        _refuse(code)
    return True


def _refuse(code: int) -> None:
    if code not in (0, errno.ENOENT):
        raise kernel_error(code)


def _exactly(flow: dict[int, bytes]) -> bytes:
    """Return the attributes that name this entry and no later one like it."""
    kept = [kind for kind in (ORIGINAL, IDENTIFIER, ZONE) if kind in flow]
    return b"".join(attribute(kind, flow[kind]) for kind in kept)


def _of_address(address: IPv4Address, end: int) -> bytes:
    kind = ADDRESS_KINDS[address.version][end]
    addresses = nested(TUPLE_ADDRESSES, attribute(kind, address.packed))
    flags = attribute(ORIGINAL_FLAGS, FLAGS.pack(END_FLAGS[end]))
    return nested(ORIGINAL, addresses) + nested(FILTER, flags)


def _ends(entry: dict[int, bytes], version: int) -> set[bytes]:
    addresses = attributes_of(attributes_of(entry[ORIGINAL])[TUPLE_ADDRESSES])
    return {addresses[kind] for kind in ADDRESS_KINDS[version] if kind in addresses}
