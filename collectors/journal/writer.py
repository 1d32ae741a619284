"""The thread that makes lines durable: many callers, one fsync for all that wait."""

import datetime as dt
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from collectors.errors import JournalError
from collectors.journal.appender import Appender
from collectors.journal.entries import AnyEntry

RETRY_S = 1.0

#: Of what is no run's record no more than this waits for a disk.
WAITING_LIMIT = 10_000

_log = logging.getLogger(__name__)

Now = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """Return the present time, aware."""
    return dt.datetime.now(dt.UTC)


class JournalWriter:
    """Writes entries in the order in which they came, and tries for ever.

    While the journal cannot be written (disk full, failing), entries wait in memory;
    :attr:`trouble` says why, and then nothing new should be begun.
    """

    def __init__(self, appender: Appender, *, now: Now = utc_now) -> None:
        self._appender = appender
        self._now = now
        self._waiting: deque[tuple[Sequence[AnyEntry], Future[None]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._released: set[str] = set()
        self.trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, entries: Sequence[AnyEntry]) -> Future[None]:
        """Take *entries*; the future is done when they are durable, in this order."""
        done: Future[None] = Future()
        with self._changed:
            self._waiting.append((entries, done))
            self._changed.notify()
        return done

    def submit_if_written(self, entry: AnyEntry) -> None:
        """Take *entry* unless the journal is in trouble: a later one says as much."""
        if self.trouble is None:
            self.submit([entry])

    def submit_if_few_wait(self, entry: AnyEntry) -> None:
        """Take *entry* unless very many wait: trouble must not fill the memory."""
        if self.waiting < WAITING_LIMIT:
            self.submit([entry])

    def released(self, attach_ids: Iterable[str]) -> None:
        """Forget that these runs ended: nothing of them is left on the node."""
        with self._changed:
            self._released.update(attach_ids)

    def close(self, *, timeout_s: float) -> None:
        """Write what waits, once more if it failed, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        self._appender.close()

    @property
    def waiting(self) -> int:
        """How many submissions are not durable yet."""
        return len(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch = list(self._waiting)
                self._appender.state.released(self._released)
                self._released.clear()
            written = self._write(batch)
            with self._changed:
                if self._closing and (not written or not self._waiting):
                    return
                if not written:
                    self._changed.wait(RETRY_S)

    def _write(self, batch: list[tuple[Sequence[AnyEntry], Future[None]]]) -> bool:
        entries = [entry for some, _ in batch for entry in some]
        try:
            if entries:
                self._appender.append(entries, self._now())
        except JournalError as error:
            self._say_once(str(error))
            return False
        if self.trouble is not None:
            self.trouble = None
            _log.warning("the journal can be written again")
        with self._changed:
            for _ in batch:
                self._waiting.popleft()
        for _, done in batch:
            done.set_result(None)
        return True

    def _say_once(self, trouble: str) -> None:
        if self.trouble != trouble:
            _log.error("%s", trouble)
        self.trouble = trouble
