"""A real full disk: one clear line, the ledger unharmed, the next run completes."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from poolmeter.errors import ExitCode, LedgerError
from tests.ads import clusters, jobs, rows, run
from tests.soak.small_disk import filled, small_disk


def test_a_run_on_a_full_disk_harms_nothing_and_the_next_one_completes(
    tmp_path: Path, rng: random.Random, rounds: Callable[[int, int], int]
) -> None:
    """However few bytes are left: none at all, or a part of what is to be written."""
    history = tmp_path / "history"
    with small_disk(tmp_path / "disk", 16 * 1024) as disk:
        ledger = disk / "ledger"
        last = 0
        for left_bytes in (0, *(rng.randrange(120_000) for _ in range(rounds(4, 100)))):
            history.write_text(jobs(1, last + 5))
            run(ledger, history)
            before = rows(ledger)
            last += 205
            history.write_text(jobs(1, last))
            with filled(disk, leave_bytes=left_bytes):
                said = said_by_a_run(ledger, history)
                assert not said or "free space and run again" in said
                assert rows(ledger)[: len(before)] == before
            assert run(ledger, history).exit_code == ExitCode.DONE
            assert clusters(ledger) == list(range(1, last + 1))


def said_by_a_run(ledger: Path, history: Path) -> str:
    """Run the probe and return the error that it ends with, if it does."""
    try:
        run(ledger, history)
    except LedgerError as error:
        return str(error)
    return ""


def test_a_ledger_on_a_disk_without_any_space_is_not_begun(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.write_text(jobs(1, 5))
    with small_disk(tmp_path / "disk", 16 * 1024) as disk:
        with (
            filled(disk, leave_bytes=0),
            pytest.raises(LedgerError, match="free space"),
        ):
            run(disk / "ledger", history)
        assert rows(disk / "ledger") == []
        run(disk / "ledger", history)
        assert clusters(disk / "ledger") == [1, 2, 3, 4, 5]
