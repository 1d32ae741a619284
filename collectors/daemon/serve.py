"""``poolmeter node serve``: puts the daemon together, and its main loop."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from collectors.daemon.adoption import adopt, remove_strangers
from collectors.daemon.assembly import build_node, make_canary, remove_canary
from collectors.daemon.collection import (
    collect,
    drain,
    is_drained,
    remove_everything,
)
from collectors.daemon.conversations import Conversations
from collectors.daemon.netfilter_changes import NetfilterChanges
from collectors.daemon.preparation import prepare
from collectors.daemon.readings import try_reading, try_verify
from collectors.daemon.reload import reload
from collectors.daemon.requests import Requests
from collectors.daemon.service_manager import notify, notify_reloading
from collectors.daemon.status import status_of
from collectors.daemon.tear_down import ask_to_end, delete_rules
from collectors.daemon.upkeep import Upkeep
from collectors.daemon.work_queue import Turn
from collectors.journal.appender import Appender
from collectors.rules.nftables_names import TABLE
from poolmeter.locks import locked
from poolmeter.node_config import NodeConfig

ROOT_SOCKET, JOB_SOCKET = "root.sock", "job.sock"
LOCK = "daemon.lock"

#: How long a stop waits for what is being journaled.
STOP_S = 10

#: How long a clean-up without a daemon waits for the next thing to do.
IDLE_S = 0.2
COLLECT_LIMIT_S = 60

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = logging.getLogger(__name__)


class Daemon:
    """One worker node's daemon, from its start to its stop."""

    def __init__(self, settings: NodeConfig, reload: Callable[[], NodeConfig]) -> None:
        """Take the configuration, and what reads it again on SIGHUP."""
        self.settings = settings
        self.read_again = reload
        self.runtime = Path(settings.runtime_folder)
        self._stopping = False
        self._started_s = time.monotonic()

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT, or a drain that is done.

        Raises:
            NodeError: The node is not fit for it.
            LedgerBusyError: Another daemon runs.
        """
        with self._alone():
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._begin()
            self._serve()
            try:
                self._loop()
            finally:
                self._end()

    def collect_once(self) -> list[str]:
        """Adopt and clean up without serving anybody; return what is still live.

        Raises:
            NodeError: The node is not fit for it.
            LedgerBusyError: A daemon runs; it is to be asked instead.
        """
        with self._alone():
            self._begin()
            end_s = time.monotonic() + COLLECT_LIMIT_S
            while self._is_busy() and time.monotonic() < end_s:
                self._work(IDLE_S)
            self._end()
            return list(self.node.attaches)

    def _is_busy(self) -> bool:
        ending = any(not attach.is_live for attach in self.node.attaches.values())
        return ending or any(self.node.queue.waiting(turn) for turn in Turn)

    def remove_once(self) -> list[str]:
        """As :meth:`collect_once`; and where nothing is live, remove everything."""
        live = self.collect_once()
        if not live:
            with self._alone():
                remove_everything(self.node)
        return live

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(self.runtime / LOCK, what="the node's daemon"):
            yield

    def _begin(self) -> None:
        self.prepared = prepare(self.settings)
        appender = Appender(
            Path(self.settings.journal_folder),
            keep_days=self.settings.journal_keep_days,
        )
        if appender.repaired_bytes:
            _log.warning("a torn journal line was cut: %d B", appender.repaired_bytes)
        self.node = build_node(self.settings, self.prepared, appender)
        self.node.journal.start()
        self.node.sweeper.start()
        self.node.flow_sweeper.start()
        self.talks = Conversations()
        self.upkeep = Upkeep(self.node)
        self.requests = Requests(
            self.node,
            self.talks,
            status=self._status,
            collect=lambda: collect(self.node),
            drain=lambda: drain(self.node),
        )
        self._take_over(appender)

    def _serve(self) -> None:
        self.canary = make_canary(self.node, self.prepared)
        self.node.when_restored = self.canary.ask_now
        self.talks.start()
        self._listen()
        self._watch_netfilter()
        # Who asks already is told to wait meanwhile.
        self.canary.look()
        self.canary.start()
        threading.Thread(target=self._signals, name="signals", daemon=True).start()
        notify(ready=1, status=f"{len(self.node.attaches)} runs adopted")

    def _status(self) -> dict[str, object]:
        verdicts = self.canary.verdicts
        return status_of(self.node, self.prepared, verdicts, self._started_s)

    def _take_over(self, appender: Appender) -> None:
        """Adopt what an earlier daemon left, and make the table whole."""
        node = self.node
        kernel = node.backend.read()
        found = adopt(node, appender.state, kernel)
        node.backend.install(node.rules, node.links(), node.tally.shown())
        remove_strangers(node, kernel)
        for attach in found.live:
            self.requests.watch_end(attach)
        for attach in found.orphans:
            ask_to_end(node, attach.attach_id, "orphan")
        if found.leftovers:
            delete_rules(node, found.leftovers)

    def _listen(self) -> None:
        talks, requests = self.talks, self.requests
        talks.listen(self.runtime / JOB_SOCKET, 0o666, requests.of_job, for_root=False)
        talks.listen(self.runtime / ROOT_SOCKET, 0o600, requests.of_root, for_root=True)

    def _watch_netfilter(self) -> None:
        """Have the rules checked and the canary sent when others change netfilter."""
        node, canary = self.node, self.canary
        changes = NetfilterChanges(TABLE)

        def changed() -> None:
            foreign = [*changes.foreign()]
            if any(foreign):
                node.queue.put(Turn.RESTORE, lambda: try_verify(node))
            if foreign:
                canary.ask_now()

        self.talks.loop.call_soon_threadsafe(
            self.talks.loop.add_reader, changes.socket, changed
        )

    def _loop(self) -> None:
        while not self._stopping:
            self._work(self.upkeep.next_s - time.monotonic())
            if time.monotonic() >= self.upkeep.next_s:
                self.upkeep.run()
                self._stop_when_drained()

    def _work(self, wait_s: float) -> None:
        """Do the next task; wait so long for one."""
        task = self.node.queue.next_task(wait_s)
        if task is None:
            return
        try:
            task()
        except Exception:  # noqa: BLE001 - it is logged
            # One job's misfortune; the daemon serves all others.
            _log.exception("a task failed")

    def _stop_when_drained(self) -> None:
        if is_drained(self.node):
            remove_everything(self.node)
            _log.info("drained: nothing of ours is left on this node")
            self._stopping = True

    def _signals(self) -> None:
        """Turn signals into tasks; they are blocked in every thread."""
        while True:
            number = signal.sigwait(SIGNALS)
            task = self._reload if number == signal.SIGHUP else self._stop
            self.node.queue.put(Turn.RESTORE, task)

    def _stop(self) -> None:
        self._stopping = True

    def _reload(self) -> None:
        notify_reloading()
        reload(self.node, self.read_again)
        notify(ready=1)

    def _end(self) -> None:
        """Stop without touching a live job: its rules and its link stay."""
        notify(stopping=1)
        if self.talks.is_serving:
            self.talks.close()
        self.node.sweeper.close(timeout_s=STOP_S)
        self.node.flow_sweeper.close(timeout_s=STOP_S)
        try_reading(self.node)
        self.upkeep.snapshot()
        remove_canary(self.node)
        self.node.journal.close(timeout_s=STOP_S)
