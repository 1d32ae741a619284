"""Expressions of rules in libnftables' JSON (``libnftables-json(5)``)."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

Expression = dict[str, Any]

ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}


def match(left: object, right: object, *, negated: bool = False) -> Expression:
    """Return a comparison; *right* may be a value, a list or ``@name`` of a set."""
    if isinstance(right, list):
        right = {"set": right}
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}


def payload(protocol: str, field: str) -> Expression:
    """Return a header's field, such as ``ip saddr``."""
    return {"payload": {"protocol": protocol, "field": field}}


def address(version: int, end: str) -> Expression:
    """Return the address of that *end*, ``saddr`` or ``daddr``, in IP *version*."""
    return payload("ip" if version == 4 else "ip6", end)  # noqa: PLR2004 - IP's version


def meta(key: str) -> Expression:
    """Return a packet's own data, such as ``iifname``."""
    return {"meta": {"key": key}}


def state(*names: str) -> Expression:
    """Return the test for any of these states of connection tracking."""
    key = {"ct": {"key": "state"}}
    return {"match": {"op": "in", "left": key, "right": [*names]}}


def address_type(end: str) -> Expression:
    """Return the kind of address that the routing table says *end* is."""
    return {"fib": {"result": "type", "flags": [end]}}


def count(counter: str) -> Expression:
    """Return the statement that counts into the named *counter*."""
    return {"counter": counter}


def goto(chain: str) -> Expression:
    """Return the verdict that leaves for *chain* and does not come back."""
    return {"goto": {"target": chain}}


def by_device(key: str, verdicts: str) -> Expression:
    """Return the look-up of a device's name in the map called *verdicts*."""
    return {"vmap": {"key": meta(key), "data": f"@{verdicts}"}}


def prefix(network: IPv4Network | IPv6Network) -> Expression:
    """Return *network* as a value.

    >>> prefix(IPv4Network("10.0.0.0/8"))
    {'prefix': {'addr': '10.0.0.0', 'len': 8}}
    """
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def prefixes(networks: Sequence[IPv4Network | IPv6Network]) -> list[Expression]:
    """Return *networks* as elements of an interval set."""
    return [prefix(network) for network in networks]
