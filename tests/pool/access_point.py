"""An access point of the pool: submit, act on jobs, await events, read the past."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

from tests.pool.errors import PoolError
from tests.pool.eventlog import ABORTED, EXECUTE, HELD, Event, EventLog, JobId
from tests.pool.watch import await_change

Ad = dict[str, Any]


class Runner(Protocol):
    """What an access point needs of its pool: to run commands on one machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = ...,
        machine: str = ...,
        text: str = ...,
    ) -> CompletedProcess[str]:
        """Run *argv* and return its output; raises when it fails."""
        ...

    def outside(self, inside: str) -> Path:
        """Return where a file of the inside is for the test."""
        ...


class AccessPoint:
    """One schedd and its jobs. *folder* is where its files are, as seen inside."""

    def __init__(
        self, pool: Runner, machine: str, folder: str, schedd: str = ""
    ) -> None:
        self._pool = pool
        self.machine = machine
        self.schedd = schedd
        self.folder = folder
        self.spool = pool.outside(f"{folder}/spool")
        self.history_file = pool.outside(f"{folder}/history/history")
        self.epoch_file = pool.outside(f"{folder}/history/epoch_history")
        self.per_job_folder = pool.outside(f"{folder}/per_job")
        self.events = EventLog(pool.outside(f"{folder}/events/EventLog"))
        self._name = ["-name", schedd] if schedd else []

    def run(self, argv: Sequence[str], *, user: str = "root", text: str = "") -> str:
        """Return what a command prints on this machine; a failure raises PoolError."""
        return self._pool.run(argv, user=user, machine=self.machine, text=text).stdout

    def submit(self, description: str, *, user: str = "alice") -> list[JobId]:
        """Return the jobs of a submit *description* that has its queue line."""
        told = self.run(
            ["condor_submit", *self._name, "-terse", "-"], user=user, text=description
        )
        first, _, last = told.strip().partition(" - ")
        cluster, low = first.split(".")
        high = last.split(".")[1]
        return [JobId(int(cluster), n) for n in range(int(low), int(high) + 1)]

    def submit_one(self, description: str, *, user: str = "alice") -> JobId:
        """Return the one job of a *description* that has no queue line."""
        return self.submit(f"{description}\nqueue\n", user=user)[0]

    def act(self, tool: str, jobs: Iterable[JobId], *options: str) -> str:
        """Run condor_*tool* on *jobs*, e.g. ``release``, ``vacate_job``, ``rm``."""
        names = [str(job) for job in jobs]
        return self.run([f"condor_{tool}", *self._name, *options, *names])

    def hold(self, *jobs: JobId) -> None:
        """Put *jobs* on hold and wait until they are."""
        self.act("hold", jobs)
        for job in jobs:
            self.await_event(job, HELD)

    def release(self, *jobs: JobId) -> None:
        """Release held *jobs*."""
        self.act("release", jobs)

    def vacate(self, *jobs: JobId, fast: bool = False) -> None:
        """Take running *jobs* off their slots; with *fast* without their consent."""
        self.act("vacate_job", jobs, *(["-fast"] if fast else []))

    def remove(self, *jobs: JobId) -> None:
        """Remove *jobs* and wait until they are."""
        self.act("rm", jobs)
        for job in jobs:
            self.await_event(job, ABORTED)

    def qedit(self, job: JobId, *, user: str = "root", **values: str) -> None:
        """Set attributes of a queued *job* to ClassAd expressions."""
        pairs = [part for name, value in values.items() for part in (name, value)]
        self.run(["condor_qedit", *self._name, str(job), *pairs], user=user)

    def await_event(self, job: JobId, *numbers: int, timeout_s: float = 60) -> Event:
        """Return the first event of *job* with one of *numbers*, past or to come."""
        return self.events.await_event(
            lambda event: event.job == job and event.number in numbers,
            timeout_s=timeout_s,
            what=f"event {numbers} of job {job}",
        )

    def await_running(self, *jobs: JobId, timeout_s: float = 60) -> None:
        """Wait until each of *jobs* has begun to execute, at least once."""
        for job in jobs:
            self.await_event(job, EXECUTE, timeout_s=timeout_s)

    def await_runs(self, job: JobId, number: int, *, timeout_s: float = 60) -> None:
        """Wait until *job* has begun to execute *number* times."""
        self.events.await_count(
            lambda event: event.job == job and event.number == EXECUTE,
            number,
            timeout_s=timeout_s,
        )

    def await_end(self, *jobs: JobId, timeout_s: float = 120) -> None:
        """Wait until each of *jobs* is in the history file, done or removed."""
        wanted = {str(job) for job in jobs}

        def look() -> bool | None:
            return True if wanted <= self._recorded() else None

        await_change(
            self.history_file.parent,
            look,
            timeout_s=timeout_s,
            what=f"history records of {sorted(wanted)[:9]}",
        )

    def _recorded(self) -> set[str]:
        """Return the jobs in the history files, by their banners."""
        found = set()
        for file in self.history_files():
            for line in file.read_bytes().splitlines():
                if line.startswith(b"*** "):
                    pairs = dict(w.split(b"=") for w in _assignments(line))
                    cluster, proc = pairs[b"ClusterId"], pairs[b"ProcId"]
                    found.add(f"{cluster.decode()}.{proc.decode()}")
        return found

    def history_files(self) -> list[Path]:
        """Return the history files, oldest first, the growing one last."""
        rotated = self.history_file.parent.glob("history.*")
        files = [*sorted(rotated), self.history_file]
        return [file for file in files if file.exists()]

    def queue(self, *options: str) -> list[Ad]:
        """Return the ads that ``condor_q -allusers`` shows."""
        return _ads(self.run(["condor_q", *self._name, "-allusers", "-json", *options]))

    def job(self, job: JobId) -> Ad:
        """Return the ad of one queued *job*; raises PoolError when it has left."""
        ads = self.queue(str(job))
        if not ads:
            raise PoolError(f"job {job} is not in the queue")
        return ads[0]

    def await_attribute(
        self, job: JobId, name: str, value: object = None, *, timeout_s: float = 60
    ) -> object:
        """Return attribute *name* of a queued *job* once it is there (is *value*).

        The schedd's own log is what changes when an attribute does.
        """

        def look() -> object | None:
            found: object = self.job(job).get(name)
            return found if value is None or found == value else None

        return await_change(
            self.spool, look, timeout_s=timeout_s, what=f"{name} of job {job}"
        )

    def history(self, *options: str) -> list[Ad]:
        """Return the ads that condor_history shows, the newest first.

        It reads this schedd's own files, all rotations of them.
        """
        file = f"_CONDOR_HISTORY={self.folder}/history/history"
        return _ads(self.run(["env", file, "condor_history", "-json", *options]))

    def record(self, job: JobId) -> Ad:
        """Return the history ad of one *job* that has left the queue."""
        ads = self.history(str(job))
        if not ads:
            raise PoolError(f"job {job} is not in the history")
        return ads[0]


def _ads(text: str) -> list[Ad]:
    ads: list[Ad] = json.loads(text) if text.strip() else []
    return ads


def _assignments(banner: bytes) -> list[bytes]:
    """Return the words ``Name=number`` of a history banner."""
    words = banner.replace(b" = ", b"=").split()
    return [w for w in words if w.startswith((b"ClusterId=", b"ProcId="))]


class Gate:
    """Holds jobs at a point of their own until the test lets them on.

    A job waits with ``read go < PATH``; each one let on takes one line. No network
    and no clock is in it.
    """

    def __init__(self, pool: Runner, name: str) -> None:
        self.path = f"/pool/.net/gate-{name}"
        outside = pool.outside(self.path)
        os.mkfifo(outside)
        outside.chmod(0o666)
        # Open both ways: a line waits here until some job takes it.
        self._fd = os.open(outside, os.O_RDWR | os.O_NONBLOCK)

    def let_on(self, number: int = 1) -> None:
        """Let *number* jobs on, whether they wait already or come later."""
        os.write(self._fd, b"\n" * number)

    def close(self) -> None:
        """Let all who still wait read the end of the file."""
        os.close(self._fd)
