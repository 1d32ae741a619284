"""A real full disk under the outbox: one clear line, nothing lost, nothing changed."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from poolmeter.errors import LedgerError
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.server import running
from tests.soak.small_disk import filled, small_disk
from tests.unit.gratia_site import GratiaSite, make_site

REFUSED = 3


def said_by_a_run(site: GratiaSite) -> str:
    """Send, and return the error that it ends with, if it does."""
    try:
        site.send()
    except LedgerError as error:
        return str(error)
    return ""


def test_sending_with_a_full_disk_loses_nothing_and_changes_nothing(
    tmp_path: Path, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    """However few bytes are left: none at all, or a part of what is to be written."""
    errors = 0
    with (
        small_disk(tmp_path / "disk", 16 * 1024) as disk,
        running() as server,
    ):
        server.collector = RefusingCollector({REFUSED})
        site = make_site(tmp_path, server, bundle_records=7, outbox=str(disk))
        last = 0
        for left_bytes in (0, *(rng.randrange(80_000) for _ in range(rounds(5, 100)))):
            last += 20
            site.read_jobs(last)
            with filled(disk, leave_bytes=left_bytes):
                said = said_by_a_run(site)
            assert not said or "free space and run again" in said
            errors += bool(said)
            # The next run has room again, and has everything at the server.
            assert site.send().frozen.is_full is False
            assert set(site.delivered_jobs()) == set(range(1, last + 1)) - {REFUSED}
            site.assert_repeats_are_identical()
    assert errors


def test_a_disk_that_the_outbox_has_filled_is_emptied_by_sending(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 16 * 1024) as disk, running() as server:
        server.collector.is_bound = False
        site = make_site(tmp_path, server, outbox=str(disk))
        site.read_jobs(50)
        site.send()
        server.collector.is_bound = True
        site.read_jobs(60)
        with filled(disk, leave_bytes=0), pytest.raises(LedgerError, match="space"):
            site.send()

        assert site.delivered_jobs() == list(range(1, 51))
        site.send()
        assert site.delivered_jobs() == list(range(1, 61))
