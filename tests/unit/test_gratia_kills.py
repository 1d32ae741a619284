"""Sending may be killed at any moment; the next run makes good for it.

The full numbers, several kills in a row among them, are in ``tests/soak``.
"""

import random
from collections.abc import Callable
from pathlib import Path

from tests.gratia_server.server import running
from tests.soak.killed_sending import (
    NEVER,
    assert_all_is_well,
    begun_site,
    go_on,
    run_until_change,
)


def test_a_run_killed_before_any_change_of_a_file_is_made_good_by_an_upgraded_one(
    tmp_path: Path, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    step = rounds(53, 1)
    number = rng.randint(1, step)
    was_killed = True
    with running() as server:
        while was_killed:
            site = begun_site(tmp_path / str(number), server)
            was_killed = run_until_change(site, number, version=1)
            go_on(site)
            assert not run_until_change(site, NEVER, version=2)
            assert_all_is_well(site)
            number += step
    assert number > 100
