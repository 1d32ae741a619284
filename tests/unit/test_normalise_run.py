"""One record of an epoch history becomes one run, exactly."""

import datetime as dt
from pathlib import Path

import pytest

from poolmeter.config import Config
from poolmeter.run_record import RunRecord
from probe.banner import parse_banner
from probe.history_file import open_history
from probe.job_ad import parse_ad
from probe.normalise.job import NotAJobError
from probe.normalise.run import NormalisedRun, normalise_run
from probe.run_reader import read_runs
from tests.ads import END_S, HOUR_S, SCHEDD, Value
from tests.pool.namespaces import REPOSITORY
from tests.runs import exited, run_ad, run_banner

POOL = REPOSITORY / "tests/data/pool-23.9.6/epoch_history"


def normalised_run(
    ad: str, banner: str = run_banner(8, 0, end_s=END_S)
) -> NormalisedRun:
    """Return what the probe makes of one ad and the line behind it."""
    return normalise_run(
        parse_ad(ad), banner=parse_banner(banner), schedd=SCHEDD, config=Config()
    )


def run_of(**edits: Value) -> RunRecord:
    """Return the run of two hours before END_S, with *edits* in its ad."""
    return normalised_run(run_ad(END_S - 2 * HOUR_S, END_S, **edits)).record


def pool_runs() -> dict[tuple[int, int, int], RunRecord]:
    """Return the runs of the bundled epoch history by job and number."""
    with open_history(Path(POOL)) as file:
        found = [
            outcome.result
            for outcome in read_runs(file.records(), schedd=SCHEDD, config=Config())
        ]
    runs = [result.record for result in found if isinstance(result, NormalisedRun)]
    assert len(runs) == len(found) == 9
    return {(run.cluster_id, run.proc_id, run.run): run for run in runs}


def test_the_two_runs_of_job_4_of_a_real_pool_are_15_and_26_seconds() -> None:
    runs = pool_runs()
    first, second = runs[4, 0, 0], runs[4, 0, 1]
    assert (first.wall_s, second.wall_s) == (15, 26)
    assert (first.ending, second.ending) == ("evicted", "exited")
    assert first.vacate_reason_code == 1004
    assert second.started_at == first.ended_at
    assert (first.remote_host, second.remote_host) == (
        "slot1_3@localhost",
        "slot1_1@localhost",
    )


def test_the_runs_of_a_real_pool_end_as_their_jobs_did() -> None:
    runs = pool_runs()
    assert (runs[3, 0, 0].exit_code, runs[3, 0, 0].exit_signal) == (3, None)
    assert (runs[10, 0, 0].exit_code, runs[10, 0, 0].exit_signal) == (None, 9)
    assert runs[5, 0, 0].ending == "evicted"
    assert runs[1, 0, 0].network_outgoing_external_sum_bytes == 3_000_000_000
    assert all(run.time_trust == "consistent" for run in runs.values())


def test_the_times_of_a_run_are_its_start_and_the_moment_of_writing() -> None:
    run = run_of(RemoteWallClockTime="99.0", EnteredCurrentStatus=1)
    assert run.wall_s == 2 * HOUR_S
    assert run.ended_at == dt.datetime.fromtimestamp(END_S, dt.UTC)
    assert run.started_at == run.ended_at - dt.timedelta(hours=2)


def test_the_moment_of_writing_is_the_last_line_and_not_the_owners() -> None:
    assert run_of(EpochWriteDate=1).wall_s == 2 * HOUR_S


def test_without_a_start_the_shadows_counts() -> None:
    assert run_of(JobCurrentStartDate=None).wall_s == 2 * HOUR_S


@pytest.mark.parametrize(
    ("edits", "ending"),
    [
        ({}, "evicted"),
        ({"VacateReasonCode": 1}, "held"),
        ({"VacateReasonCode": 0}, "evicted"),
        (exited(END_S), "exited"),
        ({**exited(END_S), "LastVacateTime": END_S - 2 * HOUR_S}, "exited"),
        ({**exited(END_S - 3 * HOUR_S), "LastVacateTime": END_S}, "evicted"),
        ({"LastVacateTime": None}, "lost"),
        (exited(END_S - 3 * HOUR_S), "lost"),
        ({"LastVacateTime": None, "ToE": '"x"'}, "lost"),
        ({"LastVacateTime": None, "ToE": "[ When = true ]"}, "lost"),
    ],
)
def test_how_a_run_ended(edits: dict[str, Value], ending: str) -> None:
    run = run_of(**edits)
    assert run.ending == ending
    assert (run.exit_code is not None) == (ending == "exited")
    assert (run.vacate_reason is not None) == (ending in ("evicted", "held"))


@pytest.mark.parametrize(
    ("edits", "name"),
    [
        ({"JobCurrentStartDate": END_S + 5}, "start_after_end"),
        ({"JobCurrentStartDate": 100_000}, "start_before_queueing"),
        ({"QDate": None}, "queued_at_missing"),
        ({"CpusProvisioned": 1}, "cpus_below_slot"),
        ({"MemoryProvisioned": 1}, "memory_below_request"),
        ({"RequestGPUs": 2}, "gpus_below_request"),
    ],
)
def test_what_cannot_be_true_of_a_run_is_named(
    edits: dict[str, Value], name: str
) -> None:
    run = run_of(**edits)
    assert (run.time_trust, run.contradictions) == ("contradicted", (name,))
    assert run.billable
    assert run.wall_s >= 0


def test_a_run_is_billed_whatever_its_universe() -> None:
    """A shadow wrote it: there was a slot."""
    assert all(run_of(JobUniverse=universe).billable for universe in (5, 7, 9, 12))


@pytest.mark.parametrize(
    "banner",
    [
        run_banner(9, 0, end_s=END_S),
        run_banner(8, 0, end_s=END_S, proc=1),
        "*** EPOCH ClusterId=8 ProcId=0\n",
        "*** EPOCH ClusterId=8 ProcId=0 RunInstanceId=-1\n",
        "*** EPOCH ClusterId=8 ProcId=0 RunInstanceId=99999999999\n",
    ],
)
def test_a_banner_of_another_run_or_of_none_is_refused(banner: str) -> None:
    with pytest.raises(NotAJobError, match="banner"):
        normalised_run(run_ad(END_S - 9, END_S), banner)


@pytest.mark.parametrize("missing", ["start", "end"])
def test_a_run_without_start_or_end_is_refused(missing: str) -> None:
    ad = run_ad(END_S - 9, END_S, ShadowBday=None)
    lines = ad.replace("EpochWriteDate" if missing == "end" else "JobCurrent", "X")
    with pytest.raises(NotAJobError, match="no "):
        normalised_run(lines)


def test_a_count_that_is_none_is_left_out_with_a_warning() -> None:
    found = normalised_run(run_ad(END_S - 9, END_S, NetworkOutgoingExternal='"x"'))
    assert found.record.network_outgoing_external_sum_bytes is None
    assert "NetworkOutgoingExternal" in found.warnings
