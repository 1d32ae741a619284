"""The end of runs, in the order that loses no packet and no record.

Link down, list (never reset), journal ``end`` fsynced, one delete transaction; then,
outside the queue, the conntrack entries; then link, namespace and slot.  Each step may
be the last one before a crash: a restart goes on from what the journal says.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future

from collectors.daemon.left_over import left_over_processes
from collectors.daemon.node import Attach, Node, Phase
from collectors.daemon.processes import net_namespace
from collectors.daemon.readings import take_reading
from collectors.daemon.set_up import confirm, journal_unmeasured
from collectors.daemon.work_queue import Turn
from collectors.errors import NodeError
from collectors.journal.entries import End, HowEnded, journal_counts
from collectors.journal.writer import utc_now

#: So many runs end in one transaction at most: set-ups wait no longer than that takes.
BATCH = 32

_log = logging.getLogger(__name__)


def ask_to_end(node: Node, attach_id: str, how: HowEnded) -> None:
    """Have a run ended in its turn; may be called from any thread."""
    node.to_end.setdefault(attach_id, how)
    node.queue.put(Turn.TEARDOWN, lambda: end_some(node))


def end_some(node: Node) -> None:
    """End the runs that were asked for, or as many of them as one batch holds.

    The first task of a burst ends them all; those that follow find nothing to do.
    """
    asked: dict[str, HowEnded] = {
        name: node.to_end.pop(name) for name in [*node.to_end][:BATCH]
    }
    attaches = [node.attaches[name] for name in asked if name in node.attaches]
    live = [attach for attach in attaches if attach.is_live]
    if not live:
        return
    for attach in live:
        attach.how = asked[attach.attach_id]
        if net_namespace(attach.process.pid) == attach.namespace_inode:
            confirm(node, attach, lambda _: None)  # it entered a moment ago
    try:
        _close(node, live)
    except NodeError as error:
        _log.error("runs are not ended yet: %s", error)
        node.to_end.update(asked)  # upkeep tries again


def _close(node: Node, attaches: Sequence[Attach]) -> None:
    """Take the links down and the last reading; nothing is lost if this fails."""
    for attach in attaches:
        node.network.set_down(attach.attach_id)
    take_reading(node)
    entered = [a for a in attaches if a.phase is Phase.ENTERED]
    for attach in attaches:
        attach.phase = Phase.ENDING if attach in entered else Phase.ENDED
    never_entered = [a for a in attaches if a.phase is Phase.ENDED]
    for attach in never_entered:
        detail = "its process was not seen in its namespace"
        journal_unmeasured(node, attach, "entry", detail)
    if never_entered:
        tell(never_entered)
        delete_rules(node, never_entered)
    if entered:
        node.sweeper.submit(lambda: _look_and_journal(node, entered))


def _look_and_journal(node: Node, attaches: Sequence[Attach]) -> None:
    """Look for left-over processes and journal the ends; runs in the sweeper."""
    inodes = {attach.namespace_inode for attach in attaches}
    kill = node.settings.left_over_processes == "kill"
    found = left_over_processes(inodes, kill=kill)
    for attach in attaches:
        attach.left_over = found.get(attach.namespace_inode, ())
    node.queue.put(Turn.TEARDOWN, lambda: journal_ends(node, attaches))


def journal_ends(node: Node, attaches: Sequence[Attach]) -> None:
    """Journal the ends of runs that were read for the last time."""
    for attach in attaches:
        node.events["left_over", "processes"] += len(attach.left_over)
    ends = [end_entry(node, attach) for attach in attaches]

    def durable(_: Future[None]) -> None:
        node.queue.put(Turn.TEARDOWN, lambda: _journaled(node, attaches))

    node.journal.submit(ends).add_done_callback(durable)


def end_entry(node: Node, attach: Attach) -> End:
    """Return the journal's line of a run's end."""
    spoofed = node.tally.spoofed(attach.attach_id)
    return End(
        at=utc_now(),
        attach_id=attach.attach_id,
        counts=journal_counts(node.tally.counts(attach.attach_id)),
        final=True,
        how=attach.how,
        partial=attach.partial,
        spoofed=(spoofed.ip_bytes, spoofed.packets),
        left_over=attach.left_over,
    )


def _journaled(node: Node, attaches: Sequence[Attach]) -> None:
    for attach in attaches:
        attach.phase = Phase.ENDED
        node.events["ended", attach.how] += 1
    tell(attaches)
    delete_rules(node, attaches)


def tell(attaches: Sequence[Attach]) -> None:
    """Tell whoever asked for the end; once."""
    for attach in attaches:
        told, attach.when_ended = attach.when_ended, None
        if told:
            told(attach)


def delete_rules(node: Node, attaches: Sequence[Attach]) -> None:
    """Delete the rules of ended attaches, and go on outside the queue.

    What fails is tried again by the upkeep: such an attach stays known, as ended.
    """
    try:
        node.backend.teardown([attach.attach_id for attach in attaches])
    except NodeError as error:
        _log.error("rules of ended runs are not deleted yet: %s", error)
        return
    node.flow_sweeper.submit(lambda: _forget_flows(node, attaches))


def _forget_flows(node: Node, attaches: Sequence[Attach]) -> None:
    """Delete conntrack entries; runs in the sweeper of flows."""
    try:
        node.network.forget_flows([attach.link for attach in attaches])
    except NodeError as error:
        _log.error("conntrack entries of ended runs are not deleted yet: %s", error)
        return
    node.queue.put(Turn.TEARDOWN, lambda: remove(node, attaches))


def remove(node: Node, attaches: Sequence[Attach]) -> None:
    """Remove links and namespaces, and give the slots back."""
    gone = []
    for attach in attaches:
        if node.attaches.get(attach.attach_id) is not attach:
            continue  # removed already, and its slot may be another's
        try:
            node.network.remove(attach.attach_id)
        except NodeError as error:
            _log.error("an ended run's link is not removed yet: %s", error)
            continue
        node.slots.release(attach.link.slot_number)
        node.tally.forget(attach.attach_id)
        node.attaches.pop(attach.attach_id, None)
        if attach.pidfd >= 0:
            with contextlib.suppress(OSError):
                os.close(attach.pidfd)
            attach.pidfd = -1
        gone.append(attach.attach_id)
    node.journal.released(gone)
