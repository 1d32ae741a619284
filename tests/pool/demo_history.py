"""Make the demo's history: a real pool runs the jobs, ``stretch`` makes it months.

    python -m tests.pool.demo_history OUTDIR [--jobs N]

OUTDIR gets ``history``, its rotations and ``epoch_history``, and in ``raw/`` the files
as HTCondor wrote them, before the rule of ``stretch`` was applied.
"""

import argparse
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.pool import stretch
from tests.pool.condor_config import Machine
from tests.pool.demo_jobs import Batch, batches
from tests.pool.errors import PoolError
from tests.pool.eventlog import ENDINGS, HELD, RELEASED, SUBMIT, JobId
from tests.pool.pool import Pool
from tests.pool.watch import await_change

log = logging.getLogger(__name__)

# So many may be on their way at once: more would wait, and a wait is stretched too.
UNFINISHED = 60
# At least two rotations, whatever the number of jobs.
ROTATIONS = 4
RECORD_OCTETS = 4200
CONFIG = """\
CHIRP_DELAYED_UPDATE_PREFIX = Network* Poolmeter* glexec_*
MAX_HISTORY_LOG = {max_history_octets}
MAX_HISTORY_ROTATIONS = 100
PER_JOB_HISTORY_DIR =
# Each of the demo's many submitters gets its share in every cycle.
SCHEDD_INTERVAL = 1
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
"""
MACHINES = (
    Machine("ap1", 2, ("CentralManager", "Submit")),
    Machine("node1", 3, ("Execute",), "NUM_CPUS = 64\nMEMORY = 262144"),
    Machine("node2", 4, ("Execute",), "NUM_CPUS = 48\nMEMORY = 196608"),
    Machine(
        "gpu1",
        5,
        ("Execute",),
        "NUM_CPUS = 16\nMEMORY = 131072\n"
        "MACHINE_RESOURCE_GPUs = CUDA0, CUDA1, CUDA2, CUDA3\n"
        "START = TARGET.RequestGPUs > 0",
    ),
)


class Director:
    """Submits batches to a *pool* and lets each meet its fate."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ap = pool.ap
        self._orders = pool.outside("/pool/orders")
        self._orders.mkdir()
        self._orders.chmod(0o777)
        self._fates: dict[str, Callable[[Batch], None]] = {
            "run": self._run,
            "remove_running": self._remove_running,
            "remove_held": self._remove_held,
            "remove_idle": self._remove_idle,
            "evict": self._evict,
            "hold_and_release": self._hold_and_release,
            "fail_transfer": self._fail_transfer,
            "dag": self._dag,
        }

    def direct(self, batch: Batch) -> None:
        """Submit *batch* and do to it what its fate says."""
        for name, text in batch.orders.items():
            (self._orders / name).write_text(text)
        self._fates[batch.fate](batch)

    def await_few_unfinished(self, limit: int) -> None:
        """Wait until at most *limit* jobs are in the queue."""
        events = self._ap.events
        while True:
            seen = events.events()
            done = sum(event.number in ENDINGS for event in seen)
            submitted = sum(event.number == SUBMIT for event in seen)
            if submitted - done <= limit:
                return
            events.await_count(
                lambda event: event.number in ENDINGS, done + 1, timeout_s=300
            )

    def await_recorded(self) -> None:
        """Wait until all jobs that were ever submitted are in the history."""
        seen = self._ap.events.events()
        jobs = {event.job for event in seen if event.number == SUBMIT}
        self._ap.await_end(*jobs, timeout_s=300)

    def _run(self, batch: Batch) -> None:
        self._submit(batch)

    def _submit(self, batch: Batch) -> list[JobId]:
        return self._ap.submit(batch.description, user=batch.user)

    def _submit_and_await_midway(self, batch: Batch) -> list[JobId]:
        """Return the jobs once each has run a while and told a part of its counts."""
        jobs = self._submit(batch)
        marks = [self._orders / f"{name}.midway" for name in batch.orders]

        def look() -> bool | None:
            return all(mark.exists() for mark in marks) or None

        await_change(self._orders, look, timeout_s=300, what=f"midway of {jobs}")
        return jobs

    def _remove_running(self, batch: Batch) -> None:
        jobs = self._submit_and_await_midway(batch)
        self._ap.remove(*jobs)

    def _remove_held(self, batch: Batch) -> None:
        jobs = self._submit_and_await_midway(batch)
        self._ap.hold(*jobs)
        self._ap.remove(*jobs)

    def _remove_idle(self, batch: Batch) -> None:
        self._ap.remove(*self._submit(batch))

    def _evict(self, batch: Batch) -> None:
        jobs = self._submit_and_await_midway(batch)
        self._ap.vacate(*jobs)

    def _hold_and_release(self, batch: Batch) -> None:
        jobs = self._submit_and_await_midway(batch)
        self._ap.hold(*jobs)
        self._ap.release(*jobs)
        for job in jobs:
            self._ap.await_event(job, RELEASED)

    def _fail_transfer(self, batch: Batch) -> None:
        jobs = self._submit(batch)
        for job in jobs:
            self._ap.await_event(job, HELD, timeout_s=300)
        self._ap.remove(*jobs)

    def _dag(self, batch: Batch) -> None:
        home = self._pool.outside(f"/pool/home/{batch.user}")
        for name, text in batch.files.items():
            (home / name).write_text(text)
        told = self._ap.run(
            ["condor_submit_dag", f"{batch.description}.dag"], user=batch.user
        )
        cluster = told.rpartition("cluster ")[2].split(".")[0]
        # Its nodes come later: with it the count of the submitted is whole.
        self._ap.await_end(JobId(int(cluster), 0), timeout_s=300)


def run_jobs(jobs: int, raw: Path, max_history_octets: int) -> None:
    """Run about *jobs* jobs in a pool and copy its histories to *raw*."""
    config = CONFIG.format(max_history_octets=max_history_octets)
    with Pool(config, machines=MACHINES) as pool:
        director = Director(pool)
        made = 0
        try:
            for batch in batches(jobs):
                director.direct(batch)
                made += batch.jobs
                log.info("%d jobs submitted (%s)", made, batch.fate)
                director.await_few_unfinished(UNFINISHED)
            director.await_few_unfinished(0)
            director.await_recorded()
        except PoolError:
            pool.save_logs(raw.with_name("logs"))
            raise
        raw.mkdir(parents=True)
        for file in (*pool.ap.history_files(), pool.ap.epoch_file):
            shutil.copyfile(file, raw / file.name)


def stretch_files(raw: Path, target: Path, max_history_octets: int) -> None:
    """Write the stretched history and epoch history of *raw* into *target*."""
    history = [
        record
        for file in sorted(raw.glob("history*"))
        for record in stretch.parse(file.read_text())
    ]
    clocks = stretch.clocks(history)
    stretched = [stretch.stretch(each, clocks[each.group]) for each in history]
    files = stretch.write_history(stretched, max_history_octets)
    epochs = stretch.parse((raw / "epoch_history").read_text())
    files["epoch_history"] = stretch.write_epochs(
        stretch.stretch(each, clocks[each.group]) for each in epochs
    )
    for name, text in files.items():
        (target / name).write_text(text)
    log.info("%d records in %s", len(history), ", ".join(files))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the demo's history in a folder that does not have one yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--jobs", type=int, default=2100, help="at least so many")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    max_history_octets = options.jobs * RECORD_OCTETS // ROTATIONS
    raw = options.outdir / "raw"
    run_jobs(options.jobs, raw, max_history_octets)
    stretch_files(raw, options.outdir, max_history_octets)


if __name__ == "__main__":
    main()
