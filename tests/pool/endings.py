"""Jobs of every ending, run on a real pool: over 200, each ending under its name.

``Endings(pool, after_step).run()`` submits them all, then does to each what its name
says; *after_step* is called between the steps, while jobs run and the history grows.
"""

from collections.abc import Callable, Iterable

from tests.pool.access_point import AccessPoint, Gate
from tests.pool.condor_config import Machine
from tests.pool.eventlog import HELD, SUBMIT, TERMINATED, JobId
from tests.pool.pool import Pool
from tests.pool.watch import await_change

SUSPENDED, UNSUSPENDED, IMAGE_SIZE = 10, 11, 6

#: About 35 records a file: several rotations, and seldom two in a second, whose names
#: would be the same.
CONFIG = """\
MAX_HISTORY_LOG = 160000
MAX_HISTORY_ROTATIONS = 100
CHIRP_DELAYED_UPDATE_PREFIX = Network* glexec_*
NUM_CPUS = 32
MEMORY = 65536
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
"""
MACHINES = (Machine("node1", 2), Machine("ce", 5, ("CE",)))

BULK = 170
#: More than the seconds to which HTCondor cuts user and system time.
CPU_S = 3
#: Jobs that wait at a gate of their own, which lets on the last of their runs.
GATED = ("evicted", "starter_killed", "released", "suspended")

#: A transfer plugin that takes its time to find out that there is nothing.
SLOW_PLUGIN = """\
#!/bin/sh
if [ "$1" = -classad ]; then
    echo 'PluginType = "FileTransfer"'
    echo 'SupportedMethods = "slow"'
    echo 'MultipleFileSupport = true'
    exit 0
fi
sleep 4
echo '[ TransferSuccess = false; TransferError = "nothing"; TransferUrl = "x" ]' > "$4"
exit 1
"""
SLEEP = "executable = /usr/bin/sleep\narguments = 900"
NEVER = f"{SLEEP}\nrequirements = TARGET.Absent =?= true"


def shell(script: str) -> str:
    """Return the submit lines of a job that runs *script*, which has no quotes."""
    return f"executable = /bin/sh\narguments = \"-c '{script}'\""


def waiting(name: str) -> str:
    """Return the submit lines of a job that waits at the gate *name*."""
    program = f"/pool/.code/waiting_job.py {name} {CPU_S}"
    return f"executable = /usr/bin/python3\narguments = {program}\nrequest_memory = 128"


#: Submit lines by the name of the ending; one job each where there is no queue line.
DESCRIPTIONS = {
    "completed": shell("exit 0"),
    "exit_code": shell("exit 7"),
    "signal": shell("kill -SEGV $$"),
    # Fails in its first run, succeeds in its second.
    "retried": shell("if mkdir /pool/endings/retried; then exit 1; fi")
    + "\nmax_retries = 3",
    "multi_core": "executable = /usr/bin/sleep\narguments = 2\nrequest_cpus = 4",
    "removed_idle": NEVER,
    "removed_running": SLEEP,
    "removed_held": SLEEP,
    "removed_never_released": f"{SLEEP}\nhold = true",
    "removed_by_policy": f"{SLEEP}\nperiodic_remove = JobStatus == 2",
    "transfer_failed": "executable = /usr/bin/true\nshould_transfer_files = YES\n"
    "transfer_plugins = slow=/pool/endings/slow_plugin\n"
    "transfer_input_files = slow://nothing",
    "scheduler": "universe = scheduler\nexecutable = /usr/bin/sleep\narguments = 2",
    "local": "universe = local\nexecutable = /usr/bin/sleep\narguments = 2",
    "vm": "universe = vm\nexecutable = machine\nvm_type = kvm\nvm_memory = 64\n"
    "vm_disk = /tmp/none.img:vda:w",
    "max_materialize": shell("exit $(Process)") + "\nmax_materialize = 2\nqueue 6",
    "max_idle": shell("exit 0") + "\nmax_idle = 1\nqueue 5",
    "chirped": "executable = /usr/bin/python3\n"
    "arguments = /pool/.code/payload.py chirped",
    **{name: waiting(name) for name in GATED},
    "bulk": shell("exit 0") + f"\nmax_materialize = 6\nqueue {BULK}",
}
#: For ``inside/payload.py``: 2 s, 10 MB, exit code 0, and what it tells its ad.
CHIRPED = (
    "2 10 0 NetworkOutgoingExternal=3000000001 NetworkIncomingExternal=20 "
    "NetworkOutgoingInternal=0 NetworkIncomingLocal=4 glexec_user=payload1"
)
DAG = """\
JOB First node.sub
JOB Second node.sub
JOB Third node.sub
PARENT First CHILD Second Third
"""


