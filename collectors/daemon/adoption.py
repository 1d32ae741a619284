"""What a daemon finds when it starts: live runs, ended ones, halves, other boots.

The kernel holds rules, links and namespaces; the slots say which processes they are
for; the journal says which runs were begun and ended.  Each may be ahead of the others
by one step, wherever the last daemon was killed.
"""

import dataclasses
import logging

from collectors.daemon.node import Attach, Node, Phase
from collectors.daemon.processes import ProcessGoneError, net_namespace, open_process
from collectors.daemon.readings import mark_partial
from collectors.daemon.set_up import (
    journal_start,
    journal_unmeasured,
    note_entered,
)
from collectors.errors import NodeError
from collectors.journal.entries import (
    End,
    HowEnded,
    job_counts,
)
from collectors.journal.open_runs import OpenRun, OpenRuns
from collectors.journal.writer import utc_now
from collectors.rules.backend import RulesReading
from collectors.slots import Slot

#: Why an attach of the last daemon was not measured.
UNSEEN = "the daemon ended before the process was seen in its namespace"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Adopted:
    """What is to be done with the attaches that were found."""

    live: list[Attach] = dataclasses.field(default_factory=list)
    orphans: list[Attach] = dataclasses.field(default_factory=list)
    #: Nothing is to be journaled of these.
    leftovers: list[Attach] = dataclasses.field(default_factory=list)


def adopt(node: Node, journal: OpenRuns, kernel: RulesReading) -> Adopted:
    """Take over what is there; everything found is in ``node.attaches`` afterwards.

    Runs of another boot, and runs of which nothing is there any more, are closed from
    their last snapshots.
    """
    _forget_other_boots(node)
    found = Adopted()
    slots = {slot.attach_id: slot for slot in node.slots.taken()}
    for run in [*journal.runs.values()]:
        if run.start.boot_id != node.boot_id:
            _close_from_snapshot(node, run, "reboot")
        elif run.start.attach_id not in slots:
            slot = _slot_again(node, run)
            if slot is None:
                _close_from_snapshot(node, run, "lost")
            else:
                slots[slot.attach_id] = slot
    for slot in slots.values():
        _sort(node, slot, journal, found)
    _begin_tallies(node, journal, kernel)
    return found


def remove_strangers(node: Node, kernel: RulesReading) -> list[str]:
    """Remove links, namespaces and rules of our names that no attach belongs to."""
    own = {link.attach_id for link in node.own_links}
    known = node.attaches.keys() | own
    strangers = (node.network.present() | kernel.jobs.keys()) - known
    if strangers:
        _log.warning("removed what was left of %s", ", ".join(sorted(strangers)))
        node.backend.teardown(sorted(strangers))
    for attach_id in strangers:
        node.network.remove(attach_id)
    return sorted(strangers)


def _forget_other_boots(node: Node) -> None:
    for slot in node.slots.taken():
        if slot.boot_id != node.boot_id:
            node.slots.release(slot.number)


def _slot_again(node: Node, run: OpenRun) -> Slot | None:
    """Return the slot of a run whose file is gone, if its namespace is still there."""
    start = run.start
    if node.network.namespace_inode(start.attach_id) is None:
        return None
    slot = Slot(
        number=start.slot_number,
        attach_id=start.attach_id,
        boot_id=start.boot_id,
        process=start.process,
        job=start.job,
        ipv6=start.ipv6,
        entered=True,
    )
    try:
        node.slots.take(slot)
    except NodeError:
        return None
    return slot


def _sort(node: Node, slot: Slot, journal: OpenRuns, found: Adopted) -> None:
    attach = _attach_of(node, slot)
    node.attaches[slot.attach_id] = attach
    run = journal.runs.get(slot.attach_id)
    if slot.attach_id in journal.ended:
        attach.phase = Phase.ENDED
        found.leftovers.append(attach)
    elif run is not None or slot.entered or _is_inside(attach):
        attach.phase, attach.was_entered = Phase.ENTERED, True
        if not slot.entered:
            note_entered(node, attach)
        if run is None:
            journal_start(node, attach, adopted=True)
        else:
            attach.partial = run.partial
        (found.live if attach.pidfd >= 0 else found.orphans).append(attach)
    else:
        attach.phase = Phase.ENDED
        found.leftovers.append(attach)
        journal_unmeasured(node, attach, "daemon", UNSEEN)


def _attach_of(node: Node, slot: Slot) -> Attach:
    link = node.network.plan(slot.attach_id, slot.number, ipv6=slot.ipv6)
    inode = node.network.namespace_inode(slot.attach_id) or 0
    try:
        pidfd = open_process(slot.process)
    except ProcessGoneError:
        pidfd = -1
    return Attach(link, slot.job, slot.process, pidfd, inode)


def _is_inside(attach: Attach) -> bool:
    """Return whether the process entered while no daemon looked."""
    if attach.pidfd < 0 or not attach.namespace_inode:
        return False
    return net_namespace(attach.process.pid) == attach.namespace_inode


def _close_from_snapshot(node: Node, run: OpenRun, how: HowEnded) -> None:
    node.events["ended", how] += 1
    end = End(
        at=utc_now(),
        attach_id=run.start.attach_id,
        counts=run.counts,
        final=False,
        how=how,
        partial=True,
    )
    node.journal.submit([end])


def _begin_tallies(node: Node, journal: OpenRuns, kernel: RulesReading) -> None:
    """Follow all runs; those whose counters went while no daemon looked are partial."""
    lost = []
    for attach_id, attach in node.attaches.items():
        run = journal.runs.get(attach_id)
        counts = job_counts(run.counts) if run else {}
        shown = kernel.jobs.get(attach_id)
        fell = node.tally.adopt(attach_id, counts, shown or {})
        if attach.phase is Phase.ENTERED and (fell or shown is None):
            lost.append(attach_id)
    mark_partial(node, lost, "rules went while no daemon looked")
