"""The rules of the charge intervals, one by one."""

from reports.charge_intervals import Interval, JobTimes, charge_intervals


def test_one_run_lies_where_it_started() -> None:
    """Also when the job left the queue much later, from hold."""
    job = JobTimes(
        ended_s=9000, last_started_s=100, wall_s=50, last_run_wall_s=50, runs=1
    )

    assert charge_intervals(job) == [Interval(100, 150)]


def test_a_last_run_that_does_not_fit_ends_with_the_job() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=990, wall_s=50, last_run_wall_s=50, runs=1
    )

    assert charge_intervals(job) == [Interval(950, 1000)]


def test_without_the_last_runs_length_the_wall_time_stands_for_it() -> None:
    fits = JobTimes(1000, 900, 50, None, 1)
    does_not_fit = JobTimes(1000, 990, 50, None, 1)

    assert charge_intervals(fits) == [Interval(900, 950)]
    assert charge_intervals(does_not_fit) == [Interval(950, 1000)]


def test_without_a_start_the_last_run_ends_with_the_job() -> None:
    assert charge_intervals(JobTimes(1000, None, 50, 50, 1)) == [Interval(950, 1000)]


def test_missing_runs_are_one_residual_before_the_last_run() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=974, wall_s=41, last_run_wall_s=26, runs=4
    )

    assert charge_intervals(job) == [
        Interval(959, 974, "residual", 3),
        Interval(974, 1000),
    ]


def test_missing_runs_without_time_are_a_residual_of_length_zero() -> None:
    assert charge_intervals(JobTimes(1000, 974, 26, 26, 2)) == [
        Interval(974, 974, "residual", 1),
        Interval(974, 1000),
    ]


def test_a_start_without_wall_time_is_a_run() -> None:
    assert charge_intervals(JobTimes(1000, 900, 0, 0, 1)) == [Interval(900, 900)]


def test_a_job_that_never_started_has_no_interval() -> None:
    assert charge_intervals(JobTimes(1000, None, 0, None, 0)) == []


def test_wall_time_left_over_lengthens_the_only_run_towards_the_jobs_end() -> None:
    assert charge_intervals(JobTimes(1000, 900, 52, 50, 1)) == [Interval(900, 952)]


def test_wall_time_left_over_never_passes_the_jobs_end() -> None:
    assert charge_intervals(JobTimes(1000, 940, 90, 50, 1)) == [Interval(910, 1000)]


def test_a_run_longer_than_the_wall_time_is_cut_where_its_end_is_free() -> None:
    assert charge_intervals(JobTimes(1000, 900, 30, 50, 1)) == [Interval(900, 930)]


def test_an_absurd_last_run_does_not_move_the_job_into_the_past() -> None:
    assert charge_intervals(JobTimes(1000, 900, 30, 10**9, 1)) == [Interval(970, 1000)]


def test_known_runs_are_taken_as_they_are() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=900, wall_s=80, last_run_wall_s=50, runs=2
    )

    assert charge_intervals(job, [(900, 950), (100, 130)]) == [
        Interval(100, 130),
        Interval(900, 950),
    ]


def test_the_last_run_comes_from_the_job_when_its_row_is_missing() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=900, wall_s=80, last_run_wall_s=50, runs=2
    )

    assert charge_intervals(job, [(100, 130)]) == [
        Interval(100, 130),
        Interval(900, 950),
    ]


def test_a_known_last_run_is_lengthened_at_its_start() -> None:
    """Its end was written down when it ended."""
    job = JobTimes(
        ended_s=1000, last_started_s=900, wall_s=81, last_run_wall_s=50, runs=2
    )

    assert charge_intervals(job, [(100, 130), (900, 950)]) == [
        Interval(100, 130),
        Interval(899, 950),
    ]


def test_known_runs_beside_missing_ones_leave_a_residual_before_them_all() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=900, wall_s=95, last_run_wall_s=50, runs=4
    )

    assert charge_intervals(job, [(100, 130), (900, 950)]) == [
        Interval(85, 100, "residual", 2),
        Interval(100, 130),
        Interval(900, 950),
    ]


def test_an_excess_over_the_wall_time_is_cut_from_the_last_run_first() -> None:
    job = JobTimes(
        ended_s=1000, last_started_s=900, wall_s=20, last_run_wall_s=50, runs=2
    )

    intervals = charge_intervals(job, [(100, 130), (900, 950)])

    assert [i.end_s - i.start_s for i in intervals] == [20, 0]
