"""From outside into the pool's daemons and jobs: the wheel's bindings, ssh, tail."""

import ast
import sys
from pathlib import Path

from tests.pool.pool import Pool
from tests.pool.watch import await_change

WAITING = """\
executable = /bin/sh
arguments = "-c 'echo began; touch {gate}-began; read go < {gate}'"
"""

# Prints what the bindings see: the queue while the job runs, the history afterwards.
QUEUE = """
import htcondor2
ads = htcondor2.Schedd().query(projection=["ClusterId", "Owner"])
print([(int(ad["ClusterId"]), ad["Owner"]) for ad in ads])
"""
HISTORY = """
import htcondor2
schedd = htcondor2.Schedd()
ads = schedd.history("ClusterId == {cluster}", ["ClusterId", "ExitCode"], match=9)
print([(int(ad["ClusterId"]), int(ad["ExitCode"])) for ad in ads])
"""


def python(pool: Pool, script: str) -> str:
    """Return what *script* prints, run inside by the Python of these tests."""
    return pool.run([sys.executable, "-c", script]).stdout.strip()


def test_the_wheels_bindings_read_queue_and_history(pool: Pool) -> None:
    gate = pool.gate("bindings")
    job = pool.ap.submit_one(WAITING.format(gate=gate.path), user="carol")
    pool.ap.await_running(job)
    assert (job.cluster_id, "carol") in eval_pairs(python(pool, QUEUE))
    gate.let_on()
    pool.ap.await_end(job)
    told = python(pool, HISTORY.format(cluster=job.cluster_id))
    assert eval_pairs(told) == [(job.cluster_id, 0)]
    gate.close()


def await_file(path: Path) -> None:
    """Wait until *path* is there."""
    await_change(
        path.parent, lambda: path.exists() or None, timeout_s=30, what=str(path)
    )


def eval_pairs(text: str) -> list[tuple[int, object]]:
    """Return the list of pairs that Python printed as *text*."""
    pairs: list[tuple[int, object]] = ast.literal_eval(text)
    return pairs


def test_ssh_to_job_and_tail_reach_a_running_job(pool: Pool) -> None:
    gate = pool.gate("ssh")
    text = WAITING.format(gate=gate.path)
    text += "output = told.txt\nshould_transfer_files = YES"
    job = pool.ap.submit_one(text)
    pool.ap.await_running(job)
    await_file(pool.outside(f"{gate.path}-began"))
    told = pool.run(["condor_tail", str(job)], user="alice").stdout
    assert told == "began\n"
    inside = ["condor_ssh_to_job", str(job), "echo $_CONDOR_SLOT"]
    assert pool.run(inside, user="alice").stdout.strip().startswith("slot1_")
    gate.let_on()
    pool.ap.await_end(job)
    gate.close()
