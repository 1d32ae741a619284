"""Send: what is due goes to the server until it has it, always as the same bytes.

A bundle that is accepted is deleted.  One that is refused is split in two, durably,
until the bad record is alone and goes to the quarantine; before that an empty bundle
is sent, for a server that refuses that, too, does not mean the record.  Without an
answer, or with any other one, the bundle stays, and two such answers in a row end the
run: the next ones wait longer and longer.

A split is durable before its whole is deleted, and its parts are not sent before that.
"""

import contextlib
import dataclasses
import datetime as dt
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from poolmeter.errors import LedgerError
from probe.gratia.bundle import envelope, form_body, records_in
from probe.gratia.delivered import note_delivery
from probe.gratia.outbox import (
    Box,
    Outbox,
    delete_delivered,
    due_bundles,
    move,
    read_bundle,
    remove,
    write_bundle,
    write_reason,
)
from probe.gratia.reply import Reply
from probe.gratia.transport import Server

#: So many answers in a row that are no word on a bundle end a run.
FAILURES_IN_A_ROW = 2

#: Told of how many of how many bundles are done.
Progress = Callable[[int, int], None]


@dataclasses.dataclass(slots=True)
class Sent:
    """What one run has sent."""

    records: int = 0
    bundles: int = 0
    #: Records in the quarantine, by the server's word.
    set_aside: Counter[str] = dataclasses.field(default_factory=Counter)
    #: The last answer that was no word on a bundle, if there was one.
    failure: str | None = None


def send(
    outbox: Outbox,
    server: Server,
    *,
    now: dt.datetime,
    progress: Progress | None = None,
) -> Sent:
    """Send what is due.  Whoever calls holds the lane's lock.

    Raises:
        LedgerError: A file cannot be read or written; what is due stays so.
    """
    due: deque[tuple[Box, Path]] = deque()
    for box in outbox.boxes():
        finish_splits(box)
        due.extend((box, path) for path in due_bundles(box))
    return _Run(outbox, server, due, now, progress).run()


def finish_splits(box: Box) -> None:
    """Throw away the parts of bundles that are still whole: none was ever sent.

    Raises:
        LedgerError: A file cannot be deleted.
    """
    for bundle in due_bundles(box):
        for part in _parts(bundle):
            if part.exists():
                remove(part)


def _parts(bundle: Path) -> tuple[Path, Path]:
    """Return the paths of a bundle's halves."""
    first, second = (bundle.with_stem(bundle.stem + half) for half in "ab")
    return first, second


class _Run:
    def __init__(
        self,
        outbox: Outbox,
        server: Server,
        due: deque[tuple[Box, Path]],
        now: dt.datetime,
        progress: Progress | None,
    ) -> None:
        self._outbox = outbox
        self._server = server
        self._due = due
        self._now = now
        self._progress = progress or _silent
        self._sent = Sent()
        self._failures = 0

    def run(self) -> Sent:
        """Send until nothing is due, or the server cannot take it."""
        done = 0
        while self._due and self._failures < FAILURES_IN_A_ROW:
            self._progress(done, done + len(self._due))
            self._take(*self._due.popleft())
            done += 1
        return self._sent

    def _take(self, box: Box, bundle: Path) -> None:
        content = read_bundle(bundle)
        records = records_in(content)
        reply = self._server.post(form_body(content))
        if reply.judgement == "accepted":
            self._accepted(bundle, content, len(records))
        elif reply.judgement == "unavailable":
            self._failed(str(reply))
        else:
            self._refused(box, bundle, records, reply)

    def _accepted(self, bundle: Path, content: bytes, records: int) -> None:
        self._failures = 0
        self._sent.records += records
        self._sent.bundles += 1
        # On a full disk the note is less than the room that the deletion makes.
        with contextlib.suppress(LedgerError):
            note_delivery(self._outbox, bundle.stem, content, records, now=self._now)
        delete_delivered(bundle)

    def _failed(self, said: str) -> None:
        self._failures += 1
        self._sent.failure = said

    def _refused(
        self, box: Box, bundle: Path, records: list[bytes], reply: Reply
    ) -> None:
        empty = self._server.post(form_body(envelope([])))
        if empty.judgement != "accepted":
            # Not the record's fault: a proxy, another server, a changed protocol.
            self._failures = FAILURES_IN_A_ROW
            self._sent.failure = f"an empty bundle is not taken either: {empty}"
            return
        self._failures = 0
        if len(records) > 1:
            self._split(box, bundle, records)
            return
        write_reason(box, bundle.stem, f"refused by the server: {reply}")
        move(bundle, box.quarantine)
        self._sent.set_aside[f"refused by the server: {reply}"] += len(records)

    def _split(self, box: Box, bundle: Path, records: list[bytes]) -> None:
        middle = len(records) // 2
        parts = _parts(bundle)
        for part, half in zip(parts, (records[:middle], records[middle:]), strict=True):
            write_bundle(part, envelope(half))
        remove(bundle)
        self._due.extendleft((box, part) for part in reversed(parts))


def _silent(done: int, total: int) -> None:
    """Report no progress."""
