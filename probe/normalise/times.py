"""When the job was queued, ran and ended.

An owner can edit every one of these on a held job, so the end is also held against
the file's neighbours: records stand in the order in which jobs left the queue.
"""

import dataclasses
import datetime as dt
from typing import Any, NamedTuple

from poolmeter import attributes as names
from poolmeter.units import MS_PER_S, SECONDS_PER_DAY
from probe.job_ad import JobAd
from probe.normalise.claims import is_routed_source

#: The last second of the year 9999, beyond which no date can be written.
LAST_SECOND = 253_402_300_799
#: A duration beyond this (32 years) is no measurement.
DURATION_LIMIT_S = 10**9
#: A removed job is written when its shadow has ended, which may take hours.
NEIGHBOUR_SLACK_S = SECONDS_PER_DAY
#: So long no pool is without any job that leaves the queue.
QUIET_LIMIT_S = 35 * SECONDS_PER_DAY
#: HTCondor's JobStatus of a completed job.
COMPLETED = 4


class Window(NamedTuple):
    """From *low_s* to *high_s*, and *likely_s* where nothing better is known."""

    low_s: int
    high_s: int
    likely_s: int


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file itself says of when a record was written, in Unix seconds.

    ``earliest_s`` is the end of the last record before it whose word can be relied
    on, ``latest_s`` that of the next one, or the time of reading; ``written_s`` is the
    banner's ``CurrentTime``, which only new versions write, and is both.
    """

    earliest_s: int | None = None
    latest_s: int | None = None
    written_s: int | None = None

    def window(self, *, may_linger: bool, begun_s: int) -> "Window":
        """Return when the job may have ended.

        Only what stands before the record's own end in the file counts here, for the
        end must be the same whenever the file is read: a job on another day would be
        another job.  A job that *may linger* in the queue after its end has no
        earliest second.  *begun_s* is when the job was queued or first started.
        """
        if self.written_s is not None:
            likely, slack_s = self.written_s, NEIGHBOUR_SLACK_S
        elif self.earliest_s is not None:
            likely, slack_s = max(self.earliest_s, begun_s), QUIET_LIMIT_S
        else:
            return Window(0, LAST_SECOND, LAST_SECOND)
        low = (self.written_s or self.earliest_s or 0) - NEIGHBOUR_SLACK_S
        return Window(0 if may_linger else low, likely + slack_s, likely)

    def is_too_late(self, ended_s: int) -> bool:
        """Whether a job cannot have ended at *ended_s*, by what follows in the file."""
        return self.latest_s is not None and ended_s > self.latest_s + NEIGHBOUR_SLACK_S


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """The time columns of a record, in Unix seconds and seconds."""

    queued_s: int | None
    started_s: int | None
    last_started_s: int | None
    completed_s: int | None
    entered_s: int | None
    ended_s: int
    wall_s: int | None
    last_run_wall_s: int | None
    committed_s: int | None
    suspended_s: int | None
    runs: int
    shadow_starts: int | None
    reconnects: int | None
    is_end_replaced: bool
    is_end_too_late: bool

    @property
    def has_started(self) -> bool:
        """Whether anything was ever started for the job."""
        return bool(self.started_s or self.runs or self.shadow_starts or self.wall_s)

    def columns(self) -> dict[str, Any]:
        """Return the columns by name."""
        return {
            "queued_at": timestamp(self.queued_s),
            "started_at": timestamp(self.started_s),
            "last_started_at": timestamp(self.last_started_s),
            "ended_at": timestamp(self.ended_s),
            "wall_s": self.wall_s,
            "last_run_wall_s": self.last_run_wall_s,
            "committed_s": self.committed_s,
            "suspended_s": self.suspended_s,
            "runs": self.runs,
            "shadow_starts": self.shadow_starts,
            "reconnects": self.reconnects,
        }


class NoEndError(ValueError):
    """The ad names no time at which its job ended."""


def timestamp(unix_s: int | None) -> dt.datetime | None:
    """Return *unix_s* as an aware UTC time; 0 is how HTCondor writes "not yet".

    >>> timestamp(1795338484)
    datetime.datetime(2026, 11, 22, 9, 8, 4, tzinfo=datetime.timezone.utc)
    """
    if not unix_s:
        return None
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


def times_of(ad: JobAd, around: Surroundings) -> Times:
    """Return the times of the job that *ad* describes.

    Raises:
        NoEndError: The ad holds no end.
    """
    last_started_s = _moment(ad, names.JOB_CURRENT_START_DATE)
    completed_s = _moment(ad, names.COMPLETION_DATE)
    entered_s = last_entered_s(ad)
    last_run_wall_s = _duration(ad, names.LAST_REMOTE_WALL_CLOCK_TIME)
    own_end_s = _own_end(last_started_s, completed_s, entered_s)
    queued_s = _moment(ad, names.Q_DATE)
    started_s = _moment(ad, names.JOB_START_DATE)
    begun_s = max(queued_s or 0, started_s or 0)
    last_run_end_s = last_started_s and last_started_s + (last_run_wall_s or 0)
    candidates = [own_end_s, entered_s, completed_s, last_run_end_s]
    ended_s = believable_end(
        [end for end in candidates if end],
        around.window(may_linger=may_linger(ad), begun_s=begun_s),
        last_started_s or 0,
    )
    wall_s = _duration(ad, names.REMOTE_WALL_CLOCK_TIME)
    if wall_s is None:
        wall_s = last_run_wall_s  # a lower bound; the contradictions name it
    return Times(
        queued_s=queued_s,
        started_s=started_s,
        last_started_s=last_started_s,
        completed_s=completed_s,
        entered_s=entered_s,
        ended_s=ended_s,
        wall_s=wall_s,
        last_run_wall_s=last_run_wall_s,
        committed_s=_duration(ad, names.COMMITTED_TIME),
        suspended_s=_duration(ad, names.CUMULATIVE_SUSPENSION_TIME),
        runs=_runs(ad, wall_s),
        shadow_starts=_count(ad, names.NUM_SHADOW_STARTS),
        reconnects=_count(ad, names.NUM_JOB_RECONNECTS),
        is_end_replaced=ended_s != own_end_s,
        is_end_too_late=around.is_too_late(ended_s),
    )


def last_entered_s(ad: JobAd) -> int | None:
    """Return when the job entered its last status, in Unix seconds.

    A job router completes its source without entering that: the time stays that at
    which the copy began to run, and CompletionDate is the end (seen on 23.9.6).
    """
    entered_s = _moment(ad, names.ENTERED_CURRENT_STATUS)
    if entered_s and ad.integer(names.JOB_STATUS) == COMPLETED and is_routed_source(ad):
        return max(entered_s, _moment(ad, names.COMPLETION_DATE) or 0)
    return entered_s


def may_linger(ad: JobAd) -> bool:
    """Whether an ended job may stay in the queue, and be written days later.

    An expression may be true for as long as it likes, so none is evaluated.
    """
    raw = ad.raw_text(names.LEAVE_JOB_IN_QUEUE)
    return raw is not None and raw.lower() != "false"


def _own_end(
    last_started_s: int | None, completed_s: int | None, entered_s: int | None
) -> int:
    """Return the end by the ad's own word.

    CompletionDate is absent, 0 or left over for removed jobs; it counts only between
    the last start and the change into the last status.
    """
    if entered_s is None:
        if completed_s is None:
            raise NoEndError(f"neither {names.ENTERED_CURRENT_STATUS} nor an end")
        return completed_s
    if completed_s is not None and (last_started_s or 0) <= completed_s <= entered_s:
        return completed_s
    return entered_s


def believable_end(candidates: list[int], window: Window, last_started_s: int) -> int:
    """Return the first candidate that lies in *window* and after the last start.

    If none does, the window alone decides, and at last what it holds for likely: a
    job whose own word cannot be true is placed where the file says it was written.
    """
    in_window = [end for end in candidates if window.low_s <= end <= window.high_s]
    after_start = [end for end in in_window if end >= last_started_s]
    for choice in (after_start, in_window):
        if choice:
            return choice[0]
    return window.likely_s


def _moment(ad: JobAd, name: str) -> int | None:
    return ad.integer(name, high=LAST_SECOND) or None


def _duration(ad: JobAd, name: str) -> int | None:
    return ad.integer(name, high=DURATION_LIMIT_S)


def _count(ad: JobAd, name: str) -> int | None:
    return ad.integer(name, high=2**31 - 1)


def _runs(ad: JobAd, wall_s: int | None) -> int:
    """Return NumJobStarts, which misses runs that never reached the executable."""
    return max(_count(ad, names.NUM_JOB_STARTS) or 0, 1 if wall_s else 0)


def duration_ms(ad: JobAd, name: str) -> int | None:
    """Return the attribute *name*, which is in seconds, as milliseconds."""
    return ad.integer(name, high=DURATION_LIMIT_S * MS_PER_S * 1000, scale=MS_PER_S)
