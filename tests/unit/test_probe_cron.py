"""``poolmeter-probe-cron``: what is news, and that no news costs next to nothing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poolmeter.errors import ExitCode
from tests.ads import SCHEDD, clusters, completed, job, jobs

#: What is not needed to see that there is no news.
LARGE = ("numpy", "pyarrow", "click", "classad2", "msgspec", "poolmeter")


def cron(history: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as cron does; stderr tells what was imported."""
    ledger = history.with_name("ledger")
    arguments = ["--ledger", str(ledger), f"--history={history}", "--schedd", SCHEDD]
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "probe.cron", *arguments, *more],
        capture_output=True,
        text=True,
        check=False,
    )


def imported(done: "subprocess.CompletedProcess[str]") -> set[str]:
    """Return the packages that a run imported."""
    lines = [ln for ln in done.stderr.splitlines() if ln.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().partition(".")[0] for line in lines}


def is_idle(done: "subprocess.CompletedProcess[str]") -> bool:
    """Whether a run ended, clean and silent, before it imported anything large."""
    is_clean = (done.returncode, done.stdout) == (ExitCode.DONE, "")
    return is_clean and imported(done).isdisjoint(LARGE)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history of two jobs that was read once."""
    path = tmp_path / "history"
    path.write_text(jobs(1, 2))
    first = cron(path)
    assert (first.returncode, first.stdout) == (ExitCode.DONE, "")
    assert "numpy" in imported(first)
    return path


def test_a_run_without_news_ends_before_anything_large_is_imported(
    history: Path,
) -> None:
    assert is_idle(cron(history))
    assert is_idle(cron(history))
    assert clusters(history.with_name("ledger")) == [1, 2]


def grow(history: Path) -> None:
    """One more job ends."""
    with history.open("a") as out:
        out.write(job(3))


def rotate(history: Path) -> None:
    """The live file is rotated, and another begun."""
    history.rename(history.with_name("history.20261122T081500"))
    history.write_text(job(3))


def put_a_rotation_beside(history: Path) -> None:
    """Somebody restores a rotation from a backup."""
    history.with_name("history.old").write_text(job(3))


@pytest.mark.parametrize("event", [grow, rotate, put_a_rotation_beside])
def test_news_is_read_at_once(history: Path, event: Callable[[Path], None]) -> None:
    event(history)
    assert not is_idle(cron(history))
    assert clusters(history.with_name("ledger")) == [1, 2, 3]
    assert is_idle(cron(history))


def remove_checkpoint(history: Path) -> None:
    """As the handbook says for reading all anew."""
    state = history.with_name("ledger") / ".state"
    (state / "checkpoints" / f"{SCHEDD}.jsonl").unlink()


def rewrite_in_place(history: Path) -> None:
    """The same size, another time."""
    history.write_text(history.read_text())


@pytest.mark.parametrize("event", [remove_checkpoint, rewrite_in_place])
def test_what_may_be_news_makes_a_whole_run(
    history: Path, event: Callable[[Path], None]
) -> None:
    event(history)
    assert not is_idle(cron(history))
    assert is_idle(cron(history))


def test_a_lost_live_file_is_told_and_not_taken_for_no_news(history: Path) -> None:
    history.unlink()
    done = cron(history)
    assert done.returncode == ExitCode.SET_ASIDE
    assert "live file lost" in done.stderr


def test_a_run_that_set_something_aside_is_not_taken_for_no_news(
    history: Path,
) -> None:
    with history.open("a") as out:
        out.write(completed(ClusterId=None) + "*** ClusterId=9 ProcId=0\n")
    assert cron(history).returncode == ExitCode.SET_ASIDE
    assert not is_idle(cron(history))
    assert is_idle(cron(history))


def test_other_options_are_other_runs(history: Path) -> None:
    assert not is_idle(cron(history, "--reader=reference"))
    assert is_idle(cron(history, "--reader=reference"))
    assert cron(history, "--format=json").stdout.startswith("{")