class Endings:
    """All jobs of one pool; ``jobs`` has them by the name of their ending."""

    def __init__(self, pool: Pool, after_step: Callable[[], object]) -> None:
        self._pool = pool
        self._after_step = after_step
        self._marks = pool.outside("/pool/endings")
        self._gates: dict[str, Gate] = {}
        self.ap = pool.ap
        self.ce = pool.access_point("ce")
        self.jobs: dict[str, list[JobId]] = {}

    def run(self) -> None:
        """Submit all, do what is to be done, wait until all is in the histories."""
        self._prepare()
        self._submit()
        steps: tuple[Callable[[], None], ...] = (
            self._remove_what_never_runs,
            self._remove_what_runs,
            self._interrupt,
            self._hold_and_release,
            self._suspend,
            self._remove_what_failed,
            self._let_on,
        )
        for step in steps:
            step()
            self._after_step()
        self._await_all()

    def one(self, name: str) -> JobId:
        """Return the only job of an ending."""
        (job,) = self.jobs[name]
        return job

    def _prepare(self) -> None:
        self._marks.mkdir()
        self._marks.chmod(0o777)
        plugin = self._marks / "slow_plugin"
        plugin.write_text(SLOW_PLUGIN)
        plugin.chmod(0o755)
        orders = self._pool.outside("/pool/orders")
        orders.mkdir()
        orders.chmod(0o777)
        (orders / "chirped").write_text(CHIRPED)
        home = self._pool.outside("/pool/home/dave")
        (home / "flow.dag").write_text(DAG)
        (home / "node.sub").write_text(shell("exit 0") + "\nqueue\n")
        self._gates = {name: self._pool.gate(name) for name in GATED}

    def _submit(self) -> None:
        for name, text in DESCRIPTIONS.items():
            queue = "" if "\nqueue" in text else "\nqueue"
            user = "bob" if name == "bulk" else "alice"
            self.jobs[name] = self.ap.submit(f"{text}{queue}\n", user=user)
        self.jobs["routed"] = [self.ce.submit_one(SLEEP.replace("900", "6"))]
        told = self.ap.run(["condor_submit_dag", "flow.dag"], user="dave")
        cluster = told.rpartition("cluster ")[2].split(".")[0]
        self.jobs["dag"] = [JobId(int(cluster), 0)]
        self.ap.await_event(self.one("completed"), TERMINATED)

    def _remove_what_never_runs(self) -> None:
        for name in ("removed_idle", "removed_never_released", "vm"):
            self.ap.remove(self.one(name))

    def _remove_what_runs(self) -> None:
        running, held = self.one("removed_running"), self.one("removed_held")
        self.ap.await_running(running, held)
        # Its starter has told what it uses: it has run for seconds.
        self.ap.await_event(running, IMAGE_SIZE)
        self.ap.remove(running)
        self.ap.hold(held)
        self.ap.remove(held)

    def _interrupt(self) -> None:
        """Vacate one job and kill the starter of another, both in their first run."""
        self._await_mark("evicted", 1)
        self.ap.vacate(self.one("evicted"))
        starter = self._await_mark("starter_killed", 1)
        self._pool.run(["kill", "-KILL", starter])

    def _hold_and_release(self) -> None:
        self._await_mark("released", 1)
        self.ap.hold(self.one("released"))
        self.ap.release(self.one("released"))

    def _suspend(self) -> None:
        job = self.one("suspended")
        self._await_mark("suspended", 1)
        self.ap.act("suspend", [job])
        self.ap.await_event(job, SUSPENDED)
        self._after_step()
        self.ap.act("continue", [job])
        self.ap.await_event(job, UNSUSPENDED)

    def _remove_what_failed(self) -> None:
        job = self.one("transfer_failed")
        self.ap.await_event(job, HELD)
        self.ap.remove(job)

    def _let_on(self) -> None:
        for name in GATED:
            self._await_mark(name, 1 if name == "suspended" else 2)
            self._gates[name].let_on()

    def _await_mark(self, name: str, run: int) -> str:
        """Wait for a job's *run*; returns the number of its starter's process."""
        mark = self._marks / f"{name}.{run}"

        def look() -> bool | None:
            return mark.exists() or None

        await_change(self._marks, look, timeout_s=120, what=f"mark {mark.name}")
        return mark.read_text()

    def _await_all(self) -> None:
        self.ce.await_end(self.one("routed"), timeout_s=240)
        # The DAGMan's end means that its nodes are submitted, the last of a bulk
        # that all of it is.
        self.ap.await_end(self.one("dag"), *self.jobs["bulk"], timeout_s=240)
        self.ap.await_end(*submitted(self.ap), timeout_s=240)
        for gate in self._gates.values():
            gate.close()


def submitted(ap: AccessPoint) -> set[JobId]:
    """Return every job that *ap* ever had, by its event log."""
    return {event.job for event in ap.events.events() if event.number == SUBMIT}


def job_ids(pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Return the sorted names of jobs, repetitions kept.

    >>> job_ids([(12, 0), (3, 1), (12, 0)])
    ['3.1', '12.0', '12.0']
    """
    return [f"{cluster}.{proc}" for cluster, proc in sorted(pairs)]
