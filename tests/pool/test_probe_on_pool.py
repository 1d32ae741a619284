"""The probe on a real pool: the history rotates while it reads jobs of every ending.

One pool and one run of all jobs (``endings``) for all these tests.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from poolmeter.ledger.scan import read_table
from poolmeter.ledger.tables import runs_schema
from probe.run_reconciliation import reconcile_runs
from reports.charge_intervals import JobTimes, charge_intervals
from tests.pool import rootfs
from tests.pool.endings import CONFIG, CPU_S, MACHINES, Endings, job_ids, submitted
from tests.pool.errors import PoolError
from tests.pool.eventlog import JobId
from tests.pool.pool import Pool
from tests.pool.probe_runs import Ledger, Row, id_of, kept, shown

Ads = dict[JobId, dict[str, Any]]


@dataclass(frozen=True)
class Told:
    """What one access point's ledger and its condor_history tell, and who was there."""

    ledger: Ledger
    rows: list[Row]
    ads: list[dict[str, Any]]
    submitted: set[JobId]


@dataclass(frozen=True)
class Outcome:
    """All of the run: jobs by the name of their ending, and what is told of them."""

    jobs: dict[str, list[JobId]]
    node: Told
    ce: Told
    per_job: Ledger
    with_runs: Ledger

    def rows(self, name: str) -> list[Row]:
        """Return the rows of the jobs with one ending."""
        told = self.ce if name == "routed" else self.node
        return [row for row in told.rows if id_of(row) in self.jobs[name]]

    def row(self, name: str) -> Row:
        """Return the row of the only job with this ending."""
        (row,) = self.rows(name)
        return row

    def ad(self, name: str) -> dict[str, Any]:
        """Return what condor_history shows of that job."""
        told = self.ce if name == "routed" else self.node
        (job,) = self.jobs[name]
        return next(ad for ad in told.ads if job_of(ad) == job)


def job_of(ad: dict[str, Any]) -> JobId:
    """Return which job an ad is of."""
    return JobId(ad["ClusterId"], ad["ProcId"])


