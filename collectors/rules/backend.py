"""What a netfilter back end must do; nftables and iptables both do."""

import dataclasses
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from collectors.job_link import JobLink
from collectors.traffic import Count, Direction, JobCounts


@dataclasses.dataclass(frozen=True, slots=True)
class SiteClass:
    """A site's own overlapping view, such as ``NetworkOutgoingStorage``: never summed.

    ``protocol`` is ``tcp``, ``udp`` or ``None`` for any; ``ports`` are those of the
    remote end, empty for any.
    """

    attribute: str
    direction: Direction
    networks: tuple[IPv4Network | IPv6Network, ...]
    protocol: str | None = None
    ports: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class NodeRules:
    """What all jobs of a node share: blocks, views and switches."""

    internal: tuple[IPv4Network | IPv6Network, ...]
    job_block_v4: IPv4Network
    job_block_v6: IPv6Network | None
    site_classes: tuple[SiteClass, ...] = ()
    #: Drop what goes between two devices of which none is a job's (``manage_sysctls``).
    drop_foreign_forwarding: bool = False
    #: ``ct count`` limit of a job, or ``None``.
    flows_per_job_limit: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RulesReading:
    """One reading of the table: each job's counts by attach id, and what is of none."""

    jobs: Mapping[str, JobCounts]
    total: Mapping[Direction, Count]
    spoofed: Mapping[str, Count]


class RuleBackend(Protocol):
    """Rules of a whole node.  Every method is idempotent, in the caller's netns.

    Failures raise :class:`collectors.errors.RulesError` and leave either all or nothing
    of the change.
    """

    name: str

    def install(
        self,
        rules: NodeRules,
        links: Sequence[JobLink],
        counts: Mapping[str, JobCounts],
    ) -> None:
        """Make the node's table whole in one transaction.

        For the start, a reload (networks changed) and a restore: *links* have their
        rules afterwards, and counters that were lost start at *counts* (by attach id);
        a counter that still exists keeps its own value.
        """

    def setup(self, link: JobLink) -> None:
        """Add a job's counters and rules: before its link is up."""

    def teardown(self, attach_ids: Sequence[str]) -> None:
        """Remove these attaches' rules in one transaction; unknown ones are fine."""

    def check(self) -> str | None:
        """Return what is missing or altered in the table, in one line, or ``None``."""

    def read(self) -> RulesReading:
        """Return all counters, by one list and never by reset."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove all that belongs to us (``node drain``)."""
