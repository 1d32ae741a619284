"""The state of a ledger, as lines for people and as data for programs."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

from probe.run_reconciliation import RunReconciliation
from probe.status import DAYS, ScheddStatus, Status


def status_lines(status: Status) -> Iterator[str]:
    """Yield the lines that a person reads."""
    for schedd in status.schedds:
        yield from _schedd_lines(schedd)
    if not status.schedds:
        yield "no schedd has been read into this ledger"
    yield f"gaps: {len(status.gaps):,}"
    for gap in status.gaps[-3:]:
        yield f"  {gap.from_at:%Y-%m-%d %H:%M} to {gap.to_at:%Y-%m-%d %H:%M} UTC: {gap.reason}"  # noqa: E501
    yield f"set aside: {status.set_aside:,}"
    yield f"jobs that ended in the last {DAYS} days: {status.jobs:,}"
    yield f"  network: {_counts(status.network_trust)}"
    yield f"  times: {_counts(status.time_trust)}"
    if status.runs is None:
        yield "runs: none; no epoch history is read"
    else:
        yield from _run_lines(status.runs)


def as_data(status: Status) -> dict[str, Any]:
    """Return *status* as plain data, ready for JSON."""
    return {
        "schedds": [
            {
                "schedd": schedd.schedd,
                "last_run_at": schedd.last_run_at.isoformat(),
                "lag_s": schedd.lag_s,
                "sources": [dataclasses.asdict(lag) for lag in schedd.sources],
            }
            for schedd in status.schedds
        ],
        "gaps": [
            {
                "schedd": gap.schedd,
                "source": gap.source,
                "reason": gap.reason,
                "from_at": gap.from_at.isoformat(),
                "to_at": gap.to_at.isoformat(),
            }
            for gap in status.gaps
        ],
        "set_aside": status.set_aside,
        "days": DAYS,
        "jobs": status.jobs,
        "network_trust": dict(status.network_trust),
        "time_trust": dict(status.time_trust),
        "runs": None if status.runs is None else dataclasses.asdict(status.runs),
    }


def _schedd_lines(schedd: ScheddStatus) -> Iterator[str]:
    yield f"{schedd.schedd}: last run {schedd.last_run_at:%Y-%m-%d %H:%M:%S} UTC"
    for lag in schedd.sources:
        yield (
            f"  {lag.source}: {lag.files:,} files, {lag.unread_records:,} records "
            f"({lag.unread_bytes:,} bytes) unread"
        )
    if schedd.lag_s:
        yield f"  news may be {schedd.lag_s:,} s old"


def _run_lines(runs: RunReconciliation) -> Iterator[str]:
    yield (
        f"runs: {runs.jobs_with_all_runs:,} of {runs.jobs:,} jobs that ran have all "
        f"their runs; jobs' wall time less runs': {runs.difference_s:+,} s, "
        f"{runs.jobs_beyond_a_second:,} jobs beyond a second a run"
    )
    yield (
        f"  {runs.jobs_without_runs:,} jobs without runs, "
        f"{runs.jobs_with_missing_runs:,} with some missing, "
        f"{runs.runs_of_queued_jobs:,} runs of jobs that have not ended"
    )


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {count:,}" for n, count in sorted(counts.items())) or "none"
