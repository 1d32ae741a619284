"""Sending killed again and again at random places, upgraded between any two tries."""

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


def test_killed_and_upgraded_runs_lose_nothing_and_change_nothing(
    tmp_path: Path, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    kills = 0
    number = 0
    with running() as server:
        while kills < rounds(5, 100):
            number += 1
            site = begun_site(tmp_path / str(number), server)
            version = 1
            while run_until_change(site, rng.randint(1, 120), version=version):
                kills += 1
                version += 1
                if rng.random() < 1 / 2:
                    go_on(site)
            go_on(site)
            run_until_change(site, NEVER, version=version + 1)
            assert_all_is_well(site)
