"""What an owner can edit on a held job, and the name that each edit gets.

Tried on 23.9.6: ``condor_qedit`` of these succeeds for the owner of the job.
"""

import datetime as dt

import pytest

from poolmeter.config import Config
from poolmeter.record import JobRecord
from probe.history_file import RawRecord
from probe.normalise.job import Normalised
from probe.normalise.times import Surroundings
from probe.reader import read
from tests.ads import (
    DAY_S,
    END_S,
    HOUR_S,
    NOW,
    REMOVAL,
    SCHEDD,
    Value,
    completed,
    normalised,
    record_of,
    removed,
    restarted,
)

#: What sites recommend: twice what was used, 2 GiB before anything was.
GROWING = "ifThenElse(MemoryUsage isnt undefined, MemoryUsage * 2000, 2048)"

EDITS: list[tuple[str, str, dict[str, Value]]] = [
    ("completed", "wall_time_below_last_run", {"RemoteWallClockTime": 0}),
    ("completed", "wall_time_below_committed_time", {"RemoteWallClockTime": 60}),
    ("completed", "wall_time_below_cpu_time", {"RemoteWallClockTime": 6000}),
    ("completed", "wall_time_exceeds_life", {"RemoteWallClockTime": 9000}),
    ("completed", "wall_time_unreadable", {"RemoteWallClockTime": None}),
    ("completed", "wall_time_unreadable", {"RemoteWallClockTime": '"x"'}),
    ("completed", "wall_time_unreadable", {"RemoteWallClockTime": -5}),
    ("completed", "wall_time_unreadable", {"RemoteWallClockTime": 10**12}),
    ("completed", "slot_time_differs_from_wall_time", {"CumulativeSlotTime": 1}),
    ("completed", "slot_time_differs_from_wall_time", {"CumulativeSlotTime": 30000}),
    ("restarted", "slot_time_differs_from_wall_time", {"CumulativeSlotTime": 1}),
    ("restarted", "slot_time_differs_from_wall_time", {"CumulativeSlotTime": 10**6}),
    ("restarted", "slot_time_differs_from_wall_time", {"RemoteWallClockTime": 20000}),
    ("restarted", "wall_time_below_last_run", {"RemoteWallClockTime": 3600}),
    ("completed", "queued_at_differs_from_global_job_id", {"QDate": 100_000}),
    ("completed", "queued_at_differs_from_global_job_id", {"QDate": END_S + DAY_S}),
    ("completed", "queued_at_differs_from_global_job_id", {"QDate": None}),
    ("completed", "queued_at_missing", {"QDate": 0}),
    ("completed", "completion_date_outside_last_run", {"CompletionDate": 100_000}),
    ("completed", "completion_date_outside_last_run", {"CompletionDate": None}),
    ("completed", "completion_date_outside_last_run", {"CompletionDate": 10**11}),
    ("completed", "last_run_does_not_end_with_job", {"CompletionDate": END_S - HOUR_S}),
    ("completed", "slot_in_slotless_universe", {"JobUniverse": 7}),
    ("completed", "slot_in_slotless_universe", {"JobUniverse": 9}),
    ("completed", "slot_in_slotless_universe", {"JobUniverse": 12}),
    ("completed", "slot_in_slotless_universe", {"RoutedToJobId": '"1.0"'}),
    ("completed", "cpus_below_slot", {"CpusProvisioned": 1}),
    ("completed", "cpus_below_slot", {"CpusProvisioned": 0}),
    ("completed", "cpus_above_slot", {"CpusProvisioned": 5}),
    ("completed", "memory_below_request", {"MemoryProvisioned": 1}),
    (
        "completed",
        "memory_below_request",
        {"MemoryProvisioned": 1, "RequestMemory": GROWING},
    ),
    ("completed", "memory_of_slot_missing", {"MemoryProvisioned": "undefined"}),
    ("completed", "starts_exceed_shadow_starts", {"NumJobStarts": 9}),
    ("restarted", "starts_exceed_shadow_starts", {"NumJobStarts": 4}),
    ("completed", "start_not_counted", {"NumJobStarts": 0}),
    ("restarted", "start_not_counted", {"NumJobStarts": None}),
    ("completed", "only_run_differs_from_wall_time", {"LastRemoteWallClockTime": 9}),
    ("removed", "only_run_differs_from_wall_time", {"LastRemoteWallClockTime": 9}),
    ("restarted", "last_run_does_not_end_with_job", {"LastRemoteWallClockTime": 9}),
    (
        "restarted",
        "last_run_does_not_end_with_job",
        {**REMOVAL, "LastVacateTime": END_S, "LastRemoteWallClockTime": 9},
    ),
    ("completed", "gpus_below_request", {"RequestGPUs": 1, "GPUsProvisioned": 0}),
    ("completed", "last_start_missing", {"JobCurrentStartDate": None}),
    ("removed", "completion_date_of_removed_job", {"CompletionDate": END_S - 60}),
    (
        "completed",
        "queued_at_differs_from_global_job_id",
        {"GlobalJobId": '"ap.example.org#8.0#100000000"'},
    ),
    ("completed", "end_outside_neighbours", {"EnteredCurrentStatus": 100_000}),
    ("removed", "end_outside_neighbours", {"EnteredCurrentStatus": 100_000}),
    ("removed", "wall_time_exceeds_life", {"EnteredCurrentStatus": END_S - HOUR_S}),
    ("completed", "start_after_end", {"JobCurrentStartDate": END_S + 40 * DAY_S}),
    ("completed", "first_start_after_last", {"JobStartDate": END_S - HOUR_S}),
]

