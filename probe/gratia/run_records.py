"""One usage record a run instead of one a job, where all runs of the job are known.

The records of a job add up to the one that it would else have: wall time, CPU time and
bytes to the unit, and one job.  A pure function; where the runs do not fit the job's
row there is no way to cut it, and the job is reported as a whole.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from poolmeter.record import NETWORK_COLUMNS, JobRecord
from probe.gratia.reporting import Reporting
from probe.gratia.usage_record import UsageRecord, usage_record

#: A run's own two times may each be off by a second from what the schedd adds up.
SLACK_S_PER_RUN = 2
#: The records of a job go out together, in one request.
MOST_RUNS = 100
_EXITED = "exited"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as the ledger has it; *bytes* are its own, by the columns' order."""

    run: int
    started_at: dt.datetime
    ended_at: dt.datetime
    wall_s: int
    ending: str
    cpu_user_ms: int | None
    cpu_system_ms: int | None
    cpus_milli: int | None
    gpus: int | None
    bytes: tuple[int | None, ...]
    remote_host: str | None
    execute_site: str | None
    execute_pool: str | None
    exit_code: int | None
    exit_signal: int | None
    payload_user: str | None
    payload_subject: str | None
    payload_at: dt.datetime | None
    payload_trust: str | None


def usage_records(
    job: JobRecord, runs: Sequence[Run], reporting: Reporting
) -> list[UsageRecord]:
    """Return the records of *job*: one a run if *runs* are all it had, else one.

    Only the last run counts as a job (``Njobs``), and only it has what is known of the
    whole job alone, such as the peak of its memory.
    """
    parts = _parts(job, runs)
    if parts is None:
        return [usage_record(job, reporting)]
    last, _ = parts[-1]
    return [_record(part, run, reporting, is_last=run is last) for run, part in parts]


def _record(
    part: JobRecord, run: Run, reporting: Reporting, *, is_last: bool
) -> UsageRecord:
    record = usage_record(part, reporting)
    return dataclasses.replace(
        record,
        record_id=f"{record.record_id}#run{run.run}",
        resources=(*record.resources, ("RunInstanceId", str(run.run))),
        njobs=1 if is_last else 0,
    )


def _parts(job: JobRecord, runs: Sequence[Run]) -> list[tuple[Run, JobRecord]] | None:
    """Return each run with its part of *job*, ``None`` where they do not add up."""
    runs = sorted(runs, key=lambda run: run.run)
    expected = max(job.runs, job.shadow_starts or 0)
    if not 1 < len(runs) <= MOST_RUNS or [run.run for run in runs] != list(
        range(expected)
    ):
        return None
    walls_s = _walls_s(job, runs)
    users_ms = _cpu_ms(job, job.cpu_user_ms, [run.cpu_user_ms for run in runs], runs)
    systems_ms = _cpu_ms(
        job, job.cpu_system_ms, [run.cpu_system_ms for run in runs], runs
    )
    columns = [
        _counts(getattr(job, name), [run.bytes[place] for run in runs])
        for place, name in enumerate(NETWORK_COLUMNS)
    ]
    known = [column for column in columns if column is not None]
    if walls_s is None or users_ms is None or systems_ms is None or columns != known:
        return None
    cpus_ms = zip(users_ms, systems_ms, strict=True)
    counts = zip(*known, strict=True)
    rows = zip(runs, walls_s, cpus_ms, counts, strict=True)
    parts = [_part(job, *row) for row in rows]
    earlier = map(_earlier, parts[:-1], runs[:-1])
    return list(zip(runs, [*earlier, parts[-1]], strict=True))


def _walls_s(job: JobRecord, runs: Sequence[Run]) -> list[int] | None:
    """Return the wall times: the last one is what the job's own leaves for it."""
    if job.wall_s is None:
        return None
    earlier_s = [run.wall_s for run in runs[:-1]]
    last_s = job.wall_s - sum(earlier_s)
    slack_s = SLACK_S_PER_RUN * len(runs)
    if last_s < 0 or abs(last_s - runs[-1].wall_s) > slack_s:
        return None
    return [*earlier_s, last_s]


def _cpu_ms(
    job: JobRecord,
    total_ms: int | None,
    written_ms: Sequence[int | None],
    runs: Sequence[Run],
) -> list[int | None] | None:
    """Return the CPU times of the runs, which add up to *total_ms*.

    What the ad of an evicted run says is a lower bound: the job's sum over all runs
    less all that was written is what they used beyond it.  Of several evicted runs
    each gets its part by wall time.
    """
    if total_ms is None or job.cpu_scope != "all_runs":
        return _unknown(len(runs))
    bounds_ms = [time_ms for time_ms in written_ms if time_ms is not None]
    rest_ms = total_ms - sum(bounds_ms)
    if len(bounds_ms) < len(runs) or rest_ms < 0:
        return None
    evicted = [place for place, run in enumerate(runs) if run.ending != _EXITED]
    times_ms: list[int | None] = [*bounds_ms]
    places = evicted or [len(runs) - 1]
    shares_ms = _shared(rest_ms, [runs[place].wall_s for place in places])
    for place, share_ms in zip(places, shares_ms, strict=True):
        times_ms[place] = bounds_ms[place] + share_ms
    return times_ms


def _unknown(runs: int) -> list[int | None]:
    return [None for _ in range(runs)]


def _shared(total: int, weights: Sequence[int]) -> list[int]:
    """Return *total* in whole parts by *weights*; the last one takes what is left.

    >>> _shared(10, [1, 1, 1]), _shared(7, [0, 0])
    ([3, 3, 4], [0, 7])
    """
    weight = sum(weights)
    parts = [total * part // weight if weight else 0 for part in weights[:-1]]
    return [*parts, total - sum(parts)]


def _counts(total: int | None, own: Sequence[int | None]) -> list[int | None] | None:
    """Return each run's bytes, which add up to *total*; the last takes what is left.

    Unknown stays unknown: the run after it has counted for both.
    """
    if total is None:
        return None if any(count is not None for count in own) else _unknown(len(own))
    earlier = own[:-1]
    last = total - sum(count for count in earlier if count is not None)
    return None if last < 0 else [*earlier, last]


def _part(
    job: JobRecord,
    run: Run,
    wall_s: int,
    cpu_ms: tuple[int | None, int | None],
    counts: tuple[int | None, ...],
) -> JobRecord:
    """Return *job* as if *run* had been all of it."""
    columns: dict[str, Any] = dict(zip(NETWORK_COLUMNS, counts, strict=True))
    return dataclasses.replace(
        job,
        started_at=run.started_at,
        last_started_at=run.started_at,
        wall_s=wall_s,
        cpu_user_ms=cpu_ms[0],
        cpu_system_ms=cpu_ms[1],
        cpus_milli=run.cpus_milli,
        gpus=run.gpus,
        last_remote_host=run.remote_host or job.last_remote_host,
        execute_site=run.execute_site,
        execute_pool=run.execute_pool,
        payload_user=run.payload_user,
        payload_subject=run.payload_subject,
        payload_at=run.payload_at,
        payload_trust=run.payload_trust,
        **columns,
    )


def _earlier(part: JobRecord, run: Run) -> JobRecord:
    """Return the part of a run that was not the last: the job did not end with it."""
    return dataclasses.replace(
        part,
        ended_at=run.ended_at,
        committed_s=None,
        suspended_s=None,
        memory_peak_bytes=None,
        last_remote_host=run.remote_host,
        exit_code=run.exit_code,
        exit_signal=run.exit_signal,
    )
