"""A closing may be killed at any step: the month is closed then, or it is not."""

import datetime as dt
import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path

from reports.closed_month import closed_path, read_closed
from reports.closing import close_month
from reports.months import parse_month
from reports.question import Pricing
from tests.unit.reports_ledger import GB, book, job, write_ledger

_OCTOBER = parse_month("2026-10")
_AFTER = dt.datetime(2026, 11, 3, 4, 5, 6, tzinfo=dt.UTC)

#: What changes files, as Python's audit hooks tell of it; an fsync opens first.
_CHANGES = frozenset(["open", "os.rename", "os.remove", "os.mkdir"])

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["reports.closing", "tests.unit.reports_ledger"])


def test_a_closing_killed_before_any_change_of_a_file_is_made_good(
    tmp_path: Path,
) -> None:
    empty = write_ledger(
        tmp_path / "ledger", job(network_outgoing_external_bytes=200 * GB), job()
    )
    expected = _undisturbed(empty, tmp_path / "undisturbed")
    standing: list[bool] = []
    while _closed_until(ledger := _copy(empty, tmp_path), len(standing) + 1):
        closed = read_closed(ledger, _OCTOBER)
        standing.append(closed is not None)

        again = close_month(ledger, _OCTOBER, Pricing(book=book()), now=_AFTER)

        assert (again is None) == standing[-1]
        assert _content(ledger) == expected
        shutil.rmtree(ledger)

    assert _content(ledger) == expected
    # Before the rename the month is open, after it closed; both were met.
    assert standing == sorted(standing)
    assert {False, True} == set(standing)


def _undisturbed(empty: Path, ledger: Path) -> tuple[list[str], bytes]:
    shutil.copytree(empty, ledger)
    close_month(ledger, _OCTOBER, Pricing(book=book()), now=_AFTER)
    return _content(ledger)


def _content(ledger: Path) -> tuple[list[str], bytes]:
    """Return what lies in the folder of closed months, and the month's file."""
    path = closed_path(ledger, _OCTOBER)
    return sorted(file.name for file in path.parent.iterdir()), path.read_bytes()


def _copy(empty: Path, folder: Path) -> Path:
    return Path(shutil.copytree(empty, folder / "killed"))


def _closed_until(ledger: Path, number: int) -> bool:
    """Close the month; kill it before its *number*th change of a file.

    Returns whether it was killed; it ended before otherwise.
    """
    process = _processes.Process(target=_close_until, args=(ledger, number))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _close_until(ledger: Path, number: int) -> None:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES and _writes(event, arguments, ledger):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    close_month(ledger, _OCTOBER, Pricing(book=book()), now=_AFTER)


def _writes(event: str, arguments: tuple[object, ...], ledger: Path) -> bool:
    """Whether it is of the ledger, and no mere reading of a table."""
    path = str(arguments[0])
    is_table = path.endswith(".parquet")
    return path.startswith(str(ledger)) and not (event == "open" and is_table)
