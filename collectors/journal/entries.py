"""The lines of the node journal: one JSON object a line, told apart by ``kind``.

A run is keyed by its attach id, which is unique; GlobalJobId and the identity of the
process (pid, start in clock ticks, boot id) say whose run it was.  Counts are pairs of
IP bytes and packets by attribute name.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

import msgspec

from collectors.traffic import Count, JobCounts

#: Version of these lines, in the first one of each file; a reader refuses a newer one.
SCHEMA_VERSION = 1

#: Counts as they stand in a line; what is 0 is left out.
JournalCounts = dict[str, tuple[int, int]]

#: Why a run ended: its process was gone, or asked for it; the daemon found it gone when
#: it came back; the node was booted; its rules were gone and nobody was left in it.
HowEnded = Literal["exit", "asked", "orphan", "reboot", "lost"]


class Process(msgspec.Struct, frozen=True):
    """A process for as long as this node is not booted: no later one is equal to it."""

    pid: int
    start_ticks: int
    uid: int


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a job; ``None`` is unknown, as for a command run by hand."""

    global_job_id: str | None = None
    owner: str | None = None
    slot_name: str | None = None
    command: str | None = None


class LeftOver(msgspec.Struct, frozen=True):
    """A process that was still in the job's namespace when its run ended."""

    pid: int
    uid: int
    name: str
    killed: bool


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True
):
    """What every line has; ``at`` is aware UTC."""

    at: dt.datetime


class Start(Entry, frozen=True, kw_only=True, tag="start"):
    """A process is in its namespace and every packet of it is counted from here."""

    attach_id: str
    job: Job
    process: Process
    slot_number: int
    boot_id: str
    ipv6: bool
    rules: str
    #: The daemon found the run after it was restarted, and its start was not journaled.
    adopted: bool = False


class Snapshot(Entry, frozen=True, kw_only=True, tag="snapshot"):
    """Counts of the live runs that changed since the last snapshot."""

    counts: dict[str, JournalCounts]


class Tag(Entry, frozen=True, kw_only=True, tag="tag"):
    """Something said about a run by the user id *by_uid* (root, or the job's owner)."""

    attach_id: str
    name: str
    value: str
    by_uid: int


class Unmeasured(Entry, frozen=True, kw_only=True, tag="unmeasured"):
    """A job that started without being counted, and why."""

    job: Job
    process: Process
    reason: str
    detail: str | None = None


class Restored(Entry, frozen=True, kw_only=True, tag="restored"):
    """Rules were gone or altered and were made again: these runs are partial."""

    attach_ids: tuple[str, ...]
    found: str


class End(Entry, frozen=True, kw_only=True, tag="end"):
    """A run is over, and these are its counts.

    ``final``: they are the last ones, read after the link was down.  ``partial``: some
    traffic in between may not be in them.
    """

    attach_id: str
    counts: JournalCounts
    final: bool
    how: HowEnded
    partial: bool = False
    spoofed: tuple[int, int] = (0, 0)
    left_over: tuple[LeftOver, ...] = ()


class Carried(Entry, frozen=True, kw_only=True, tag="carried"):
    """First line of a new file: its version, and what was open when it was begun."""

    version: int
    starts: tuple[Start, ...]
    counts: dict[str, JournalCounts]
    partial: tuple[str, ...] = ()
    #: Ended in an earlier file; their rules and slots may still have been there.
    ended: tuple[str, ...] = ()


AnyEntry = Start | Snapshot | Tag | Unmeasured | Restored | End | Carried

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEntry)


def encode_entry(entry: Entry) -> bytes:
    """Return *entry* as one line with its end."""
    return _encoder.encode(entry) + b"\n"


def decode_entry(line: bytes) -> AnyEntry:
    """Return the entry that *line* holds.

    Raises:
        msgspec.MsgspecError: It is no entry of this version.
    """
    entry: AnyEntry = _decoder.decode(line)
    return entry


def journal_counts(counts: JobCounts) -> JournalCounts:
    """Return *counts* without those that are 0.

    >>> journal_counts({"NetworkOutgoingLocal": Count(60, 1), "X": Count()})
    {'NetworkOutgoingLocal': (60, 1)}
    """
    return {
        name: (count.ip_bytes, count.packets)
        for name, count in counts.items()
        if count.ip_bytes or count.packets
    }


def job_counts(counts: Mapping[str, tuple[int, int]]) -> dict[str, Count]:
    """Return the counts that a line holds."""
    return {name: Count(*pair) for name, pair in counts.items()}
