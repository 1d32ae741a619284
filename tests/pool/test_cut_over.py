"""The cut-over from the official probe, whose input is ``PER_JOB_HISTORY_DIR``.

docs/gratia.md says: take the knob away and reconfigure; what ended before has a file
there and is the official probe's, what ends after has none and is ours.
"""

from tests.pool.eventlog import JobId
from tests.pool.pool import Pool

FOLDER = "/pool/node1/per-job-history"
QUICK = "executable = /bin/true"


def test_from_a_reconfig_on_ended_jobs_get_no_file_of_their_own(pool: Pool) -> None:
    folder = pool.outside(FOLDER)
    pool.run(["install", "-d", "-o", "condor", FOLDER])

    def ended() -> JobId:
        job = pool.ap.submit_one(QUICK)
        pool.ap.await_end(job)
        return job

    with pool.configured(f"PER_JOB_HISTORY_DIR = {FOLDER}"):
        before = ended()
    after = ended()

    assert [path.name for path in folder.glob("history.*")] == [f"history.{before}"]
    assert pool.ap.record(before)["JobStatus"] == 4
    assert pool.ap.record(after)["JobStatus"] == 4
