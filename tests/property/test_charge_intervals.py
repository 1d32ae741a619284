"""Charge intervals of any job, garbage included."""

import hypothesis.strategies as st
from hypothesis import given

from reports.charge_intervals import JobTimes, charge_intervals

_SECONDS = st.one_of(st.integers(0, 10**5), st.integers(0, 2**60))
_TIMES = st.one_of(
    st.integers(1_700_000_000, 1_800_000_000), st.integers(-(2**40), 2**40)
)

_JOBS = st.builds(
    JobTimes,
    ended_s=_TIMES,
    last_started_s=st.none() | _TIMES,
    wall_s=_SECONDS,
    last_run_wall_s=st.none() | _SECONDS | st.integers(-100, -1),
    runs=st.integers(0, 5) | st.integers(-3, 10**9),
)
_KNOWN = st.lists(st.tuples(_TIMES, _TIMES), max_size=4)


@given(job=_JOBS, known=_KNOWN)
def test_lengths_sum_to_the_wall_time_of_every_job(
    job: JobTimes, known: list[tuple[int, int]]
) -> None:
    intervals = charge_intervals(job, known)

    assert sum(i.end_s - i.start_s for i in intervals) == job.wall_s
    assert all(i.end_s >= i.start_s for i in intervals)


@given(job=_JOBS, known=_KNOWN)
def test_intervals_stand_for_every_run(
    job: JobTimes, known: list[tuple[int, int]]
) -> None:
    """Never for fewer than the job's starts: each pays its billing minimum."""
    intervals = charge_intervals(job, known)

    assert sum(i.runs for i in intervals) >= job.runs
    assert all(i.runs >= 1 for i in intervals)


@given(job=_JOBS)
def test_without_run_records_nothing_lies_after_the_jobs_end(job: JobTimes) -> None:
    intervals = charge_intervals(job)

    assert all(i.end_s <= job.ended_s for i in intervals)
    assert len(intervals) <= 2
