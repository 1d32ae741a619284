"""What one job adds to a month's periods, in Python and one job at a time.

The definition that the engine's expressions are held against: it loops over the
intervals of ``charge_intervals`` and knows nothing of their closed form.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_intervals import Interval, JobTimes, charge_intervals, overlap_s
from reports.price_periods import PricePeriod

_INT64_MAX = 2**63 - 1


@dataclasses.dataclass(slots=True)
class _Slice:
    """What one job's intervals add to one period.

    Each of ``parts`` is a range of the job's own wall seconds, counted through all
    its intervals from 0.
    """

    wall_s: int = 0
    billed_s: int = 0
    parts: list[tuple[int, int]] = dataclasses.field(default_factory=list)


def charges_of(
    job: Mapping[str, Any], periods: Sequence[PricePeriod]
) -> dict[int, dict[str, int | None]]:
    """Return the numbers that *job*, a row of the ledger, adds to each period."""
    ended_s = int(job["ended_at"].timestamp())
    wall_s = job["wall_s"] if (job["wall_s"] or 0) > 0 else 0
    intervals = _intervals(job, ended_s)
    slices = _slices_of(intervals, periods)
    end_s = intervals[-1].end_s if intervals else ended_s
    found = {}
    for index, period in enumerate(periods):
        is_job = period.start_s <= ended_s < period.end_s
        at_end = period.start_s <= end_s < period.end_s
        if not (index in slices or is_job or at_end):
            continue
        part = slices.get(index, _Slice())
        cpu_ms = _cpu_ms(job)
        core_ms = _share_of(job["core_ms"], wall_s, part, at_end=at_end)
        found[index] = {
            "jobs": int(is_job),
            "jobs_charged": int(bool(slices) and index == min(slices)),
            "jobs_network": int(at_end),
            "wall_s": part.wall_s,
            "billed_s": part.billed_s,
            "core_ms": core_ms,
            "cpu_ms": _share_of(cpu_ms, wall_s, part, at_end=at_end),
            "core_ms_with_cpu": None if cpu_ms is None else core_ms,
            "gpu_s": part.wall_s * max(job["gpus"] or 0, 0),
            **{name: job[name] if at_end else None for name in NETWORK_COLUMNS},
        }
    return found


def _intervals(job: Mapping[str, Any], ended_s: int) -> list[Interval]:
    if job["wall_s"] is None or job["wall_s"] < 0:
        return []
    started = job["last_started_at"]
    return charge_intervals(
        JobTimes(
            ended_s,
            None if started is None else int(started.timestamp()),
            job["wall_s"],
            job["last_run_wall_s"],
            job["runs"],
        )
    )


def _slices_of(
    intervals: Sequence[Interval], periods: Sequence[PricePeriod]
) -> dict[int, _Slice]:
    found: dict[int, _Slice] = {}
    before_s = 0
    for interval in intervals:
        start_s, end_s = interval.start_s, interval.end_s
        for index, period in enumerate(periods):
            wall_s = overlap_s(start_s, end_s, period.start_s, period.end_s)
            begins = period.start_s <= start_s < period.end_s
            if not wall_s and not begins:
                continue
            part = found.setdefault(index, _Slice())
            part.wall_s += wall_s
            part.billed_s += wall_s + (_top_up_s(interval, period) if begins else 0)
            from_s = before_s + max(0, period.start_s - start_s)
            part.parts.append((from_s, from_s + wall_s))
        before_s += end_s - start_s
    return found


def _top_up_s(interval: Interval, period: PricePeriod) -> int:
    if period.billing is None:
        return 0
    length_s = interval.end_s - interval.start_s
    return period.billing.billed_s(length_s, interval.runs) - length_s


def _share_of(
    total: int | None, wall_s: int, part: _Slice, *, at_end: bool
) -> int | None:
    if total is None:
        return None
    if wall_s == 0:
        return total if at_end else 0
    return sum(total * b // wall_s - total * a // wall_s for a, b in part.parts)


def _cpu_ms(job: Mapping[str, Any]) -> int | None:
    user, system = job["cpu_user_ms"], job["cpu_system_ms"]
    if user is None and system is None:
        return None
    return min((user or 0) + (system or 0), _INT64_MAX)
