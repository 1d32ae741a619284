"""From a request to a measured process; everything here runs in the queue's thread."""

import contextlib
import dataclasses
import logging
import os
import secrets
import socket
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from collectors.daemon.node import Attach, Node, Phase
from collectors.daemon.protocol import Measured, NotMeasured, Ready, Reply
from collectors.errors import NodeError
from collectors.job_link import JobLink
from collectors.journal.entries import Job, Process, Start, Unmeasured
from collectors.journal.writer import utc_now
from collectors.slots import Slot

ATTACH_ID_BYTES = 5

Undone = TypeVar("Undone")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Ticket:
    """A request for an attach that waits for its turn."""

    process: Process
    pidfd: int
    job: Job
    #: Sends an answer to whoever asked, from any thread.
    answer: Callable[[Reply], None]
    #: Told of the attach when it is made, so that its process is watched.
    made: Callable[[Attach], None]
    #: Whoever asked went away before there was an answer.
    cancelled: bool = False
    asked_s: float = dataclasses.field(default_factory=time.monotonic)


def set_up(node: Node, ticket: Ticket) -> None:
    """Give the ticket's process a namespace, or say why it gets none."""
    if ticket.cancelled:
        os.close(ticket.pidfd)
        return
    refusal = refusal_of(node)
    if refusal is not None:
        refuse(node, ticket, *refusal)
        return
    try:
        attach = _make(node, ticket)
    except NodeError as error:
        _log.error("no set-up for process %d: %s", ticket.process.pid, error)
        refuse(node, ticket, "setup", str(error))
        return
    node.attaches[attach.attach_id] = attach
    node.events["set_up", "made"] += 1
    ticket.made(attach)
    ticket.answer(_ready(node, attach))


def refusal_of(node: Node) -> tuple[str, str] | None:
    """Return reason and detail why nothing new is measured now, or ``None``."""
    disabled = Path(node.settings.disabled_file)
    if disabled.exists():
        return "disabled", f"{disabled} is there"
    if not is_rolled_out(socket.gethostname(), node.settings.rollout_percent):
        return "rollout", f"rollout_percent is {node.settings.rollout_percent}"
    if node.journal.trouble is not None:
        return "journal", node.journal.trouble
    refusal = node.gate.refusal()
    return (refusal.reason, refusal.detail) if refusal else None


def is_rolled_out(host: str, percent: int) -> bool:
    """Return whether *host* is among the first *percent* of all hosts, by its name.

    >>> [is_rolled_out("wn17.example.org", percent) for percent in (0, 5, 100)]
    [False, False, True]
    """
    return zlib.crc32(host.encode()) % 100 < percent


def refuse(node: Node, ticket: Ticket, reason: str, detail: str) -> None:
    """Tell and journal that a job starts without being counted."""
    os.close(ticket.pidfd)
    journal_unmeasured(node, ticket, reason, detail)
    ticket.answer(NotMeasured(reason, detail))


def journal_unmeasured(
    node: Node, who: Ticket | Attach, reason: str, detail: str
) -> None:
    """Journal that a job was not counted."""
    node.events["unmeasured", reason] += 1
    entry = Unmeasured(
        at=utc_now(), job=who.job, process=who.process, reason=reason, detail=detail
    )
    node.journal.submit_if_few_wait(entry)


def _make(node: Node, ticket: Ticket) -> Attach:
    """Make slot, namespace, rules and link, in this order.

    On an error what was made is undone, in the opposite order.
    """
    with contextlib.ExitStack() as undo:
        link = _take_slot(node, ticket)
        undo.callback(node.slots.release, link.slot_number)
        node.tally.begin(link.attach_id)
        undo.callback(node.tally.forget, link.attach_id)
        undo.callback(_best_effort, node.network.remove, link.attach_id)
        inode = node.network.make_namespace(link.attach_id)
        undo.callback(_best_effort, node.backend.teardown, [link.attach_id])
        node.backend.setup(link)
        link = node.network.connect(link)
        undo.pop_all()
    attach = Attach(link, ticket.job, ticket.process, ticket.pidfd, inode)
    attach.give_up_s = time.monotonic() + node.settings.start_wait_s
    return attach


def _take_slot(node: Node, ticket: Ticket) -> JobLink:
    number = node.slots.next_free()
    link = node.network.plan(secrets.token_hex(ATTACH_ID_BYTES), number)
    slot = Slot(
        number=number,
        attach_id=link.attach_id,
        boot_id=node.boot_id,
        process=ticket.process,
        job=ticket.job,
        ipv6=link.ipv6 is not None,
    )
    node.slots.take(slot)
    return link


def _best_effort(undo: Callable[[Undone], None], of: Undone) -> None:
    """Undo; what cannot be undone now is left to the collection of left-overs."""
    with contextlib.suppress(NodeError):
        undo(of)


def _ready(node: Node, attach: Attach) -> Ready:
    ipv6 = attach.link.ipv6
    return Ready(
        attach_id=attach.attach_id,
        namespace=str(node.network.namespace_path(attach.attach_id)),
        ipv4=str(attach.link.ipv4.job.ip),
        ipv6=str(ipv6.job.ip) if ipv6 else None,
        start_wait_s=node.settings.start_wait_s,
    )


def confirm(node: Node, attach: Attach, answer: Callable[[Reply], None]) -> None:
    """Its process is in its namespace: from here on it is measured, once journaled."""
    if attach.phase is not Phase.MADE:
        return
    attach.phase, attach.was_entered = Phase.ENTERED, True
    note_entered(node, attach)
    node.events["set_up", "entered"] += 1

    def journaled(_: Future[None]) -> None:
        answer(Measured(attach.attach_id))

    journal_start(node, attach).add_done_callback(journaled)


def note_entered(node: Node, attach: Attach) -> None:
    """Write into the slot that the process was seen inside."""
    try:
        node.slots.change(slot_of(node, attach))
    except NodeError as error:
        _log.error("%s", error)


def slot_of(node: Node, attach: Attach) -> Slot:
    """Return what the slot of *attach* says."""
    return Slot(
        number=attach.link.slot_number,
        attach_id=attach.attach_id,
        boot_id=node.boot_id,
        process=attach.process,
        job=attach.job,
        ipv6=attach.link.ipv6 is not None,
        entered=attach.phase is not Phase.MADE,
    )


def journal_start(node: Node, attach: Attach, *, adopted: bool = False) -> Future[None]:
    """Journal the start of a run."""
    start = Start(
        at=utc_now(),
        attach_id=attach.attach_id,
        job=attach.job,
        process=attach.process,
        slot_number=attach.link.slot_number,
        boot_id=node.boot_id,
        ipv6=attach.link.ipv6 is not None,
        rules=node.backend.name,
        adopted=adopted,
    )
    return node.journal.submit([start])
