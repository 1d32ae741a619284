"""Files are replaced whole or not at all: full disks, links, locks, leftovers."""

import contextlib
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolmeter.durable import make_folder, replacing, temporary_path, write_text
from poolmeter.errors import ExitCode, LedgerBusyError, LedgerError
from poolmeter.locks import locked
from tests.ads import clusters, jobs, rows, run


@contextlib.contextmanager
def files_no_longer_than(limit_bytes: int) -> Iterator[None]:
    """Let every longer file fail like a full disk, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_new_content_stands_there_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    umask = os.umask(0)
    try:
        write_text(path, "old")
        write_text(path, "new", mode=0o600)
    finally:
        os.umask(umask)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_in_between_leaves_the_old_content_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with contextlib.suppress(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_a_full_disk_leaves_the_old_content_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with (
        files_no_longer_than(100),
        pytest.raises(LedgerError, match="free space and run again"),
    ):
        write_text(path, "x" * 1000)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


@pytest.mark.parametrize("target", ["exists", "dangling"])
def test_a_link_in_the_temporary_files_place_is_not_followed(
    tmp_path: Path, target: str
) -> None:
    path, victim = tmp_path / "folder" / "file", tmp_path / "victim"
    path.parent.mkdir()
    if target == "exists":
        victim.write_text("precious")
    temporary_path(path).symlink_to(victim)
    write_text(path, "new")
    assert (path.read_text(), path.is_symlink()) == ("new", False)
    assert victim.exists() == (target == "exists")
    assert not victim.exists() or victim.read_text() == "precious"


def test_a_folder_in_the_temporary_files_place_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    temporary_path(path).mkdir()
    with pytest.raises(LedgerError, match="cannot write"):
        write_text(path, "new")
    assert not path.exists()


def test_a_leftover_of_a_killed_writer_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file"
    temporary_path(path).write_text("half of something longer than the new content")
    write_text(path, "new")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError), locked(tmp_path / "lock", what="it"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LedgerError):
            make_folder(path)


def test_a_lock_is_held_by_one_and_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one.lock"
    with contextlib.suppress(KeyError), locked(path, what="it"):
        with pytest.raises(LedgerBusyError, match="it is locked by another run"):
            locked(path, what="it").__enter__()
        raise KeyError
    with locked(path, what="it"):
        pass


def test_who_waits_for_a_lock_gets_it_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    got_it = threading.Event()

    def wait_for_it() -> None:
        with locked(path, what="it", wait=True):
            got_it.set()

    with locked(path, what="it"):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not got_it.wait(0.05)
    waiting.join(timeout=30)
    assert got_it.is_set()


def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    code = (
        "import sys, pathlib, poolmeter.locks as l\n"
        "with l.locked(pathlib.Path(sys.argv[1]), what='it'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=-1, stdout=-1, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LedgerBusyError):
            locked(path, what="it").__enter__()
        holder.kill()
        holder.wait()
        with locked(path, what="it"):
            pass


@pytest.mark.parametrize("limit_bytes", [0, 300, 3000, 12_000, 20_000, 25_000])
def test_a_run_on_a_full_disk_harms_nothing_and_the_next_one_completes(
    tmp_path: Path, limit_bytes: int
) -> None:
    history, ledger = tmp_path / "history", tmp_path / "ledger"
    history.write_text(jobs(1, 10))
    run(ledger, history)
    before = rows(ledger)
    history.write_text(jobs(1, 300))
    with (
        files_no_longer_than(limit_bytes),
        pytest.raises(LedgerError, match="free space"),
    ):
        run(ledger, history)
    assert rows(ledger)[:10] == before
    assert run(ledger, history).exit_code == ExitCode.DONE
    assert clusters(ledger) == list(range(1, 301))


def test_a_first_run_on_a_full_disk_leaves_no_half_ledger(tmp_path: Path) -> None:
    history, ledger = tmp_path / "history", tmp_path / "ledger"
    history.write_text(jobs(1, 10))
    with files_no_longer_than(3000), pytest.raises(LedgerError, match="free space"):
        run(ledger, history)
    assert (rows(ledger), list(ledger.rglob("*.parquet"))) == ([], [])
    run(ledger, history)
    assert clusters(ledger) == list(range(1, 11))


def test_a_quarantine_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    """A record must not vanish because the place for broken ones is full."""
    history, ledger = tmp_path / "history", tmp_path / "ledger"
    broken = f"{'x' * 9000}\n*** ClusterId = 1 ProcId = 0\n"
    history.write_text(jobs(1, 2) + broken)
    with files_no_longer_than(8000), pytest.raises(LedgerError, match="quarantine"):
        run(ledger, history)
    assert run(ledger, history).set_aside.total() == 1
