"""The thread that talks: acknowledges, watches processes, and touches no network.

While the queue's thread makes links, this one tells everybody who waits, twice a
second, that the daemon is alive.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec

from collectors.daemon.node import Attach, Phase
from collectors.daemon.processes import ProcessGoneError, net_namespace, peer_of
from collectors.daemon.protocol import (
    LINE_LIMIT_BYTES,
    Refused,
    Reply,
    encode,
)
from collectors.errors import NodeError
from collectors.journal.entries import Process

#: How often it is looked whether a process has entered its namespace.
LOOK_S = 0.05

#: So many conversations at once; more wait in the kernel's queue.
ROOT_CONNECTIONS, JOB_CONNECTIONS, JOB_CONNECTIONS_OF_ONE = 4096, 256, 8

_log = logging.getLogger(__name__)


class Conversation:
    """One connected client.  Its answers may be sent from any thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, out: asyncio.StreamWriter, peer: Process
    ) -> None:
        self.peer = peer
        self.is_over = False
        #: The attach that this client asked for.
        self.attach: Attach | None = None
        self.when_over: list[Callable[[], None]] = []
        self._loop = loop
        self._out = out

    def send(self, reply: Reply) -> None:
        """Send *reply*; a client that is gone is not told."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._send, encode(reply))

    def _send(self, line: bytes) -> None:
        if not self.is_over:
            self._out.write(line)

    def end(self) -> None:
        """Note that the client is gone."""
        self.is_over = True
        for tell in self.when_over:
            tell()


Answer = Callable[[Conversation, bytes], Awaitable[None]]


class Conversations:
    """Two sockets, the processes that are watched, and the loop that serves both."""

    def __init__(self) -> None:
        """Make the loop; nothing runs yet."""
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="talk", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()
        self._of_uid: dict[int, int] = {}

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    @property
    def is_serving(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the loop; clients see the end of the connection."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        for task in self._tasks:
            task.cancel()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in the loop; may be called from any thread."""
        self.loop.call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("in a conversation", exc_info=task.exception())

    def listen(self, path: Path, mode: int, answer: Answer, *, for_root: bool) -> None:
        """Serve *path*, made anew, from the loop."""
        listener = _listener(path, mode)
        self.do(self._accept(listener, answer, for_root=for_root))

    async def _accept(
        self, listener: socket.socket, answer: Answer, *, for_root: bool
    ) -> None:
        limit = asyncio.Semaphore(ROOT_CONNECTIONS if for_root else JOB_CONNECTIONS)
        while True:
            await limit.acquire()
            try:
                connection, _ = await self.loop.sock_accept(listener)
            except OSError as error:  # no descriptors left: others will end
                _log.error("cannot accept: %s", error.strerror)
                await asyncio.sleep(1)
                limit.release()
                continue
            self._begin(self._serve(connection, answer, limit, for_root=for_root))

    async def _serve(
        self,
        connection: socket.socket,
        answer: Answer,
        limit: asyncio.Semaphore,
        *,
        for_root: bool,
    ) -> None:
        try:
            with connection:
                peer = peer_of(connection)
                if for_root:
                    await self._talk(connection, peer, answer)
                else:
                    with self._counted(peer.uid):
                        await self._talk(connection, peer, answer)
        except (ProcessGoneError, ConnectionError, ValueError) as error:
            _log.debug("a conversation ended: %s", error)
        finally:
            limit.release()

    @contextlib.contextmanager
    def _counted(self, uid: int) -> Iterator[None]:
        """Allow one user only some of the conversations of jobs."""
        count = self._of_uid.get(uid, 0)
        if count >= JOB_CONNECTIONS_OF_ONE:
            raise ConnectionRefusedError(f"user id {uid} talks too much")
        self._of_uid[uid] = count + 1
        try:
            yield
        finally:
            self._of_uid[uid] -= 1
            if not self._of_uid[uid]:
                del self._of_uid[uid]

    async def _talk(
        self, connection: socket.socket, peer: Process, answer: Answer
    ) -> None:
        connection.setblocking(False)
        lines, out = await asyncio.open_unix_connection(
            sock=connection, limit=LINE_LIMIT_BYTES
        )
        talk = Conversation(self.loop, out, peer)
        try:
            while line := await lines.readline():
                await _answered(talk, line, answer)
        finally:
            talk.end()
            out.close()

    def watch(self, attach: Attach, entered: Callable[[], None]) -> None:
        """Call *entered* when the process of *attach* is inside; from any thread."""
        self.do(self._until_inside(attach, entered))

    def look_now(self) -> None:
        """Look at once whether watched processes have entered; from the loop."""
        self._look.set()
        self._look.clear()

    async def _until_inside(self, attach: Attach, entered: Callable[[], None]) -> None:
        while attach.phase is Phase.MADE and time.monotonic() < attach.give_up_s:
            if net_namespace(attach.process.pid) == attach.namespace_inode:
                entered()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK_S)

    def when_gone(self, attach: Attach, gone: Callable[[], None]) -> None:
        """Call *gone* when the process of *attach* has ended; from any thread."""
        # A descriptor of the watch's own: the attach closes its when it likes.
        descriptor = os.dup(attach.pidfd)

        def ended() -> None:
            self.loop.remove_reader(descriptor)
            os.close(descriptor)
            gone()

        self.loop.call_soon_threadsafe(self.loop.add_reader, descriptor, ended)


async def _answered(talk: Conversation, line: bytes, answer: Answer) -> None:
    try:
        await answer(talk, line)
    except (msgspec.MsgspecError, NodeError) as error:
        talk.send(Refused(str(error)))


def _listener(path: Path, mode: int) -> socket.socket:
    """Return a listening socket at *path*; its mode is right before it is there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        listener.bind(os.fspath(beside))
        beside.chmod(mode)
        listener.listen(1024)
        listener.setblocking(False)
        beside.rename(path)
    except OSError as error:
        listener.close()
        raise NodeError(f"socket {path}", found=error.strerror) from error
    return listener
