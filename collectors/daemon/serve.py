"""``poolmeter node serve``: puts the daemon together, and its main loop."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from collectors.addressing import slot_capacity
from collectors.daemon.adoption import adopt, remove_strangers
from collectors.daemon.conversations import Conversations
from collectors.daemon.gate import Gate
from collectors.daemon.network import JobNetwork
from collectors.daemon.node import Node
from collectors.daemon.preparation import Prepared, prepare
from collectors.daemon.processes import boot_id
from collectors.daemon.requests import Requests
from collectors.daemon.service_manager import notify, notify_reloading
from collectors.daemon.sweeper import Sweeper
from collectors.daemon.tear_down import ask_to_end, delete_rules
from collectors.daemon.upkeep import Upkeep
from collectors.daemon.work_queue import Turn, WorkQueue
from collectors.errors import NodeError
from collectors.journal.appender import Appender
from collectors.journal.writer import JournalWriter
from collectors.rules.backend import RuleBackend
from collectors.rules.nftables import NftablesBackend
from collectors.slots import SlotFolder
from poolmeter.locks import locked
from poolmeter.node_config import NodeConfig

ROOT_SOCKET, JOB_SOCKET = "root.sock", "job.sock"
LOCK = "daemon.lock"

#: How long a stop waits for what is being journaled.
STOP_S = 10

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = logging.getLogger(__name__)


class Daemon:
    """One worker node's daemon, from its start to its stop."""

    def __init__(self, settings: NodeConfig, reload: Callable[[], NodeConfig]) -> None:
        """Take the configuration, and what reads it again on SIGHUP."""
        self.settings = settings
        self.reload = reload
        self.runtime = Path(settings.runtime_folder)
        self._stopping = False
        self._exit_when_empty = False

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT, or a drain that is done.

        Raises:
            NodeError: The node is not fit for it, or another daemon runs.
        """
        self.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(self.runtime / LOCK, what="the node's daemon"):
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._begin()
            try:
                self._loop()
            finally:
                self._end()

    def _begin(self) -> None:
        prepared = prepare(self.settings)
        appender = Appender(
            Path(self.settings.journal_folder),
            keep_days=self.settings.journal_keep_days,
        )
        if appender.repaired_bytes:
            _log.warning("a torn journal line was cut: %d B", appender.repaired_bytes)
        self.node = build_node(self.settings, prepared, appender)
        self.node.journal.start()
        self.node.sweeper.start()
        self.talks = Conversations()
        self.upkeep = Upkeep(self.node)
        self.requests = Requests(
            self.node,
            self.talks,
            status=dict,
            collect=list,
            drain=list,
        )
        self._take_over(appender)
        self.talks.start()
        self._listen()
        threading.Thread(target=self._signals, name="signals", daemon=True).start()
        notify(ready=1, status=f"{len(self.node.attaches)} runs adopted")

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

    def _loop(self) -> None:
        while not self._stopping:
            task = self.node.queue.next_task(self.upkeep.next_s - time.monotonic())
            if task is not None:
                try:
                    task()
                except Exception:  # noqa: BLE001 - it is logged
                    # One job's misfortune; the daemon serves all others.
                    _log.exception("a task failed")
            if time.monotonic() >= self.upkeep.next_s:
                self.upkeep.run()

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
        notify(ready=1)

    def _end(self) -> None:
        """Stop without touching a live job: its rules and its link stay."""
        notify(stopping=1)
        self.talks.close()
        self.node.sweeper.close(timeout_s=STOP_S)
        self.upkeep.snapshot()
        self.node.journal.close(timeout_s=STOP_S)


def build_node(settings: NodeConfig, prepared: Prepared, appender: Appender) -> Node:
    """Return the daemon's state before anything was adopted."""
    runtime = Path(settings.runtime_folder)
    rules = prepared.rules
    capacity = slot_capacity(rules.job_block_v4)
    network = JobNetwork(runtime, rules, prepared.mtu, prepared.why_no_ipv6 is None)
    return Node(
        settings=settings,
        boot_id=boot_id(),
        rules=rules,
        backend=chosen_backend(settings),
        network=network,
        # The last one is the canary's.
        slots=SlotFolder(runtime / "slots", capacity - 1),
        journal=JournalWriter(appender),
        queue=WorkQueue(),
        gate=Gate(),
        sweeper=Sweeper(),
    )


def chosen_backend(settings: NodeConfig) -> RuleBackend:
    """Return the back end of ``[node] rules``; ``auto`` is nftables."""
    if settings.rules == "iptables":
        raise NodeError("[node] rules", found="iptables", mend="use nftables")
    return NftablesBackend()
