"""What the daemon does for each request: root's, and those from inside jobs."""

import asyncio
import threading
import time
from collections.abc import Callable

from collectors.daemon.conversations import Conversation, Conversations
from collectors.daemon.node import Attach, Node, Phase
from collectors.daemon.processes import (
    ProcessGoneError,
    identify,
    net_namespace,
    open_process,
)
from collectors.daemon.protocol import (
    ACKNOWLEDGE_S,
    Collect,
    Counted,
    Detach,
    Done,
    Drain,
    Entered,
    Facts,
    Flush,
    NotMeasured,
    Queued,
    Refused,
    Reply,
    Status,
    Tag,
    decode_job_request,
    decode_root_request,
)
from collectors.daemon.protocol import Attach as AttachRequest
from collectors.daemon.readings import try_reading
from collectors.daemon.set_up import Ticket, confirm, set_up
from collectors.daemon.tear_down import ask_to_end
from collectors.daemon.work_queue import Turn
from collectors.journal.entries import Tag as TagEntry
from collectors.journal.entries import journal_counts
from collectors.journal.writer import utc_now
from collectors.traffic import local_as_internal
from poolmeter.errors import one_line

#: One job's flush is answered from a reading of its own at most so often.
FLUSH_PERIOD_S = 1.0
TAG_LIMIT_CHARACTERS = 1024


