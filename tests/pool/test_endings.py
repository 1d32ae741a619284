"""What the history says of each way in which a job can end, on a real schedd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.access_point import Ad
from tests.pool.eventlog import HELD, JobId
from tests.pool.pool import Pool

SLEEP = "executable = /usr/bin/sleep\narguments = {seconds}\n"
# Small enough that 150 jobs make several rotations; not smaller: two within a second
# get the same name, and the first one's records are gone.
CONFIG = "MAX_HISTORY_LOG = 160000\nMAX_HISTORY_ROTATIONS = 50\n"


@pytest.fixture(scope="module")
def busy(pool_files: Path) -> Iterator[Pool]:
    """A pool whose history rotates often."""
    assert pool_files.is_dir()
    with Pool(CONFIG) as running:
        yield running


def shell_job(script: str) -> str:
    """Return the submit description of a job that runs *script*."""
    return f"executable = /bin/sh\narguments = \"-c '{script}'\"\n"


def finished(pool: Pool, description: str) -> Ad:
    """Return the record of a job that ends by itself."""
    job = pool.ap.submit_one(description)
    pool.ap.await_end(job)
    return pool.ap.record(job)


def test_removed_idle(busy: Pool) -> None:
    job = busy.ap.submit_one(f"{SLEEP}requirements = TARGET.Absent =?= true")
    busy.ap.remove(job)
    busy.ap.await_end(job)
    record = busy.ap.record(job)
    assert (record["JobStatus"], record["RemoteWallClockTime"]) == (3, 0)
    assert "CompletionDate" not in record
    assert "JobStartDate" not in record


def test_removed_running(busy: Pool) -> None:
    job = busy.ap.submit_one(SLEEP.format(seconds=600))
    busy.ap.await_running(job)
    # The shadow's first update: from then on some time has passed.
    busy.ap.await_attribute(job, "ResidentSetSize_RAW")
    busy.ap.remove(job)
    busy.ap.await_end(job)
    record = busy.ap.record(job)
    assert record["JobStatus"] == 3
    assert record["RemoteWallClockTime"] > 0
    assert record["CommittedTime"] == 0


def test_removed_held(busy: Pool) -> None:
    job = busy.ap.submit_one(SLEEP.format(seconds=600))
    busy.ap.await_running(job)
    busy.ap.hold(job)
    busy.ap.remove(job)
    busy.ap.await_end(job)
    record = busy.ap.record(job)
    assert (record["JobStatus"], record["LastJobStatus"]) == (3, 5)


def test_evicted_and_rerun(busy: Pool) -> None:
    job = busy.ap.submit_one(SLEEP.format(seconds=4))
    busy.ap.await_running(job)
    busy.ap.vacate(job)
    busy.ap.await_end(job)
    record = busy.ap.record(job)
    assert (record["JobStatus"], record["NumShadowStarts"]) == (4, 2)
    assert record["RemoteWallClockTime"] >= record["LastRemoteWallClockTime"] >= 4
    assert (
        busy.ap.epoch_file.read_text().count(f"EPOCH ClusterId={job.cluster_id} ") == 2
    )


def test_failed_input_transfer(busy: Pool) -> None:
    transfer = "transfer_input_files = http://203.0.113.1/absent"
    job = busy.ap.submit_one(f"{SLEEP}{transfer}\nshould_transfer_files = YES")
    busy.ap.await_event(job, HELD)
    busy.ap.remove(job)
    busy.ap.await_end(job)
    record = busy.ap.record(job)
    assert record["JobStatus"] == 3
    assert "JobCurrentStartExecutingDate" not in record


def test_exit_by_signal(busy: Pool) -> None:
    record = finished(busy, shell_job("kill -SEGV $$"))
    assert (record["ExitBySignal"], record["ExitSignal"]) == (True, 11)


def test_several_cores(busy: Pool) -> None:
    record = finished(busy, f"{SLEEP.format(seconds=2)}request_cpus = 4")
    assert record["CpusProvisioned"] == 4
    assert record["CumulativeSlotTime"] == 4 * record["RemoteWallClockTime"] > 0


@pytest.mark.parametrize(("universe", "number"), [("scheduler", 7), ("local", 12)])
def test_universes_without_a_slot(busy: Pool, universe: str, number: int) -> None:
    record = finished(busy, f"universe = {universe}\n{SLEEP.format(seconds=2)}")
    assert (record["JobUniverse"], record["JobStatus"]) == (number, 4)
    assert record["RemoteWallClockTime"] >= 2
    assert "LastRemoteHost" not in record or "slot" not in record["LastRemoteHost"]


def test_late_materialisation(busy: Pool) -> None:
    text = f"{SLEEP.format(seconds=0)}max_materialize = 2\nqueue 6\n"
    jobs = busy.ap.submit(text)
    assert len(jobs) == 6
    busy.ap.await_end(*jobs)
    assert len(busy.ap.history(str(jobs[0].cluster_id))) == 6


def test_a_small_dag(busy: Pool) -> None:
    home = busy.outside("/pool/home/erin")
    (home / "node.sub").write_text("executable = /usr/bin/true\nqueue\n")
    nodes = "JOB A node.sub\nJOB B node.sub\nPARENT A CHILD B\n"
    (home / "small.dag").write_text(nodes)
    told = busy.ap.run(["condor_submit_dag", "small.dag"], user="erin")
    cluster = told.rpartition("cluster ")[2].split(".")[0]
    root = JobId(int(cluster), 0)
    busy.ap.await_end(root)
    assert busy.ap.record(root)["JobUniverse"] == 7
    children = busy.ap.history("-constraint", f"DAGManJobId == {cluster}")
    assert {ad["DAGNodeName"] for ad in children} == {"A", "B"}


def test_the_rotated_files_hold_what_condor_history_shows(busy: Pool) -> None:
    jobs = busy.ap.submit("executable = /usr/bin/true\nqueue 150\n", user="bob")
    busy.ap.await_end(*jobs, timeout_s=200)
    files = busy.ap.history_files()
    assert len(files) >= 3
    banners = sum(file.read_text().count("\n*** Offset") for file in files)
    assert banners == len(busy.ap.history()) >= 150
