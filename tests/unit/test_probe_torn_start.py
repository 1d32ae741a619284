"""A live file that holds only the beginning of its first record."""

import os
from pathlib import Path

import pytest

from poolmeter.errors import ExitCode
from tests.ads import NOW, clusters, job, jobs, run

pytestmark = pytest.mark.usefixtures("reader")

OLD_S = NOW.timestamp() - 3600


def test_a_torn_first_record_does_not_keep_the_rotations_from_being_read(
    tmp_path: Path,
) -> None:
    """As a full disk on the access point leaves it, for hours."""
    ledger, live = tmp_path / "ledger", tmp_path / "history"
    live.write_text(jobs(1, 2))
    run(ledger, live)
    with live.open("a") as file:
        file.write(jobs(3, 4))
    live.rename(tmp_path / "history.20251101T000000")
    live.write_text("".join(job(5).splitlines(keepends=True)[:3]))
    os.utime(live, (OLD_S, OLD_S))
    report = run(ledger, live)
    assert report.exit_code == ExitCode.DONE
    assert clusters(ledger) == [1, 2, 3, 4]


def test_a_damaged_first_banner_sets_one_record_apart(tmp_path: Path) -> None:
    """It names another kind, and is counted by that name."""
    ledger, live = tmp_path / "ledger", tmp_path / "history"
    first, second = job(1), job(2)
    live.write_text(first.replace("*** Offset", "*** Other ClusterId 7") + second)
    report = run(ledger, live)
    assert clusters(ledger) == [2]
    assert report.skipped.total() + report.set_aside.total() == 1
