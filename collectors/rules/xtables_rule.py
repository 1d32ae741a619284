"""Rules and chains of a legacy table as plain data, and the names of our chains.

Names are at most 28 characters (``XT_EXTENSION_MAXNAMELEN`` less the closing NUL).
"""

import dataclasses
import enum

from collectors.traffic import Count

#: The longest name of a chain that iptables takes.
CHAIN_NAME_LENGTH = 28


class Family(enum.StrEnum):
    """One of the two sets of tables; a process of ours changes only one of them."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


@dataclasses.dataclass(frozen=True, slots=True)
class XtablesMatch:
    """A match extension with its options, as in ``-m multiport --dports 80,443``."""

    name: str
    options: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class XtablesRule:
    """One rule.

    An address that begins with "!" is inverted; a device that ends in "+" is a prefix.
    *count* is what the counters of a new rule start at.
    """

    target: str
    goto: bool = False
    in_device: str | None = None
    out_device: str | None = None
    source: str | None = None
    destination: str | None = None
    protocol: str | None = None
    matches: tuple[XtablesMatch, ...] = ()
    count: Count = dataclasses.field(default_factory=Count)


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule of a job and the chain it stands in."""

    chain: str
    rule: XtablesRule


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """The rule by which a built-in chain leads to one of ours; it stands first."""

    table: str
    chain: str
    rule: XtablesRule


@dataclasses.dataclass(frozen=True, slots=True)
class FamilyPlan:
    """All rules of one family that do not depend on a job.

    ``chains`` holds each static chain's rules by table and name; ``roots`` are the
    trees in ``mangle`` that lead to the counters of the jobs.
    """

    hooks: tuple[Hook, ...]
    chains: dict[str, dict[str, tuple[XtablesRule, ...]]]
    roots: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CounterRow:
    """A rule below a tree's root as it stands in the kernel."""

    root: str
    device: str
    dropped: bool
    count: Count
