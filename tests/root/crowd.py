"""Many processes that want a namespace at once."""

import contextlib
import random
import threading
import time
from collections.abc import Iterable

from collectors.client import Client, NoDaemonError
from collectors.daemon.protocol import AnyReply, Attach, Ready
from collectors.journal.entries import Job
from tests.root.served_node import Attachable, ServedNode, until

#: A set-up waits for all before it, on a machine that may be busy.
CROWD_LIMIT_S = 120


class Member(threading.Thread):
    """One client; it enters when it may, or is killed at some moment before."""

    def __init__(self, attached: Attachable, kill_after_s: float | None) -> None:
        super().__init__()
        self.attached = attached
        self.kill_after_s = kill_after_s
        self.reply: AnyReply | None = None
        self.waited_s = 0.0
        self._client: Client | None = None

    def run(self) -> None:
        """Ask; whoever is to be killed drops its connection and its process."""
        timer = threading.Timer(self.kill_after_s or 0, self._die)
        if self.kill_after_s is not None:
            timer.start()
        began_s = time.monotonic()
        with contextlib.suppress(NoDaemonError):
            self._client = Client(self.attached.served.runtime / "root.sock")
            with self._client:
                self.reply = self._client.ask(Attach(Job(), self.attached.process.pid))
        self.waited_s = time.monotonic() - began_s
        if self.kill_after_s is not None:
            timer.join()
        if isinstance(self.reply, Ready) and self.kill_after_s is None:
            self.attached.attach_id = self.reply.attach_id
            self.attached.enter(self.reply.namespace)

    def _die(self) -> None:
        self.attached.kill()
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client._channel.shutdown(2)  # as the kernel does for the dead


def crowd(
    served: ServedNode, size: int, rng: random.Random, *, killed: int = 0
) -> list[Member]:
    """Have *size* processes ask at once, *killed* of which die within two seconds."""
    processes = [served.process("sleep", "300") for _ in range(size)]
    dying = set(rng.sample(range(size), killed))
    members = [
        Member(process, rng.uniform(0, 2) if number in dying else None)
        for number, process in enumerate(processes)
    ]
    for member in members:
        member.start()
    for member in members:
        member.join()
    return members


def all_measured(served: ServedNode, members: Iterable[Member]) -> None:
    """Wait until every surviving member is measured."""
    wanted = {m.attached.attach_id for m in members if m.kill_after_s is None}
    assert "" not in wanted
    until(lambda: wanted <= served.summary().runs.keys(), "all starts", CROWD_LIMIT_S)
