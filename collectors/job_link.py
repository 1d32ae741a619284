"""A job's attach to the network, as every part of the node's software names it."""

import dataclasses
from ipaddress import IPv4Interface, IPv6Interface


@dataclasses.dataclass(frozen=True, slots=True)
class AddressPair:
    """The two ends of a job's link: /31 in IPv4 (RFC 3021), /127 in IPv6 (RFC 6164)."""

    node: IPv4Interface | IPv6Interface
    job: IPv4Interface | IPv6Interface


@dataclasses.dataclass(frozen=True, slots=True)
class JobLink:
    """One attach of one job's run; everything that rules and links need to know.

    ``attach_id`` is ten lower-case hexadecimal digits, unique per attach, so that a
    late tear-down of an old attach never touches a new one.  Names of devices, chains
    and counters derive from it alone.
    """

    attach_id: str
    slot_number: int
    ipv4: AddressPair
    ipv6: AddressPair | None = None

    @property
    def device(self) -> str:
        """The node's end of the veth pair, 14 characters (IFNAMSIZ allows 15).

        It begins with ``veth`` because NetworkManager leaves such devices alone.

        >>> from ipaddress import IPv4Interface
        >>> pair = AddressPair(
        ...     IPv4Interface("100.64.0.0/31"), IPv4Interface("100.64.0.1/31")
        ... )
        >>> JobLink("0123456789", 0, pair).device
        'veth0123456789'
        """
        return device_of(self.attach_id)


def device_of(attach_id: str) -> str:
    """Return the name of the node's end of an attach's link.

    >>> device_of("0123456789")
    'veth0123456789'
    """
    return f"veth{attach_id}"
