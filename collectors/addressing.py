"""Which pair of addresses a slot gets: a pure function of its number."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
)

from collectors.errors import LinkError
from collectors.job_link import AddressPair

Network = IPv4Network | IPv6Network
PAIR = 2


def slot_capacity(block_v4: IPv4Network) -> int:
    """Return how many slots the block has addresses for.

    >>> slot_capacity(IPv4Network("100.64.0.0/19"))
    4096
    """
    return block_v4.num_addresses // PAIR


def ipv4_pair(slot_number: int, block: IPv4Network) -> AddressPair:
    """Return the slot's /31 (RFC 3021); the node has the even address.

    >>> str(ipv4_pair(3, IPv4Network("100.64.0.0/19")).job)
    '100.64.0.7/31'

    Raises:
        LinkError: The block has no such slot.
    """
    first = _first_address(slot_number, block)
    return AddressPair(IPv4Interface((first, 31)), IPv4Interface((first + 1, 31)))


def ipv6_pair(slot_number: int, block: IPv6Network) -> AddressPair:
    """Return the slot's /127 (RFC 6164); the node has the even address.

    >>> str(ipv6_pair(3, IPv6Network("fd70:6f6f:6c00::/112")).job)
    'fd70:6f6f:6c00::7/127'

    Raises:
        LinkError: The block has no such slot.
    """
    first = _first_address(slot_number, block)
    return AddressPair(IPv6Interface((first, 127)), IPv6Interface((first + 1, 127)))


def _first_address(slot_number: int, block: Network) -> int:
    if not 0 <= slot_number < block.num_addresses // PAIR:
        raise LinkError(
            f"slot {slot_number}",
            expected=f"0 to {block.num_addresses // PAIR - 1} in {block}",
            mend="configure a larger job block",
        )
    return int(block.network_address) + PAIR * slot_number


def refuse_overlap(block: Network, taken: Iterable[Network], what: str) -> None:
    """Refuse a job block of which addresses are in use already.

    A default route is no use.  *what* says what *taken* is, for the message.

    >>> campus = [IPv4Network("10.0.0.0/8")]
    >>> refuse_overlap(IPv4Network("100.64.0.0/19"), campus, "campus block")

    Raises:
        LinkError: The block overlaps one of *taken*.
    """
    for network in taken:
        same_version = network.version == block.version
        if same_version and network.prefixlen and block.overlaps(network):
            raise LinkError(
                f"job block {block}",
                expected=f"addresses in no {what}",
                found=str(network),
                mend="configure another block",
            )
