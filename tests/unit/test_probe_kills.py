"""A run may be killed at any moment; the next one makes good for it.

The full numbers, with the real command and at random moments, are in ``tests/soak``.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.ads import run
from tests.soak.busy_pool import BusyPool
from tests.soak.killed_runs import (
    assert_nothing_lost_or_doubled,
    kill_while_busy,
    run_until_change,
    seconds_of_a_run,
)

Rounds = Callable[[int, int], int]


def test_a_run_killed_before_any_change_of_a_file_is_made_good_by_the_next(
    tmp_path: Path, rng: random.Random, rounds: Rounds
) -> None:
    pool = BusyPool(tmp_path / "spool", rng)
    pool.end_jobs()
    run(tmp_path / "ledger", pool.live)
    pool.end_jobs()
    pool.rotate()
    pool.end_jobs()
    step = rounds(9, 1)
    number = rng.randint(1, step)
    while True:
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "ledger", folder / "ledger")
        was_killed = run_until_change(folder / "ledger", pool.live, number)
        run(folder / "ledger", pool.live)
        assert_nothing_lost_or_doubled(pool, folder / "ledger", folder)
        if not was_killed:
            break
        number += step
    assert number > 20


def test_the_command_killed_at_random_is_made_good_by_the_next_run(
    tmp_path: Path, rng: random.Random
) -> None:
    pool = BusyPool(tmp_path / "spool", rng)
    ledger = tmp_path / "ledger"
    limit_s = 1.2 * seconds_of_a_run(tmp_path / "measured")
    for _ in range(3):
        kill_while_busy(pool, ledger, rng, s=limit_s)
    pool.settle()
    run(ledger, pool.live)
    assert_nothing_lost_or_doubled(pool, ledger, tmp_path)