@pytest.fixture(scope="session")
def outcome(pool_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All endings have come about, and the probe has run all the while."""
    assert pool_files.is_dir()
    folder = tmp_path_factory.mktemp("ledgers")
    with Pool(CONFIG, machines=MACHINES) as pool:
        node, ce = (
            Ledger(pool.access_point(name), f"{name}.campus.example", folder / name)
            for name in ("node1", "ce")
        )
        endings = Endings(pool, node.probe)
        try:
            endings.run()
        except PoolError:
            pool.save_logs(rootfs.CACHE / "failed-endings")
            raise
        node.probe()
        ce.probe()
        per_job, with_runs = (
            Ledger(pool.ap, node.schedd, folder / name) for name in ("files", "runs")
        )
        per_job.read("--per-job-dir", str(pool.ap.per_job_folder))
        with_runs.read(
            *("--history", str(pool.ap.history_file)),
            *("--epoch-history", str(pool.ap.epoch_file)),
        )
        return Outcome(endings.jobs, told(node), told(ce), per_job, with_runs)


def told(ledger: Ledger) -> Told:
    """Collect what can be known of one access point."""
    return Told(ledger, ledger.rows(), ledger.ap.history(), submitted(ledger.ap))


def cells(row: Row, **expected: object) -> Row:
    """Return those cells of *row* that are *expected*, to compare them."""
    return {name: row[name] for name in expected}


# All of them


def test_over_200_jobs_were_run(outcome: Outcome) -> None:
    assert len(outcome.node.submitted) >= 200


def test_the_history_rotated_while_the_probe_read_it(outcome: Outcome) -> None:
    runs = outcome.node.ledger.runs
    assert runs[-1].rotations >= 3
    fruitful = {run.rotations for run in runs if run.summary["records_read"]}
    assert len(fruitful) >= 3


def test_every_run_of_the_probe_ends_with_0_and_says_nothing(outcome: Outcome) -> None:
    for run in outcome.node.ledger.runs + outcome.ce.ledger.runs:
        assert (run.exit_code, run.messages) == (0, "")


@pytest.mark.parametrize("machine", ["node", "ce"])
def test_the_ledger_has_each_job_of_condor_history_once(
    outcome: Outcome, machine: str
) -> None:
    there: Told = getattr(outcome, machine)
    expected = job_ids((ad["ClusterId"], ad["ProcId"]) for ad in there.ads)
    every = job_ids((job.cluster_id, job.proc_id) for job in there.submitted)
    found = job_ids((row["cluster_id"], row["proc_id"]) for row in there.rows)
    assert every == expected == found


def test_each_record_was_read_once(outcome: Outcome) -> None:
    runs = outcome.node.ledger.runs
    read = sum(run.summary["records_read"] for run in runs)
    inserted = sum(run.summary["jobs_inserted"] for run in runs)
    assert len(outcome.node.ads) == read == inserted


def test_every_row_is_what_condor_history_shows(outcome: Outcome) -> None:
    ads = {job_of(ad): ad for ad in outcome.node.ads}
    for row in outcome.node.rows:
        assert shown(ads[id_of(row)]) == kept(row), str(id_of(row))


def test_no_job_contradicts_itself(outcome: Outcome) -> None:
    rows = outcome.node.rows + outcome.ce.rows
    odd = {str(id_of(row)): row["contradictions"] for row in rows}
    assert {job: names for job, names in odd.items() if names} == {}


def test_core_time_is_wall_time_in_the_slot_that_was_had(outcome: Outcome) -> None:
    """Also where a job took over the claim of a larger one."""
    for row in outcome.node.rows:
        if row["runs"] <= 1:
            expected = row["wall_s"] * row["cpus_milli"]
            assert abs(expected - row["core_ms"]) <= row["cpus_milli"], str(id_of(row))


# Other sources of the same jobs


def test_per_job_files_give_the_same_rows(outcome: Outcome) -> None:
    (run,) = outcome.per_job.runs
    assert (run.exit_code, run.messages) == (0, "")
    found, expected = outcome.per_job.rows(), outcome.node.rows
    assert len(found) == len(expected) >= 200
    assert sorted(found, key=id_of) == sorted(expected, key=id_of)


def test_the_jobs_and_their_runs_agree(outcome: Outcome) -> None:
    """A second a run: the schedd and the shadow each round to whole ones."""
    (run,) = outcome.with_runs.runs
    assert (run.exit_code, run.messages) == (0, "")
    assert run.summary["runs_inserted"] >= 190
    today = dt.datetime.now(dt.UTC).date()
    days = today - dt.timedelta(days=2), today + dt.timedelta(days=1)
    found = reconcile_runs(outcome.with_runs.path, *days)
    assert found is not None
    assert (found.jobs_with_missing_runs, found.runs_of_queued_jobs) == (0, 0)
    assert (found.jobs_beyond_a_second, found.jobs_with_all_runs > 0) == (0, True)


def runs_of(outcome: Outcome, name: str) -> list[Row]:
    """Return the runs of the only job with this ending, in their order."""
    found: list[Row] = read_table(
        outcome.with_runs.path, "runs", runs_schema()
    ).to_pylist()
    (job,) = outcome.jobs[name]
    return sorted((r for r in found if id_of(r) == job), key=lambda r: r["run"])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("evicted", "evicted"),
        # 23.9.6 writes the code 0 for a hold, and tells a lost starter by another.
        ("released", "evicted"),
        ("starter_killed", "evicted"),
        ("retried", "exited"),
    ],
)
def test_the_two_runs_of_a_job_end_as_they_did(
    outcome: Outcome, name: str, first: str
) -> None:
    endings = [row["ending"] for row in runs_of(outcome, name)]
    assert endings == [first, "exited"]


def test_the_charge_intervals_are_the_runs(outcome: Outcome) -> None:
    """Their lengths sum to the wall time; both runs are where they were."""
    for name in ("evicted", "released"):
        row, runs = outcome.row(name), runs_of(outcome, name)
        times = JobTimes(
            ended_s=int(row["ended_at"].timestamp()),
            last_started_s=int(row["last_started_at"].timestamp()),
            wall_s=row["wall_s"],
            last_run_wall_s=row["last_run_wall_s"],
            runs=row["runs"],
        )
        known = [
            (int(r["started_at"].timestamp()), int(r["ended_at"].timestamp()))
            for r in runs
        ]
        intervals = charge_intervals(times, known)
        assert sum(i.end_s - i.start_s for i in intervals) == row["wall_s"]
        for interval, (start_s, end_s) in zip(intervals, known, strict=True):
            assert abs(interval.start_s - start_s) <= 2
            assert abs(interval.end_s - end_s) <= 2


# One by one


def test_completed(outcome: Outcome) -> None:
    row = outcome.row("completed")
    expected = {
        "job_status": "completed",
        "billable": True,
        "unbilled_reason": None,
        "runs": 1,
        "exit_code": 0,
        "exit_signal": None,
        "removal_reason": None,
        "hold_reason": None,
        "universe": 5,
        "time_trust": "consistent",
        "network_trust": "missing",
        "network_missing_reason": "not_published",
    }
    assert expected == cells(row, **expected)


def test_an_exit_code_other_than_zero_is_billed_all_the_same(outcome: Outcome) -> None:
    expected = {"exit_code": 7, "exit_signal": None, "billable": True}
    assert expected == cells(outcome.row("exit_code"), **expected)


def test_a_death_by_signal_has_no_exit_code(outcome: Outcome) -> None:
    expected = {"exit_code": None, "exit_signal": 11, "job_status": "completed"}
    assert expected == cells(outcome.row("signal"), **expected)


def test_a_retried_job_is_one_row_with_the_last_runs_exit_code(
    outcome: Outcome,
) -> None:
    expected = {"runs": 2, "exit_code": 0, "job_status": "completed", "billable": True}
    assert expected == cells(outcome.row("retried"), **expected)


def test_a_multi_core_job_occupies_all_its_cores(outcome: Outcome) -> None:
    row = outcome.row("multi_core")
    expected = {"cpus_milli": 4000, "cpus_requested_milli": 4000}
    assert expected == cells(row, **expected)
    assert row["wall_s"] >= 2
    assert row["core_ms"] == row["wall_s"] * 4000


@pytest.mark.parametrize("name", ["removed_idle", "removed_never_released", "vm"])
def test_a_job_removed_before_it_ran_is_not_billed(outcome: Outcome, name: str) -> None:
    expected = {
        "job_status": "removed",
        "billable": False,
        "unbilled_reason": "never_started",
        "wall_s": 0,
        "runs": 0,
        "started_at": None,
        "exit_code": None,
        "network_missing_reason": "not_run",
    }
    row = outcome.row(name)
    assert expected == cells(row, **expected)
    assert row["removal_reason"].startswith("via condor_rm")


def test_a_job_removed_from_hold_says_why_it_was_held(outcome: Outcome) -> None:
    """The hold at submission is one that nobody ordered later (code 15)."""
    for name, code in (("removed_never_released", 15), ("removed_held", 1)):
        expected = {"holds": 1, "hold_reason_code": code}
        assert expected == cells(outcome.row(name), **expected)


@pytest.mark.parametrize("name", ["removed_running", "removed_held"])
def test_a_job_removed_after_it_ran_is_billed_for_its_run(
    outcome: Outcome, name: str
) -> None:
    row = outcome.row(name)
    expected = {"job_status": "removed", "billable": True, "runs": 1, "exit_code": None}
    assert expected == cells(row, **expected)
    assert row["exit_signal"] == 15
    assert row["wall_s"] == row["last_run_wall_s"] >= 1
    assert row["committed_s"] == 0
    assert row["ended_at"] >= row["last_started_at"]


def test_a_removal_by_policy_says_which(outcome: Outcome) -> None:
    row = outcome.row("removed_by_policy")
    assert row["job_status"] == "removed"
    assert "PeriodicRemove" in row["removal_reason"]


def test_an_evicted_job_has_wall_and_cpu_time_of_both_runs(outcome: Outcome) -> None:
    row, ad = outcome.row("evicted"), outcome.ad("evicted")
    expected = {
        "runs": 2,
        "exit_code": 0,
        "exit_signal": None,
        "cpu_scope": "all_runs",
        "job_status": "completed",
    }
    assert expected == cells(row, **expected)
    assert row["wall_s"] >= row["last_run_wall_s"] + CPU_S
    assert row["committed_s"] == row["last_run_wall_s"]
    last_run_ms = round((ad["RemoteUserCpu"] + ad["RemoteSysCpu"]) * 1000)
    # Of each run HTCondor keeps user and system time, each cut to whole seconds.
    assert row["cpu_user_ms"] + row["cpu_system_ms"] >= last_run_ms + 1000


def test_a_job_whose_starter_died_is_billed_for_both_runs(outcome: Outcome) -> None:
    row = outcome.row("starter_killed")
    expected = {"runs": 2, "shadow_starts": 2, "exit_code": 0, "billable": True}
    assert expected == cells(row, **expected)
    assert row["wall_s"] >= row["last_run_wall_s"] + CPU_S


def test_a_released_job_keeps_the_reason_of_its_hold(outcome: Outcome) -> None:
    row = outcome.row("released")
    expected = {"runs": 2, "holds": 1, "hold_reason_code": 1, "exit_code": 0}
    assert expected == cells(row, **expected)
    assert row["hold_reason"].startswith("via condor_hold")
    assert row["wall_s"] >= row["last_run_wall_s"] + CPU_S


def test_a_suspension_is_in_the_wall_time_and_told_apart(outcome: Outcome) -> None:
    row, ad = outcome.row("suspended"), outcome.ad("suspended")
    assert row["suspended_s"] == ad["CumulativeSuspensionTime"] > 0
    assert row["runs"] == 1
    # Each of the times is a difference of whole seconds.
    assert row["wall_s"] >= row["suspended_s"] + CPU_S - 1


def test_a_failing_input_transfer_is_billed_for_the_slot_that_it_held(
    outcome: Outcome,
) -> None:
    """NumJobStarts is 0, for nothing was ever executed."""
    row, ad = outcome.row("transfer_failed"), outcome.ad("transfer_failed")
    assert ad["NumJobStarts"] == 0
    expected = {
        "runs": 1,
        "shadow_starts": 1,
        "billable": True,
        "job_status": "removed",
        "hold_reason_code": 13,
        "exit_code": None,
    }
    assert expected == cells(row, **expected)
    assert "Transfer input files failure" in row["hold_reason"]
    assert row["wall_s"] >= 4


@pytest.mark.parametrize(("name", "universe"), [("scheduler", 7), ("local", 12)])
def test_what_runs_on_the_access_point_is_not_billed(
    outcome: Outcome, name: str, universe: int
) -> None:
    row = outcome.row(name)
    expected = {
        "universe": universe,
        "billable": False,
        "unbilled_reason": f"{name}_universe",
        "last_remote_host": None,
        "exit_code": 0,
        "runs": 1,
    }
    assert expected == cells(row, **expected)
    assert row["wall_s"] >= 2


def test_a_vm_job_has_its_universe(outcome: Outcome) -> None:
    """No startd of the pool has a hypervisor: it is removed idle."""
    assert outcome.row("vm")["universe"] == 13


def test_late_materialised_jobs_are_jobs_like_any(outcome: Outcome) -> None:
    codes = [row["exit_code"] for row in outcome.rows("max_materialize")]
    assert sorted(codes) == [0, 1, 2, 3, 4, 5]
    assert len(outcome.rows("max_idle")) == 5
    # All are queued when their cluster was, however late they came into being.
    rows = outcome.rows("bulk")
    assert len({row["queued_at"] for row in rows}) == 1
    assert len({row["global_job_id"].rpartition("#")[2] for row in rows}) > 1


def test_a_dag_is_its_nodes_and_a_dagman_that_is_not_billed(outcome: Outcome) -> None:
    dagman = outcome.row("dag")
    expected = {"universe": 7, "billable": False, "dag_job_id": None}
    assert expected == cells(dagman, **expected)
    nodes = [
        row for row in outcome.node.rows if row["dag_job_id"] == dagman["cluster_id"]
    ]
    assert [(row["owner"], row["billable"], row["exit_code"]) for row in nodes] == [
        ("dave", True, 0)
    ] * 3


def test_of_a_routed_pair_the_copy_is_billed_and_the_source_is_not(
    outcome: Outcome,
) -> None:
    source = outcome.row("routed")
    expected = {"billable": False, "unbilled_reason": "routed_source", "universe": 5}
    assert expected == cells(source, **expected)
    (copy,) = (row for row in outcome.node.rows if row["routed_from"])
    assert copy["routed_from"] == str(id_of(source))
    assert source["routed_to"] == str(id_of(copy))
    assert copy["billable"]
    assert copy["wall_s"] == source["wall_s"] >= 6
    assert copy["owner"] == source["owner"] == "alice"


def test_a_routed_source_ends_when_its_copy_does(outcome: Outcome) -> None:
    """The router completes it, and leaves EnteredCurrentStatus at its start."""
    source, ad = outcome.row("routed"), outcome.ad("routed")
    assert ad["EnteredCurrentStatus"] < ad["CompletionDate"]
    (copy,) = (row for row in outcome.node.rows if row["routed_from"])
    assert abs(source["ended_at"] - copy["ended_at"]) <= dt.timedelta(seconds=1)


def test_chirped_counts_are_exact_and_the_rest_is_unknown(outcome: Outcome) -> None:
    expected = {
        "network_outgoing_external_bytes": 3_000_000_001,
        "network_incoming_external_bytes": 20,
        "network_outgoing_internal_bytes": 0,
        "network_incoming_internal_bytes": None,
        "network_outgoing_local_bytes": None,
        "network_incoming_local_bytes": 4,
        "network_trust": "unsigned",
        "network_missing_reason": None,
        "payload_user": "payload1",
        "payload_trust": "owner",
    }
    assert expected == cells(outcome.row("chirped"), **expected)
