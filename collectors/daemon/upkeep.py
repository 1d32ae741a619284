"""What is done by the clock: a reading each second, and what is due less often."""

import logging
import time
from pathlib import Path

from collectors.daemon.collection import collect
from collectors.daemon.metrics import write_metrics
from collectors.daemon.node import Node, Phase
from collectors.daemon.readings import try_reading, try_verify
from collectors.daemon.tear_down import ask_to_end, end_some, tell
from collectors.errors import NodeError
from collectors.journal.entries import JournalCounts, Snapshot, journal_counts
from collectors.journal.writer import utc_now

READING_S = 1.0
VERIFY_S = 30.0
RETRY_S = 10.0
COLLECT_S = 60.0
METRICS_S = 15.0

_log = logging.getLogger(__name__)


class Upkeep:
    """Runs in the queue's thread, between tasks."""

    def __init__(self, node: Node) -> None:
        """Begin with a reading at once."""
        self._node = node
        self.next_s = time.monotonic()
        self._verify_s = self.next_s + VERIFY_S
        self._retry_s = self.next_s + RETRY_S
        self._collect_s = self.next_s + COLLECT_S
        self._metrics_s = self.next_s
        self._snapshot_s = self.next_s + node.settings.snapshot_period_s
        self._journaled: dict[str, JournalCounts] = {}

    def run(self) -> None:
        """Do what is due, and say in ``next_s`` when to come again."""
        began_s = time.monotonic()
        try_reading(self._node)
        self._give_up()
        self._tell_waiting()
        if began_s >= self._verify_s:
            self._verify_s = began_s + VERIFY_S
            try_verify(self._node)
        if began_s >= self._retry_s:
            self._retry_s = began_s + RETRY_S
            end_some(self._node)
        if began_s >= self._collect_s:
            self._collect_s = began_s + COLLECT_S
            self._collect()
        if began_s >= self._snapshot_s:
            self._snapshot_s = began_s + self._node.settings.snapshot_period_s
            self.snapshot()
        if began_s >= self._metrics_s and self._node.settings.metrics_file:
            self._metrics_s = began_s + METRICS_S
            write_metrics(Path(self._node.settings.metrics_file), self._node)
        # A reading that takes long (iptables) is not made more often than that allows.
        took_s = time.monotonic() - began_s
        self.next_s = began_s + max(READING_S, 4 * took_s)

    def snapshot(self) -> None:
        """Journal the counts of live runs that changed since the last snapshot."""
        node = self._node
        counts = {
            name: journal_counts(node.tally.counts(name))
            for name, attach in node.attaches.items()
            if attach.phase is Phase.ENTERED
        }
        changed = {n: c for n, c in counts.items() if c != self._journaled.get(n)}
        self._journaled = counts
        if changed:
            node.journal.submit_if_written(Snapshot(at=utc_now(), counts=changed))

    def _give_up(self) -> None:
        """End attaches that nobody entered in time."""
        now_s = time.monotonic()
        for name, attach in [*self._node.attaches.items()]:
            if attach.phase is Phase.MADE and now_s >= attach.give_up_s:
                ask_to_end(self._node, name, "exit")

    def _tell_waiting(self) -> None:
        """Tell what was counted although it cannot be journaled now."""
        if self._node.journal.trouble is not None:
            attaches = self._node.attaches.values()
            tell([a for a in attaches if a.phase is Phase.ENDING])

    def _collect(self) -> None:
        try:
            for line in collect(self._node):
                _log.warning("%s", line)
        except NodeError as error:
            _log.error("left-overs cannot be collected: %s", error)
