"""What the daemon holds: the attaches, and what works on them."""

import dataclasses
import enum
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from collectors.daemon.gate import Gate
from collectors.daemon.sweeper import Sweeper
from collectors.daemon.tally import Tally
from collectors.daemon.work_queue import WorkQueue
from collectors.job_link import JobLink
from collectors.journal.entries import HowEnded, Job, LeftOver, Process
from collectors.journal.writer import JournalWriter
from collectors.rules.backend import NodeRules, RuleBackend, RulesReading
from collectors.slots import SlotFolder
from poolmeter.node_config import NodeConfig


class Phase(enum.Enum):
    """How far an attach is."""

    MADE = "made"  # namespace, link and rules are there; nobody was seen inside
    ENTERED = "entered"  # its process is inside: everything is counted
    ENDING = "ending"  # link down, last reading taken, the end is being journaled
    ENDED = "ended"  # the end is durable, or never was to be: it is being removed


@dataclasses.dataclass(slots=True)
class Attach:
    """One attach and the process that it is for."""

    link: JobLink
    job: Job
    process: Process
    pidfd: int
    namespace_inode: int
    phase: Phase = Phase.MADE
    was_entered: bool = False
    partial: bool = False
    #: When an attach that nobody entered is given up, by the monotonic clock.
    give_up_s: float = 0.0
    how: HowEnded = "exit"
    left_over: tuple[LeftOver, ...] = ()
    #: Called once, with the attach, when its end is durable or cannot be journaled now.
    when_ended: "Callable[[Attach], None] | None" = None

    @property
    def attach_id(self) -> str:
        """The id from which all names derive."""
        return self.link.attach_id

    @property
    def is_live(self) -> bool:
        """Whether its link is up."""
        return self.phase in (Phase.MADE, Phase.ENTERED)


class Network(Protocol):
    """Namespaces and links of jobs; all but the last are called by one thread."""

    #: Whether new jobs get IPv6.
    has_ipv6: bool

    def plan(
        self, attach_id: str, slot_number: int, *, ipv6: bool | None = None
    ) -> JobLink:
        """Return the link that a slot gives; *ipv6* is as decided unless it is said."""
        raise NotImplementedError

    def make_namespace(self, attach_id: str) -> int:
        """Make and pin a namespace; return its inode."""
        raise NotImplementedError

    def connect(self, link: JobLink) -> JobLink:
        """Make the link, after its rules, and open it; return it as it is."""
        raise NotImplementedError

    def set_down(self, attach_id: str) -> None:
        """Take a link down: nothing goes through it any more."""

    def remove(self, attach_id: str) -> None:
        """Remove link and namespace; absent ones are fine."""

    def present(self) -> set[str]:
        """Return the attach ids of which a link or a namespace is there."""
        raise NotImplementedError

    def namespace_path(self, attach_id: str) -> Path:
        """Return where a job's namespace is pinned."""
        raise NotImplementedError

    def namespace_inode(self, attach_id: str) -> int | None:
        """Return the inode of the pinned namespace, or ``None`` without one."""
        raise NotImplementedError

    def forget_flows(self, links: Sequence[JobLink]) -> None:
        """Delete the conntrack entries of these links' addresses; in any thread."""


@dataclasses.dataclass(slots=True)
class Node:
    """The daemon's state; only its main thread changes it."""

    settings: NodeConfig
    boot_id: str
    rules: NodeRules
    backend: RuleBackend
    network: Network
    slots: SlotFolder
    journal: JournalWriter
    queue: WorkQueue
    gate: Gate
    #: Looks for left-over processes, and beside it what deletes conntrack entries.
    sweeper: Sweeper
    flow_sweeper: Sweeper
    tally: Tally = dataclasses.field(default_factory=Tally)
    attaches: dict[str, Attach] = dataclasses.field(default_factory=dict)
    #: Links that have rules and belong to no job: the canary's.
    own_links: list[JobLink] = dataclasses.field(default_factory=list)
    #: How often things happened, for metrics: ``("ended", "exit")``.
    events: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    #: Attach ids whose tear-down was asked for, by any thread.
    to_end: dict[str, HowEnded] = dataclasses.field(default_factory=dict)
    last_reading: RulesReading | None = None
    #: Called after rules were restored.
    when_restored: Callable[[], None] = lambda: None

    def links(self) -> list[JobLink]:
        """Return every link whose rules have to be there."""
        live = [a.link for a in self.attaches.values() if a.phase is not Phase.ENDED]
        return [*self.own_links, *live]