class Requests:
    """Answers lines of the two sockets; runs in the talking thread."""

    def __init__(
        self,
        node: Node,
        talks: Conversations,
        *,
        status: Callable[[], dict[str, object]],
        collect: Callable[[], list[str]],
        drain: Callable[[], list[str]],
    ) -> None:
        """Take what the queue's thread does for ``status``, ``collect``, ``drain``."""
        self._node = node
        self._talks = talks
        self._status = status
        self._collect = collect
        self._drain = drain
        self._flushed_s: dict[str, float] = {}
        self._flushing: list[tuple[Conversation, Attach]] = []
        self._flush_lock = threading.Lock()

    async def of_root(self, talk: Conversation, line: bytes) -> None:
        """Answer a line of ``root.sock``."""
        if talk.peer.uid != 0:
            talk.send(Refused("only root may ask this"))
            return
        request = decode_root_request(line)
        if isinstance(request, AttachRequest):
            await self._attach(talk, request)
        elif isinstance(request, Entered):
            self._talks.look_now()
        elif isinstance(request, Detach):
            self._detach(talk, request)
        elif isinstance(request, Tag):
            self._tag(talk, request, self._node.attaches.get(request.attach_id or ""))
        elif isinstance(request, Status):
            self._in_queue(talk, lambda: Facts(self._status()))
        elif isinstance(request, Collect):
            self._in_queue(talk, lambda: Done(tuple(self._collect())))
        elif isinstance(request, Drain):
            self._in_queue(talk, lambda: Done(tuple(self._drain())))

    async def of_job(self, talk: Conversation, line: bytes) -> None:
        """Answer a line of ``job.sock``: of who is in a job's namespace."""
        request = decode_job_request(line)
        attach = self._attach_of(talk)
        if attach is None:
            talk.send(Refused("this process is in no measured namespace"))
        elif isinstance(request, Flush):
            self._flush(talk, attach)
        else:
            self._tag(talk, request, attach)

    def _attach_of(self, talk: Conversation) -> Attach | None:
        inode = net_namespace(talk.peer.pid)
        try:
            still_there = identify(talk.peer.pid).start_ticks == talk.peer.start_ticks
        except ProcessGoneError:
            return None
        attaches = [*self._node.attaches.values()] if still_there else []
        return next((a for a in attaches if a.namespace_inode == inode), None)

    async def _attach(self, talk: Conversation, request: AttachRequest) -> None:
        process = talk.peer if request.pid is None else identify(request.pid)
        answered = asyncio.Event()

        def answer(reply: Reply) -> None:
            talk.send(reply)
            if isinstance(reply, NotMeasured):
                self._talks.loop.call_soon_threadsafe(answered.set)

        def made(attach: Attach) -> None:
            talk.attach = attach
            self._watch(attach, lambda: answer_confirmed(attach))

        def answer_confirmed(attach: Attach) -> None:
            def reply(measured: Reply) -> None:
                talk.send(measured)
                self._talks.loop.call_soon_threadsafe(answered.set)

            self._node.queue.put(
                Turn.CONFIRM, lambda: confirm(self._node, attach, reply)
            )

        ticket = Ticket(process, open_process(process), request.job, answer, made)

        def gone() -> None:
            ticket.cancelled = True
            answered.set()

        talk.when_over.append(gone)
        ahead = self._node.queue.put(Turn.SETUP, lambda: set_up(self._node, ticket))
        talk.send(Queued(ahead))
        self._talks.do(self._acknowledge(talk, answered))

    async def _acknowledge(self, talk: Conversation, answered: asyncio.Event) -> None:
        """Say that the daemon is alive until there is a last answer."""
        while not talk.is_over:
            try:
                await asyncio.wait_for(answered.wait(), ACKNOWLEDGE_S)
            except TimeoutError:
                talk.send(Queued(self._node.queue.waiting(Turn.SETUP)))
            else:
                return

    def _watch(self, attach: Attach, entered: Callable[[], None]) -> None:
        self._talks.watch(attach, entered)
        self.watch_end(attach)

    def watch_end(self, attach: Attach) -> None:
        """End the run of *attach* when its process does."""
        name = attach.attach_id
        self._talks.when_gone(attach, lambda: ask_to_end(self._node, name, "exit"))

    def _detach(self, talk: Conversation, request: Detach) -> None:
        attach = talk.attach
        if request.attach_id is not None:
            attach = self._node.attaches.get(request.attach_id)
        if attach is None:
            talk.send(Refused("no such run"))
            return

        def told(ended: Attach) -> None:
            if ended.was_entered:
                talk.send(counted(self._node, ended))
            else:
                talk.send(Refused("its process was never seen in its namespace"))

        attach.when_ended = told
        ask_to_end(self._node, attach.attach_id, "asked")

    def _flush(self, talk: Conversation, attach: Attach) -> None:
        """Read anew for this job; requests that wait share one reading."""
        now_s = time.monotonic()
        if (
            now_s - self._flushed_s.get(attach.attach_id, -FLUSH_PERIOD_S)
            < FLUSH_PERIOD_S
        ):
            talk.send(counted(self._node, attach))
            return
        self._flushed_s[attach.attach_id] = now_s
        with self._flush_lock:
            self._flushing.append((talk, attach))
            is_first = len(self._flushing) == 1
        if is_first:
            self._node.queue.put(Turn.FLUSH, self._read_and_answer)

    def _read_and_answer(self) -> None:
        with self._flush_lock:
            waiting, self._flushing = self._flushing, []
        try_reading(self._node)
        for talk, attach in waiting:
            talk.send(counted(self._node, attach))

    def _tag(self, talk: Conversation, tag: Tag, attach: Attach | None) -> None:
        """Journal what the job's owner or root says of a run."""
        if attach is None or attach.phase is not Phase.ENTERED:
            talk.send(Refused("no such run"))
        elif max(len(tag.name), len(tag.value)) > TAG_LIMIT_CHARACTERS:
            talk.send(Refused(f"expected at most {TAG_LIMIT_CHARACTERS} characters"))
        else:
            entry = TagEntry(
                at=utc_now(),
                attach_id=attach.attach_id,
                name=one_line(tag.name),
                value=one_line(tag.value),
                by_uid=talk.peer.uid,
            )
            done = self._node.journal.submit([entry])
            done.add_done_callback(lambda _: talk.send(Done()))

    def _in_queue(self, talk: Conversation, work: Callable[[], Reply]) -> None:
        self._node.queue.put(Turn.FLUSH, lambda: talk.send(work()))


def counted(node: Node, attach: Attach) -> Counted:
    """Return what a run was counted so far, or at its end."""
    spoofed = node.tally.spoofed(attach.attach_id)
    counts = node.tally.counts(attach.attach_id)
    if node.settings.local == "internal":
        counts = local_as_internal(counts)
    return Counted(
        attach_id=attach.attach_id,
        counts=journal_counts(counts),
        final=not attach.is_live,
        partial=attach.partial,
        journaled=attach.phase is not Phase.ENDING,
        spoofed=(spoofed.ip_bytes, spoofed.packets),
        left_over=attach.left_over,
    )