ADS = {"completed": completed, "removed": removed, "restarted": restarted}


@pytest.mark.parametrize(
    ("base", "name", "edits"),
    EDITS,
    ids=[f"{base} {edits}: {name}" for base, name, edits in EDITS],
)
def test_an_edit_has_a_name_and_the_job_its_price(
    base: str, name: str, edits: dict[str, Value]
) -> None:
    around = Surroundings(earliest_s=END_S - 600, latest_s=END_S + 600)
    record = normalised(ADS[base](**edits), around=around).record
    assert name in record.contradictions
    expected = ("contradicted", True, "2025-11")
    month = record.ended_at.strftime("%Y-%m")
    assert expected == (record.time_trust, record.billable, month)


@pytest.mark.parametrize("value", [None, '"x"', -5])
def test_a_job_without_a_readable_wall_time_is_held_to_its_last_run(
    value: Value,
) -> None:
    honest = record_of(completed())
    assert record_of(completed(RemoteWallClockTime=value)).wall_s == honest.wall_s


def test_a_completed_job_that_was_removed_from_the_queue_has_its_completion() -> None:
    ad = removed(CompletionDate=END_S - 60, LastJobStatus=4)
    assert "completion_date_of_removed_job" not in record_of(ad).contradictions


def test_starts_that_failing_transfers_leave_are_consistent() -> None:
    """Such a run has a shadow and no start; old versions count no shadows."""
    for ad in (
        restarted(NumJobStarts=1, NumShadowStarts=3),
        restarted(NumJobStarts=2, NumShadowStarts=3),
        completed(NumJobStarts=0, JobCurrentStartExecutingDate=None),
        completed(NumShadowStarts=None),
        restarted(NumShadowStarts=None),
    ):
        assert record_of(ad).contradictions == ()


@pytest.mark.parametrize("vacated_s", [END_S - 2 * HOUR_S, END_S - 900, END_S])
def test_a_run_that_took_its_time_to_go_is_consistent(vacated_s: int) -> None:
    """The first is of the run before, which was evicted in the same second."""
    ad = removed(LastVacateTime=vacated_s)
    assert record_of(ad).contradictions == ()


@pytest.mark.parametrize(
    "wanted", ["MemoryUsage * 2000", GROWING, "ifThenElse(NumJobStarts is 0, 1, 9000)"]
)
def test_a_request_that_grew_with_the_job_is_consistent(wanted: str) -> None:
    record = record_of(completed(RequestMemory=wanted))
    assert record.contradictions == ()
    assert (record.memory_requested_bytes or 0) > (record.memory_provisioned_bytes or 0)


def test_an_honest_ad_is_consistent() -> None:
    for ad in (completed(), removed(), restarted()):
        record = record_of(ad)
        assert (record.time_trust, record.contradictions) == ("consistent", ())


@pytest.mark.parametrize("value", ['"renamed"', '"ap#8.0"', '""', None, "7"])
def test_a_global_job_id_without_a_time_is_silent(value: Value) -> None:
    assert record_of(completed(GlobalJobId=value)).contradictions == ()


def test_both_orders_of_a_global_job_id_hold_the_time_of_submission() -> None:
    old = f'"ap.example.org#{END_S - 3 * HOUR_S}#8.0"'
    assert record_of(completed(GlobalJobId=old)).contradictions == ()
    assert record_of(completed(GlobalJobId='"ap#1000000000#8.0"')).contradictions


def test_cpus_are_never_none_where_the_slot_says_how_many() -> None:
    for value in (0, None, "undefined", '"x"', -4):
        assert record_of(completed(CpusProvisioned=value)).cpus_milli == 4000


@pytest.mark.parametrize("universe", [7, 9, 12])
def test_no_universe_makes_a_job_with_a_slot_free(universe: int) -> None:
    assert record_of(completed(JobUniverse=universe)).billable


