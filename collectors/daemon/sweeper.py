"""A thread for what takes long and touches neither links nor rules."""

import logging
import os
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Sweeper:
    """Does what it is given, in order."""

    def __init__(self, name: str, *, nice: int = 0) -> None:
        """Begin with nothing to do; with *nice* it leaves the CPU to set-ups."""
        self._nice = nice
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have *work* done after all that waits."""
        self._work.put(work)

    def close(self, *, timeout_s: float) -> None:
        """Finish what waits and end."""
        self._work.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        if self._nice:
            # Linux gives each thread a nice value of its own (setpriority(2)).
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - it is logged
                _log.exception("left to the next collection")
