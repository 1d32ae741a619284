"""Runs of the probe that are killed, and what has to be true after the last one."""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poolmeter.ledger.gaps import read_gaps
from tests.ads import SCHEDD, job, rows, run
from tests.soak.busy_pool import BusyPool

#: What changes the ledger's files, as Python's audit hooks tell of it.
_CHANGES = frozenset(["open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"])

#: Runs as the command does, in processes that have the libraries loaded already.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["probe.run", "tests.ads"])


def command(ledger: Path, live: Path) -> list[str]:
    """Return the command line of one run."""
    poolmeter = [sys.executable, "-m", "poolmeter", "probe", "run"]
    return [*poolmeter, f"--ledger={ledger}", f"--history={live}", "--schedd", SCHEDD]


@contextlib.contextmanager
def running(ledger: Path, live: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a run of the command, which is killed afterwards if it still goes on."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(ledger, live), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_while_busy(
    pool: BusyPool, ledger: Path, rng: random.Random, *, s: float
) -> int:
    """Start a run, go on writing history, kill it after up to *s* seconds.

    Returns the exit code, which is -9 if the run had not ended before.
    """
    with running(ledger, pool.live) as process:
        end_s = time.monotonic() + rng.uniform(0, s)
        while time.monotonic() < end_s and process.poll() is None:
            pool.act()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, 0.05))
        process.kill()
        _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode


def seconds_of_a_run(folder: Path) -> float:
    """Return how long one run takes here and now, with all its imports."""
    folder.mkdir()
    live = folder / "history"
    live.write_text(job(1))
    start_s = time.monotonic()
    subprocess.run(command(folder / "ledger", live), check=True)
    return time.monotonic() - start_s


def undisturbed(folder: Path, count: int) -> list[dict[str, Any]]:
    """Return the rows that one run makes of the records of *count* jobs in one file."""
    folder.mkdir()
    live = folder / "history"
    live.write_text("".join(map(job, range(1, count + 1))))
    run(folder / "ledger", live)
    return rows(folder / "ledger")


def assert_nothing_lost_or_doubled(pool: BusyPool, ledger: Path, scratch: Path) -> None:
    """Assert that the ledger is that of one undisturbed run, and says no loss."""
    expected = undisturbed(scratch / "undisturbed", pool.written)
    found = rows(ledger)
    ids = [row["cluster_id"] for row in found]
    assert [row["cluster_id"] for row in expected] == ids
    assert expected == found
    assert read_gaps(ledger) == []
    leftovers = [p for p in ledger.rglob("*") if p.suffix == ".tmp"]
    assert leftovers == []


def run_until_change(ledger: Path, live: Path, number: int) -> bool:
    """Run the probe; kill it before its *number*th change of a file.

    Returns whether it was killed; it ended before otherwise.
    """
    process = _processes.Process(target=_run_until, args=(ledger, live, number))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _run_until(ledger: Path, live: Path, number: int) -> None:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES and str(arguments[0]).startswith(str(ledger)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    run(ledger, live)
