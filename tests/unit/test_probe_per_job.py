"""The source ``per-job``: the history's rows; files left alone or deleted."""

import os
from pathlib import Path

import pytest

import probe.run
from poolmeter.config import Config
from poolmeter.errors import ExitCode, UsageError
from probe.run import RunReport, run_probe
from tests.ads import NOW, SCHEDD, clusters, folder_state, job, jobs, rows
from tests.ads import run as run_history


def run(ledger: Path, folder: Path, *, delete: bool = False) -> RunReport:
    """Run the probe over a folder of per-job files."""
    return run_probe(
        ledger,
        SCHEDD,
        [],
        Config(),
        now=NOW,
        per_job_dir=folder,
        delete_per_job=delete,
    )


def write(folder: Path, *numbers: int) -> None:
    """Write the files of jobs as HTCondor does: under another name, then renamed."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        draft = folder / f".history.{number}.0.tmp"
        draft.write_text(job(number).partition("***")[0])
        draft.rename(folder / f"history.{number}.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of five jobs, and some that are none."""
    path = tmp_path / "per_job"
    write(path, *range(1, 6))
    (path / ".history.9.0.tmp").write_text("half of an ad")
    (path / "notes").write_text("not ours")
    (path / "history.7.0").symlink_to("/etc/passwd")
    return path


def test_the_rows_are_those_of_the_history(tmp_path: Path, folder: Path) -> None:
    live = tmp_path / "history"
    live.write_text(jobs(1, 5))
    run_history(tmp_path / "other", live)
    assert run(tmp_path / "ledger", folder).exit_code == ExitCode.DONE
    assert rows(tmp_path / "ledger") == rows(tmp_path / "other")


def test_files_are_left_alone_and_read_once(tmp_path: Path, folder: Path) -> None:
    before = folder_state(folder)
    assert run(tmp_path / "ledger", folder).read == 5
    write(folder, 6)
    again = run(tmp_path / "ledger", folder)
    assert (again.read, again.exit_code) == (1, ExitCode.DONE)
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4, 5, 6]
    (folder / "history.6.0").unlink()
    assert folder_state(folder) == before


def test_a_file_that_was_touched_or_copied_is_no_second_job(
    tmp_path: Path, folder: Path
) -> None:
    run(tmp_path / "ledger", folder)
    os.utime(folder / "history.1.0")
    (folder / "history.2.0").write_bytes((folder / "history.2.0").read_bytes())
    again = run(tmp_path / "ledger", folder)
    assert (again.merged.inserted, again.exit_code) == (0, ExitCode.DONE)
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4, 5]


def test_what_is_in_the_ledger_is_deleted_where_that_is_asked_for(
    tmp_path: Path, folder: Path
) -> None:
    run(tmp_path / "ledger", folder, delete=True)
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".history.9.0.tmp", "history.7.0", "notes"]
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4, 5]


def test_nothing_is_deleted_before_all_is_durable(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends before its checkpoint leaves every file; the next deletes."""

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(probe.run, "save_checkpoint", fail)
    with pytest.raises(OSError):  # noqa: PT011 - it stands for a kill
        run(tmp_path / "ledger", folder, delete=True)
    assert len(list(folder.glob("history.?.0"))) == 6
    monkeypatch.undo()
    run(tmp_path / "ledger", folder, delete=True)
    assert [path.name for path in folder.glob("history.?.0")] == ["history.7.0"]
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4, 5]


def test_a_file_that_is_no_job_is_set_aside_and_the_others_stay(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "history.8.0").write_text("Owner = \n")
    report = run(tmp_path / "ledger", folder, delete=True)
    assert dict(report.set_aside) == {"unreadable ad": 1}
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4, 5]


def test_a_folder_that_is_not_there_is_an_error_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="PER_JOB_HISTORY_DIR"):
        run(tmp_path / "ledger", tmp_path / "absent")
