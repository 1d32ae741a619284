"""The event log of a schedd: what happened to every job, in the order it happened."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.pool.watch import await_change

# Numbers of HTCondor's user log that the tests speak of.
SUBMIT, EXECUTE, EVICTED, TERMINATED = 0, 1, 4, 5
SHADOW_EXCEPTION, ABORTED, HELD, RELEASED = 7, 9, 12, 13
ENDINGS = frozenset({TERMINATED, ABORTED})

HEAD = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (\S+ \S+) (.*)")


@dataclass(frozen=True, order=True)
class JobId:
    """A job of one schedd.

    >>> str(JobId(12, 0))
    '12.0'
    """

    cluster_id: int
    proc_id: int

    def __str__(self) -> str:
        return f"{self.cluster_id}.{self.proc_id}"


@dataclass(frozen=True)
class Event:
    """One event: its number in HTCondor's list, its job, its text."""

    number: int
    job: JobId
    text: str


def parse_events(text: str) -> list[Event]:
    r"""Return the whole events in *text*; one that is still being written is left out.

    >>> parse_events("005 (7.000.000) 2026-01-01 00:00:00 Job terminated.\n...\n005 (")
    [Event(number=5, job=JobId(cluster_id=7, proc_id=0), text='Job terminated.')]
    """
    events = []
    for block in text.split("\n...\n")[:-1]:
        head, _, rest = block.partition("\n")
        match = HEAD.match(head)
        if match:
            number, cluster, proc, _, first = match.groups()
            job = JobId(int(cluster), int(proc))
            body = "\n".join(filter(None, (first, rest)))
            events.append(Event(int(number), job, body))
    return events


class EventLog:
    """The log at *path*, which need not be there yet (its folder must)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """Return all events so far."""
        if self._path.exists():
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                fresh = stream.read()
            whole = fresh.rfind(b"\n...\n") + len(b"\n...\n")
            if whole > len(b"\n...\n") - 1:
                self._events += parse_events(fresh[:whole].decode(errors="replace"))
                self._offset += whole
        return self._events

    def await_event(
        self, wanted: Callable[[Event], bool], *, timeout_s: float, what: str
    ) -> Event:
        """Return the first event that is *wanted*, also one from before the call."""

        def look() -> Event | None:
            return next(filter(wanted, self.events()), None)

        return await_change(self._path.parent, look, timeout_s=timeout_s, what=what)

    def await_count(
        self, wanted: Callable[[Event], bool], number: int, *, timeout_s: float
    ) -> list[Event]:
        """Return the *wanted* events as soon as there are *number* of them."""

        def look() -> list[Event] | None:
            found = list(filter(wanted, self.events()))
            return found if len(found) >= number else None

        what = f"{number} events in {self._path}"
        return await_change(self._path.parent, look, timeout_s=timeout_s, what=what)
