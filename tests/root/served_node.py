"""A worker node with the daemon, and processes that are attached to it.

Daemons run under exactly the capabilities of the systemd unit.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from collectors.client import Client, NoDaemonError
from collectors.daemon.processes import (
    ProcessGoneError,
    identify,
    open_process,
)
from collectors.daemon.protocol import (
    AnyReply,
    Attach,
    Counted,
    Detach,
    Facts,
    Ready,
    Request,
    Status,
)
from collectors.journal.entries import AnyEntry, Job, Process
from collectors.journal.runs import JournalSummary, read_journal, summarise
from collectors.links.veth import is_job_device
from tests.root.hosts import Host
from tests.root.traffic import family_of
from tests.root.world import CAMPUS, World, small_world

REPOSITORY = Path(__file__).parents[2]
UNIT = REPOSITORY / "deploy" / "systemd" / "poolmeter-node.service"
LIMIT_S = 30
ATTACH_ID_LENGTH = 10

#: As a starter does: the process is there first and then enters by exec.
ENTERING = 'read namespace; exec nsenter --net="$namespace" "$@"'


def unit_capabilities() -> tuple[str, ...]:
    """Return the capabilities of the unit, as setpriv(1) names them."""
    found = re.findall(r"^CapabilityBoundingSet=CAP_(\w+)$", UNIT.read_text(), re.M)
    return tuple(name.lower() for name in found)


class ServedNode:
    """The node of a world, its configuration, and its daemon."""

    def __init__(self, world: World, folder: Path, **options: object) -> None:
        world.node.run(world.backend.remove)
        self.world = world
        self.node = world.node
        self.folder = folder
        self.runtime = folder / "run"
        self.journal = folder / "journal"
        self.log = folder / "log"
        self.config = folder / "poolmeter.toml"
        self.options: dict[str, object] = {
            "internal": [str(network) for network in CAMPUS],
            "runtime_folder": str(self.runtime),
            "journal_folder": str(self.journal),
            "disabled_file": str(folder / "disabled"),
            **options,
        }
        self.write_config()
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(folder / "notify"))
        self._told.settimeout(LIMIT_S)
        self.capabilities = [*unit_capabilities()]
        self._nurseries: dict[str, subprocess.Popen[str]] = {}
        self.pid = 0
        #: A number may be another process's by now: only these are ever signalled.
        self._daemons: dict[int, Process] = {}
        self.processes: list[subprocess.Popen[str]] = []

    def write_config(self, **changed: object) -> None:
        """Write the configuration with some options *changed*."""
        self.options.update(changed)
        lines = [
            f"{name} = {json.dumps(value)}" for name, value in self.options.items()
        ]
        self.config.write_text("\n".join(("[node]", *lines)) + "\n")

    def start(self, *, kill_at: int = 0, wait: bool = True) -> int:
        """Start a daemon, and wait until it is ready; return its process id."""
        order = {
            "config": str(self.config),
            "log": str(self.log),
            "kill_at": kill_at,
            "environment": {"NOTIFY_SOCKET": str(self.folder / "notify")},
        }
        bounding = ",".join(("-all", *(f"+{name}" for name in self.capabilities)))
        nursery = self._nurseries.get(bounding) or self._start_nursery(bounding)
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        nursery.stdin.write(json.dumps(order) + "\n")
        nursery.stdin.flush()
        self.pid = int(nursery.stdout.readline())
        with contextlib.suppress(ProcessGoneError):
            self._daemons[self.pid] = identify(self.pid)
        if wait:
            self.wait_told("READY=1")
        return self.pid

    def _start_nursery(self, bounding: str) -> subprocess.Popen[str]:
        command = ["setpriv", f"--bounding-set={bounding}", "--pdeathsig", "KILL"]
        command += [sys.executable, "-m", "tests.root.nursery"]
        pipe = subprocess.PIPE
        nursery = self.node.run(
            subprocess.Popen,
            command,
            stdin=pipe,
            stdout=pipe,
            text=True,
            cwd=REPOSITORY,
        )
        self._nurseries[bounding] = nursery
        return nursery

    def wait_told(self, what: str) -> None:
        """Wait until the daemon tells the service manager *what*."""
        while True:
            try:
                told = self._told.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"no {what}: {self.log.read_text()}") from None
            if what in told.splitlines():
                return

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        if self.pid not in self._daemons:
            return
        with contextlib.suppress(ProcessGoneError):
            pidfd = open_process(self._daemons[self.pid])
            try:
                signal.pidfd_send_signal(pidfd, number)
            finally:
                os.close(pidfd)

    def kill(self) -> None:
        """Kill the daemon without any warning."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.wait_gone()

    def stop(self) -> None:
        """Stop the daemon as the service manager does."""
        self.signal(signal.SIGTERM)
        self.wait_gone()

    def wait_gone(self) -> None:
        """Wait until the daemon is gone."""
        if self.pid:
            until(self._is_gone, f"the end of daemon {self.pid}")
        self._told.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:  # what it told is no news of the next one
                self._told.recv(4096)
        self._told.settimeout(LIMIT_S)

    def _is_gone(self) -> bool:
        """Return whether all threads of the daemon are gone, and so its lock."""
        try:
            return identify(self.pid) != self._daemons.get(self.pid)
        except ProcessGoneError:
            return True

    def restart(self) -> None:
        """Stop the daemon and start another."""
        self.stop()
        self.start()

    def ask(self, request: Request) -> AnyReply:
        """Return the daemon's answer."""
        client = Client(self.runtime / "root.sock")
        with client, client.patience(LIMIT_S):
            return client.ask(request)

    def answers(self) -> bool:
        """Return whether a daemon answers."""
        try:
            self.status()
        except NoDaemonError:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """Return what ``node status`` shows."""
        reply = self.ask(Status())
        assert isinstance(reply, Facts), reply
        return dict(reply.status)

    def process(self, *command: str) -> "Attachable":
        """Return a process that can be attached and then becomes *command*."""
        started = self.node.run(
            subprocess.Popen,
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", ENTERING, "sh", *command],
            stdin=subprocess.PIPE,
            text=True,
        )
        self.processes.append(started)
        return Attachable(self, started)

    def poolmeter(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command on the node."""
        command = [sys.executable, "-m", "poolmeter", "--config", str(self.config)]
        return self.command(*command, *arguments)

    def command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run any command on the node."""
        return self.node.run(
            subprocess.run,
            command,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def entries(self) -> list[AnyEntry]:
        """Return the journal's entries; there are no faults in it."""
        entries = list(read_journal(self.journal))
        assert summarise(entries).faults == []
        return [entry for entry in entries if not isinstance(entry, Exception)]

    def summary(self) -> JournalSummary:
        """Return the journal's runs."""
        return summarise(self.entries())

    def devices(self) -> set[str]:
        """Return the node's devices; sysfs would show those of the machine."""
        return {name for _, name in self.node.run(socket.if_nameindex)}

    def leftovers(self) -> list[str]:
        """Return what is on the node beside the canary's: devices, files, rules."""
        found = {name for name in self.devices() if is_job_device(name)}
        found |= set(self.node.run(os.listdir, self.runtime / "netns"))
        found |= self.node.run(self.world.backend.read).jobs.keys()
        canary = {name for name in found if len(name) == ATTACH_ID_LENGTH}
        if len(canary) == 1:
            found -= canary | {f"veth{name}" for name in canary}
        found |= {f"slot {path.name}" for path in (self.runtime / "slots").iterdir()}
        return sorted(found)

    def job_counters(self) -> set[str]:
        """Return the attach ids that have counters now."""
        return set(self.node.run(self.world.backend.read).jobs)

    def wait_clean(self) -> None:
        """Wait until nothing of a job is left."""
        until(lambda: not self.leftovers(), lambda: f"nothing but {self.leftovers()}")

    def close(self) -> None:
        """End everything."""
        for process in self.processes:
            process.kill()
        if self.pid:
            self.kill()
        ended = [*self.processes, *self._nurseries.values()]
        for process in ended:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.__exit__(None, None, None)
        self._told.close()


class Attachable:
    """A process that waits to be told its namespace."""

    def __init__(self, served: ServedNode, process: subprocess.Popen[str]) -> None:
        self.served = served
        self.process = process
        self.attach_id = ""
        self.namespace = ""

    def ask(self, job: Job | None = None) -> AnyReply:
        """Ask for an attach; return ``ready`` or why not."""
        client = Client(self.served.runtime / "root.sock")
        with client:
            reply = client.ask(Attach(job or Job(), self.process.pid))
        if isinstance(reply, Ready):
            self.attach_id, self.namespace = reply.attach_id, reply.namespace
        return reply

    def enter(self, namespace: str | None = None) -> None:
        """Let the process enter its namespace, or another, and become its command."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{namespace or self.namespace}\n")
        self.process.stdin.close()

    def attach(self, job: Job | None = None) -> "Attachable":
        """Ask, enter, and wait until it is measured."""
        reply = self.ask(job)
        assert isinstance(reply, Ready), reply
        self.enter()
        self.wait_measured()
        return self

    def is_measured(self) -> bool:
        """Return whether the journal has the start."""
        return self.attach_id in self.served.summary().runs

    def wait_measured(self) -> None:
        """Wait until the journal has the start."""
        until(
            self.is_measured,
            lambda: f"a start of {self.attach_id}: {self.served.log.read_text()}",
        )

    @contextlib.contextmanager
    def inside(self) -> Iterator[Host]:
        """Yield the inside of its namespace."""
        path = self.served.runtime / "netns" / self.attach_id
        descriptor = self.served.node.run(os.open, path, os.O_RDONLY)
        try:
            with Host(self.attach_id, descriptor) as host:
                yield host
        finally:
            os.close(descriptor)

    def send(self, address: str, datagrams: int, size_bytes: int = 100) -> None:
        """Send datagrams to *address* from inside its namespace."""
        with self.inside() as host, host.socket(family_of(address)) as sender:
            for _ in range(datagrams):
                sender.sendto(bytes(size_bytes), (address, 9))

    def is_inside(self) -> bool:
        """Return whether the process is in its namespace and is its command already."""
        path = Path(f"/proc/{self.process.pid}")
        pinned = self.served.node.run(os.stat, self.namespace)
        inside = (path / "ns/net").stat().st_ino == pinned.st_ino
        return inside and (path / "comm").read_text() != "nsenter\n"

    def detach(self) -> Counted:
        """End the run and return its counts."""
        reply = self.served.ask(Detach(self.attach_id))
        assert isinstance(reply, Counted), reply
        return reply

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()


def until(
    condition: Callable[[], object],
    what: str | Callable[[], str],
    limit_s: float = LIMIT_S,
) -> None:
    """Wait until *condition* holds; the failure says *what* was waited for."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            said = what() if callable(what) else what
            raise AssertionError(f"not in {limit_s} s: {said}")
        time.sleep(0.02)


@contextlib.contextmanager
def served_node(folder: Path, **options: object) -> Iterator[ServedNode]:
    """Yield a node in a world of its own; its daemon is not started."""
    with small_world(folder / "world") as world:
        served = ServedNode(world, folder, **options)
        try:
            yield served
        finally:
            served.close()
