"""When a job held its slot: the charge intervals, the only input of pricing.

One pure function of a job's times and its known runs.  Times are whole seconds
since 1970-01-01 UTC.  The lengths of the intervals sum to ``wall_s`` exactly, for
every job, also where the ad contradicts itself: what contradicts is named by the
probe and shown by the statement, and never changes how much is charged here.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal["run", "residual"]


class JobTimes(NamedTuple):
    """What a job's row says about its times.

    ``wall_s`` covers all runs, ``last_run_wall_s`` the last one; ``runs`` is the
    number of starts.
    """

    ended_s: int
    last_started_s: int | None
    wall_s: int
    last_run_wall_s: int | None
    runs: int


class Interval(NamedTuple):
    """Time in a slot, [start_s, end_s).

    A ``residual`` stands for several runs whose own times are not known.
    """

    start_s: int
    end_s: int
    kind: Kind = "run"
    runs: int = 1


def charge_intervals(
    job: JobTimes, known: Sequence[tuple[int, int]] = ()
) -> list[Interval]:
    """Return the intervals of *job*: a residual, then its runs, the last run last.

    *known* are the runs that have rows of their own, as (start, end).  The last run
    is taken from the job's own row where it is not among them; of a job that ran once
    that row tells as much.  No run goes on after the job's end.  Without a missing
    run, wall time that is left over lengthens the last run; with one it is a
    residual before the earliest known start.  If the runs are longer than the wall
    time, the last one is cut.

    A job that ran twice, 26 s of 41 s in the last run:

    >>> charge_intervals(JobTimes(1000, 974, 41, 26, 2))  # doctest: +ELLIPSIS
    [Interval(start_s=959, end_s=974, kind='residual', runs=1), Interval(start_s=974...
    """
    if job.runs <= 1 and [start for start, _ in known] == [job.last_started_s]:
        known = ()
    wall_s = max(job.wall_s, 0)
    if wall_s == 0 and job.runs <= 0 and not known:
        return []
    runs = [_clipped(start, end, job.ended_s) for start, end in sorted(known)]
    anchor = "end"
    if not _has_last_run(job, known):
        anchor, last = _last_run(job, wall_s)
        runs.append(last)
    left = wall_s - sum(_length(run) for run in runs)
    missing = max(job.runs, 1) - len(runs)
    if left < 0:
        _cut(runs, -left, anchor)
    if missing > 0:
        first = min(run.start_s for run in runs)
        residual = Interval(first - max(left, 0), first, "residual", missing)
        return [residual, *runs]
    if left > 0:
        runs[-1] = _lengthen(runs[-1], left, anchor, job.ended_s)
    return runs


def overlap_s(start_s: int, end_s: int, from_s: int, to_s: int) -> int:
    """Return how many seconds of [start_s, end_s) lie in [from_s, to_s).

    >>> overlap_s(0, 100, 40, 10**12), overlap_s(0, 10, 40, 50)
    (60, 0)
    """
    return max(0, min(end_s, to_s) - max(start_s, from_s))


def _length(interval: Interval) -> int:
    return interval.end_s - interval.start_s


def _clipped(start_s: int, end_s: int, ended_s: int) -> Interval:
    """Return a known run, cut off where its job ended."""
    return Interval(min(start_s, ended_s), min(max(start_s, end_s), ended_s))


def _has_last_run(job: JobTimes, known: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the run that the job's own row describes is among *known*."""
    if job.last_started_s is None:
        return bool(known) and len(known) >= job.runs
    return any(start >= job.last_started_s for start, _ in known)


def _last_run(job: JobTimes, wall_s: int) -> tuple[str, Interval]:
    """Return the last run by the job's own row, and which of its ends is fixed."""
    length = job.last_run_wall_s
    if length is None or length < 0:
        length = wall_s
    if job.last_started_s is not None:
        end = job.last_started_s + length
        if end <= job.ended_s:
            return "start", Interval(job.last_started_s, end)
    return "end", Interval(job.ended_s - length, job.ended_s)


def _cut(runs: list[Interval], excess: int, anchor: str) -> None:
    """Shorten the last run by *excess*; if it is too short, the ones before it too."""
    for index in reversed(range(len(runs))):
        run = runs[index]
        step = min(excess, _length(run))
        if anchor == "start":
            runs[index] = run._replace(end_s=run.end_s - step)
        else:
            runs[index] = run._replace(start_s=run.start_s + step)
        excess -= step
        if excess == 0:
            return


def _lengthen(run: Interval, left: int, anchor: str, ended_s: int) -> Interval:
    """Return *run* longer by *left*, at its free end and never past the job's end."""
    room = max(0, ended_s - run.end_s) if anchor == "start" else 0
    later = min(left, room)
    return run._replace(start_s=run.start_s - (left - later), end_s=run.end_s + later)
