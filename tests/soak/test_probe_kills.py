"""Runs killed at random over a history that grows and rotates: no loss, no doubles."""

import contextlib
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.busy_pool import BusyPool
from tests.soak.killed_runs import (
    assert_nothing_lost_or_doubled,
    command,
    kill_while_busy,
    running,
    seconds_of_a_run,
)
from tests.soak.small_disk import filled, small_disk

Rounds = Callable[[int, int], int]


def run_to_the_end(pool: BusyPool, ledger: Path) -> None:
    """Let the pool come to rest, and run the probe once more, undisturbed."""
    pool.settle()
    subprocess.run(command(ledger, pool.live), check=True, timeout=120)


def test_killed_runs_lose_and_double_nothing(
    tmp_path: Path, rng: random.Random, rounds: Rounds
) -> None:
    pool = BusyPool(tmp_path / "spool", rng)
    ledger = tmp_path / "ledger"
    limit_s = 1.3 * seconds_of_a_run(tmp_path / "measured")
    codes = [
        kill_while_busy(pool, ledger, rng, s=limit_s) for _ in range(rounds(4, 50))
    ]
    assert -9 in codes
    run_to_the_end(pool, ledger)
    assert_nothing_lost_or_doubled(pool, ledger, tmp_path)


def test_two_runs_at_once_lose_and_double_nothing(
    tmp_path: Path, rng: random.Random, rounds: Rounds
) -> None:
    """The second one says in one line that it is not needed, or it comes too late."""
    pool = BusyPool(tmp_path / "spool", rng)
    ledger = tmp_path / "ledger"
    for _ in range(rounds(3, 50)):
        pool.act()
        with running(ledger, pool.live) as one, running(ledger, pool.live) as other:
            while one.poll() is None or other.poll() is None:
                pool.act()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.wait(rng.uniform(0, 0.05))
                    other.wait(rng.uniform(0, 0.05))
            for process in (one, other):
                out, errors = process.communicate()
                said = (process.returncode, out, errors)
                assert said == (0, "", "") or (said[0] == 1 and is_busy(errors)), said
            assert 0 in (one.returncode, other.returncode)
    run_to_the_end(pool, ledger)
    assert_nothing_lost_or_doubled(pool, ledger, tmp_path)


def is_busy(errors: str) -> bool:
    """Return whether *errors* is the one line of a run that found another one."""
    return errors.count("\n") == 1 and "locked by another run" in errors


@pytest.mark.needs("root")
def test_runs_on_a_full_disk_lose_and_double_nothing(
    tmp_path: Path, rng: random.Random, rounds: Rounds
) -> None:
    """The disk is full again and again, at another place each time."""
    pool = BusyPool(tmp_path / "spool", rng)
    failed = 0
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        ledger = disk / "ledger"
        for _ in range(rounds(4, 50)):
            for _ in range(5):
                pool.act()
            with filled(disk, leave_bytes=rng.randrange(150_000)):
                done = subprocess.run(
                    command(ledger, pool.live),
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=120,
                )
            assert done.returncode == 0 or is_full(done.stderr), done.stderr
            failed += done.returncode != 0
        run_to_the_end(pool, ledger)
        assert_nothing_lost_or_doubled(pool, ledger, tmp_path)
    assert failed


def is_full(errors: str) -> bool:
    """Return whether *errors* is the one line of a run that found no space."""
    return errors.count("\n") == 1 and "free space and run again" in errors
