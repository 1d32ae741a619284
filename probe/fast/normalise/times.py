"""When the jobs were queued, ran and ended; see ``probe.normalise.times``.

The end itself is decided in ``probe.fast.ends``, for it depends on the neighbours.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from poolmeter import attributes as names
from poolmeter.ledger.schema import TIMESTAMP
from poolmeter.units import MS_PER_S
from probe.fast.ads import Ads, Integers
from probe.fast.arrays import Flags, Numbers, places_of
from probe.fast.columns import Column, number_column
from probe.fast.normalise.claims import is_routed_source
from probe.fast.values import Kind
from probe.normalise.times import COMPLETED, DURATION_LIMIT_S, LAST_SECOND

_INT32_MAX = 2**31 - 1
#: Where every number is known.
_ALL = np.array([True])
#: More runs than that are no number to compute with in 64 bits.
_RUNS_LIMIT = 10**6


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """The time columns but the end, and what the end is chosen from.

    ``status`` is JobStatus, ``entered`` when the last status was entered, which is
    not always EnteredCurrentStatus.  Times are Unix seconds, 0 where unknown.
    """

    status: Integers
    queued: Integers
    started: Integers
    last_started: Integers
    completed: Integers
    entered: Integers
    own_end_s: Numbers
    last_run_end_s: Numbers
    wall: Integers
    is_wall_readable: Flags
    last_run_wall: Integers
    committed: Integers
    suspended: Integers
    runs: Numbers
    shadow_starts: Integers
    reconnects: Integers
    may_linger: Flags

    @property
    def has_started(self) -> Flags:
        """Whether anything was ever started for each job."""
        has_started: Flags = self.started.is_true() | self.wall.is_true()
        has_started |= (self.runs != 0) | self.shadow_starts.is_true()
        return has_started

    def columns(self) -> dict[str, Column]:
        """Return the columns by name, all but ``ended_at``."""
        return {
            "queued_at": timestamps(self.queued),
            "started_at": timestamps(self.started),
            "last_started_at": timestamps(self.last_started),
            "wall_s": self.wall.column(),
            "last_run_wall_s": self.last_run_wall.column(),
            "committed_s": self.committed.column(),
            "suspended_s": self.suspended.column(),
            "runs": number_column(self.runs.astype(np.int32), _ALL, pa.int32()),
            "shadow_starts": self.shadow_starts.column(np.int32),
            "reconnects": self.reconnects.column(np.int32),
        }


def timestamps(seconds: Integers) -> Column:
    """Return Unix seconds as timestamps; what is unknown or 0 is null."""
    return number_column(seconds.values * MS_PER_S, seconds.is_true(), TIMESTAMP)


def times_of(ads: Ads) -> Times:
    """Return the times of the jobs; a record without an end is left."""
    last_started = moments(ads, names.JOB_CURRENT_START_DATE)
    completed = moments(ads, names.COMPLETION_DATE)
    status = ads.integers(names.JOB_STATUS)
    entered = _last_entered(ads, status, completed)
    last_run_wall = _durations(ads, names.LAST_REMOTE_WALL_CLOCK_TIME)
    wall = _durations(ads, names.REMOTE_WALL_CLOCK_TIME)
    is_wall_readable = wall.known
    wall = wall.or_else(last_run_wall)
    ads.leave(~(entered.known | completed.known))
    return Times(
        status=status,
        queued=moments(ads, names.Q_DATE),
        started=moments(ads, names.JOB_START_DATE),
        last_started=last_started,
        completed=completed,
        entered=entered,
        own_end_s=_own_end(last_started, completed, entered),
        last_run_end_s=np.where(
            last_started.known, last_started.values + last_run_wall.values, 0
        ),
        wall=wall,
        is_wall_readable=is_wall_readable,
        last_run_wall=last_run_wall,
        committed=_durations(ads, names.COMMITTED_TIME),
        suspended=_durations(ads, names.CUMULATIVE_SUSPENSION_TIME),
        runs=_runs(ads, wall),
        shadow_starts=ads.integers(names.NUM_SHADOW_STARTS, high=_INT32_MAX),
        reconnects=ads.integers(names.NUM_JOB_RECONNECTS, high=_INT32_MAX),
        may_linger=_may_linger(ads),
    )


def moments(ads: Ads, name: str) -> Integers:
    """Return the times *name*; 0 is how HTCondor writes "not yet"."""
    found = ads.integers(name, high=LAST_SECOND)
    return found.only(found.is_true())


def _durations(ads: Ads, name: str) -> Integers:
    return ads.integers(name, high=DURATION_LIMIT_S)


def _last_entered(ads: Ads, status: Integers, completed: Integers) -> Integers:
    entered = moments(ads, names.ENTERED_CURRENT_STATUS)
    is_source = entered.known & (status.values == COMPLETED) & is_routed_source(ads)
    later = np.maximum(entered.values, completed.values)
    return Integers(np.where(is_source, later, entered.values), entered.known)


def _own_end(last_started: Integers, completed: Integers, entered: Integers) -> Numbers:
    is_completion = completed.known & (last_started.values <= completed.values)
    is_completion &= ~entered.known | (completed.values <= entered.values)
    is_completion |= ~entered.known
    return np.where(is_completion, completed.values, entered.values)


def _runs(ads: Ads, wall: Integers) -> Numbers:
    starts = ads.integers(names.NUM_JOB_STARTS, high=_INT32_MAX).values
    runs = np.maximum(starts, wall.is_true())
    ads.leave(runs > _RUNS_LIMIT)
    return runs


def _may_linger(ads: Ads) -> Flags:
    kinds = ads.written_kinds(names.LEAVE_JOB_IN_QUEUE)
    lingers: Flags = (kinds != Kind.ABSENT) & (kinds != Kind.FALSE)
    for record in places_of(lingers & (kinds == Kind.OTHER)).tolist():
        raw = ads.raw(names.LEAVE_JOB_IN_QUEUE, record) or ""
        lingers[record] = raw.lower() != "false"
    return lingers