@pytest.mark.parametrize("weight", [1, 4])
def test_runs_in_slots_of_other_sizes_before_are_no_contradiction(weight: int) -> None:
    """Only the last slot's weight is known: 4 h before it at one cpu or at four."""
    slot_time = 2 * HOUR_S * 4 + 4 * HOUR_S * weight
    assert record_of(restarted(CumulativeSlotTime=slot_time)).contradictions == ()


def test_slot_time_that_nobody_keeps_is_no_contradiction() -> None:
    record = record_of(completed(CumulativeSlotTime=0))
    assert (record.contradictions, record.core_ms) == ((), 28_800_000)


def test_a_job_held_for_days_before_its_removal_is_consistent() -> None:
    ad = removed(EnteredCurrentStatus=END_S + 9 * DAY_S)
    record = record_of(ad)
    assert (record.contradictions, record.ended_at.day) == ((), 19)


def test_a_reconnected_shadow_counts_its_own_life_only() -> None:
    ad = restarted(NumJobReconnects=1, LastRemoteWallClockTime=60)
    assert record_of(ad).contradictions == ()


def records_in_file(*ads: str) -> list[JobRecord]:
    """Return the records of *ads*, which stand in one file in this order."""
    found = read(
        [RawRecord(0, 0, ad.encode(), b"") for ad in ads],
        schedd=SCHEDD,
        config=Config(),
        earliest_s=None,
        now_s=int(NOW.timestamp()),
    )
    results = [outcome.result for outcome in found]
    return [result.record for result in results if isinstance(result, Normalised)]


def ended(end_s: int) -> str:
    """Return the ad of a job removed at *end_s*, that never ran."""
    return (
        f"ClusterId = {end_s}\nProcId = 0\nJobStatus = 3\nQDate = {end_s - 9}\n"
        f"EnteredCurrentStatus = {end_s}\n"
    )


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("edited_s", [1, 100_000, END_S - 90 * DAY_S, 2 * END_S])
def test_an_edited_end_moves_no_other_job(place: int, edited_s: int) -> None:
    """Also not the first of a file, and not in a pool where a job ends once a week."""
    for step_s in (600, 7 * DAY_S):
        ends = [END_S - (6 - n) * step_s for n in range(7)]
        ads = [ended(end_s) for end_s in ends]
        edit = f"EnteredCurrentStatus = {edited_s}\n"
        honest = records_in_file(*ads)
        found = records_in_file(*ads[:place], ads[place] + edit, *ads[place + 1 :])
        del honest[place], found[place]
        assert honest == found


def test_an_end_out_of_order_becomes_one_that_the_file_vouches_for() -> None:
    ends = [END_S, END_S + 60, END_S + 120, END_S + 180]
    early, late = (
        records_in_file(
            ended(ends[0]),
            ended(ends[1]) + f"EnteredCurrentStatus = {edit}\n",
            *map(ended, ends[2:]),
        )[1]
        for edit in (END_S - 40 * DAY_S, END_S + 40 * DAY_S)
    )
    for record in (early, late):
        off = abs(record.ended_at.timestamp() - ends[1])
        assert off <= DAY_S + 120
        assert "end_outside_neighbours" in record.contradictions


def test_an_end_a_little_too_late_is_kept_and_named() -> None:
    """What follows in the file may be more at the next reading; the day stays."""
    late_s = END_S + 10 * DAY_S
    record = records_in_file(
        ended(END_S),
        ended(END_S + 60) + f"EnteredCurrentStatus = {late_s}\n",
        *map(ended, (END_S + 120, END_S + 180)),
    )[1]
    assert record.ended_at.timestamp() == late_s
    assert "end_outside_neighbours" in record.contradictions


def test_ends_do_not_creep_back_from_record_to_record() -> None:
    """Each is held against the latest end before it, not against the last one."""
    ends = [END_S, END_S - 20 * HOUR_S, END_S - 40 * HOUR_S, END_S, END_S]
    found = records_in_file(*map(ended, ends))
    expected = [False, False, True, False, False]
    assert expected == ["end_outside_neighbours" in r.contradictions for r in found]


def test_a_job_that_lingers_in_the_queue_ended_long_before_its_neighbours() -> None:
    lingering = ended(END_S - 9 * DAY_S) + "LeaveJobInQueue = JobStatus == 4\n"
    found = records_in_file(ended(END_S), lingering, ended(END_S + 5), ended(END_S + 6))
    assert [record.contradictions for record in found] == [()] * 4
    assert found[1].ended_at.timestamp() == END_S - 9 * DAY_S


def test_the_banners_current_time_vouches_for_the_end() -> None:
    """Only new versions write it; no owner can reach it."""
    around = Surroundings(written_s=END_S)
    ad = removed(EnteredCurrentStatus=END_S - 90 * DAY_S, JobStartDate=None)
    record = normalised(ad, around=around).record
    assert record.ended_at >= dt.datetime(2025, 11, 9, tzinfo=dt.UTC)
    assert "end_outside_neighbours" in record.contradictions
