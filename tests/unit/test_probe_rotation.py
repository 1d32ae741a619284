"""A history that grows, is rotated, compressed and moved: each job stands once."""

import datetime as dt
import gzip
import itertools
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import probe.history_source
from poolmeter.errors import ExitCode
from poolmeter.ledger.gaps import read_gaps
from probe.history_file import HistoryFile, open_history
from tests.ads import NOW, clusters, job, jobs, run

pytestmark = pytest.mark.usefixtures("reader")

Compress = Callable[[Path], Path]


def gzipped(path: Path) -> Path:
    """Compress *path* as gzip(1) does, and return the new file."""
    made = path.with_name(f"{path.name}.gz")
    made.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return made


def zstandard(path: Path) -> Path:
    """Compress *path* as zstd(1) does, and return the new file."""
    made = path.with_name(f"{path.name}.zst")
    with pa.CompressedOutputStream(str(made), "zstd") as out:
        out.write(path.read_bytes())
    path.unlink()
    return made


def plain(path: Path) -> Path:
    """Leave *path* as it is."""
    return path


COMPRESSIONS = [plain, gzipped, zstandard]


class Pool:
    """A history file and a ledger; jobs are numbered from 1 and end one by one."""

    def __init__(self, folder: Path) -> None:
        self.live = folder / "spool" / "history"
        self.live.parent.mkdir()
        self.ledger = folder / "ledger"
        self.last = 0
        self._names = (f"202611{n:02d}T120000" for n in itertools.count(1))

    def end_jobs(self, count: int, *, file: Path | None = None) -> None:
        """Write the records of *count* more jobs, at the end of *file*."""
        with (file or self.live).open("a") as out:
            out.write(jobs(self.last + 1, self.last + count))
        self.last += count

    def rotate(self, name: str | None = None) -> Path:
        """Rename the live file as HTCondor does; the next job makes a new one."""
        return self.live.rename(
            self.live.with_name(f"history.{name or next(self._names)}")
        )

    def account(self, *, days: int = 0) -> ExitCode:
        """Run the probe; afterwards every job so far is in the ledger, once."""
        report = run(self.ledger, self.live, now=NOW + dt.timedelta(days=days))
        assert clusters(self.ledger) == list(range(1, self.last + 1))
        return report.exit_code


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """A pool in which two jobs have ended and are accounted for."""
    made = Pool(tmp_path)
    made.end_jobs(2)
    assert made.account() == ExitCode.DONE
    return made


def test_what_was_appended_is_read(pool: Pool) -> None:
    for count in (1, 3, 2):
        pool.end_jobs(count)
        assert pool.account() == ExitCode.DONE


def test_only_what_is_new_is_read(pool: Pool) -> None:
    pool.end_jobs(3)
    assert run(pool.ledger, pool.live).read == 3
    assert run(pool.ledger, pool.live).read == 0


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_rotation_between_runs_loses_nothing(pool: Pool, compress: Compress) -> None:
    pool.end_jobs(1)
    compress(pool.rotate())
    pool.end_jobs(2)
    assert pool.account() == ExitCode.DONE


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_rotation_before_the_next_job_ends_loses_nothing(
    pool: Pool, compress: Compress
) -> None:
    pool.end_jobs(1)
    compress(pool.rotate())
    assert not pool.live.exists()
    assert pool.account() == ExitCode.DONE
    assert pool.account() == ExitCode.DONE
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_several_rotations_between_runs_lose_nothing(
    pool: Pool, compress: Compress
) -> None:
    for _ in range(4):
        pool.end_jobs(3)
        compress(pool.rotate())
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


def test_a_rotated_file_that_still_grows_is_read_on(pool: Pool) -> None:
    rotated = pool.rotate()
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE
    pool.end_jobs(2, file=rotated)
    assert pool.account() == ExitCode.DONE
    gzipped(rotated)
    assert pool.account() == ExitCode.DONE


def test_a_rotated_file_may_be_compressed_after_it_was_read(pool: Pool) -> None:
    for compress in (gzipped, zstandard):
        compress(pool.rotate())
        pool.end_jobs(1)
        assert pool.account() == ExitCode.DONE


def test_rotations_across_the_autumn_clock_change_have_no_order(pool: Pool) -> None:
    """Names are local time: half past two comes before a quarter past two."""
    pool.end_jobs(2)
    pool.rotate("20261025T023000")
    pool.end_jobs(2)
    pool.rotate("20261025T021500")
    pool.end_jobs(2)
    assert pool.account() == ExitCode.DONE
    pool.rotate("20261025T020000")
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


@pytest.mark.parametrize("name", ["old", "1", "20261120", "12.gz"])
def test_rotations_of_other_tools_are_found(pool: Pool, name: str) -> None:
    pool.end_jobs(1)
    rotated = pool.rotate(name.removesuffix(".gz"))
    if name.endswith(".gz"):
        gzipped(rotated)
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


def test_copying_and_truncating_loses_nothing(pool: Pool) -> None:
    pool.end_jobs(1)
    shutil.copyfile(pool.live, pool.live.with_name("history.1"))
    os.truncate(pool.live, 0)
    assert pool.account() == ExitCode.DONE
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


def test_other_devices_and_inodes_change_nothing(pool: Pool) -> None:
    """As after a reboot, a restore, or a move to another disk."""
    pool.end_jobs(1)
    pool.rotate()
    pool.end_jobs(2)
    assert pool.account() == ExitCode.DONE
    spool = pool.live.parent
    shutil.copytree(spool, spool.with_name("copy"))
    shutil.rmtree(spool)
    spool.with_name("copy").rename(spool)
    assert run(pool.ledger, pool.live).read == 0
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


def test_a_copy_of_a_rotation_is_the_same_history(pool: Pool) -> None:
    rotated = pool.rotate()
    shutil.copyfile(rotated, rotated.with_name("history.5"))
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE
    assert run(pool.ledger, pool.live).read == 0


def test_a_thousand_rotations_need_few_open_files(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    for n in range(1000):
        file = pool.live.with_name(f"history.{n}")
        pool.end_jobs(1, file=file)
    pool.end_jobs(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 24, hard))
    try:
        assert pool.account() == ExitCode.DONE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def actions(*steps: Callable[[], object]) -> Callable[[Path, int, int], None]:
    """Return a progress that takes one of *steps* after each record."""
    todo: Iterator[Callable[[], object]] = iter(steps)
    return lambda *_: (next(todo, lambda: None)(), None)[1]


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_rotation_during_a_run_loses_nothing(pool: Pool, compress: Compress) -> None:
    pool.end_jobs(3)
    progress = actions(
        lambda: compress(pool.rotate()), lambda: pool.end_jobs(2), lambda: None
    )
    report = run(pool.ledger, pool.live, progress=progress)
    assert clusters(pool.ledger) == list(range(1, pool.last + 1))
    assert report.exit_code == ExitCode.DONE
    pool.end_jobs(1)
    assert pool.account() == ExitCode.DONE


def test_records_appended_during_a_run_are_read_by_it(pool: Pool) -> None:
    pool.end_jobs(1)
    report = run(
        pool.ledger, pool.live, progress=actions(*[lambda: pool.end_jobs(1)] * 5)
    )
    assert (report.read, report.exit_code) == (6, ExitCode.DONE)
    assert clusters(pool.ledger) == list(range(1, pool.last + 1))


@pytest.mark.parametrize("new_one", [True, False])
def test_a_file_renamed_between_listing_and_opening_is_no_loss(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, *, new_one: bool
) -> None:
    """Whether or not the next job has made a new live file already."""
    opened = 0

    def open_late(path: Path) -> HistoryFile:
        nonlocal opened
        opened += path == pool.live
        if opened == 2:
            pool.rotate()
            if new_one:
                pool.end_jobs(1)
        return open_history(path)

    pool.end_jobs(2)
    monkeypatch.setattr(probe.history_source, "open_history", open_late)
    report = run(pool.ledger, pool.live)
    assert (report.exit_code, read_gaps(pool.ledger)) == (ExitCode.DONE, [])
    assert clusters(pool.ledger) == list(range(1, pool.last + 1))


def test_a_rotation_that_vanishes_before_it_is_opened_is_found_compressed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.end_jobs(2)
    rotated = pool.rotate()
    pool.end_jobs(1)

    def open_late(path: Path) -> HistoryFile:
        if path == rotated:
            gzipped(rotated)
        return open_history(path)

    monkeypatch.setattr(probe.history_source, "open_history", open_late)
    assert pool.account() == ExitCode.DONE


def test_two_histories_of_one_schedd_are_read_in_one_run(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for n, folder in enumerate(folders):
        folder.mkdir()
        (folder / "history").write_text(jobs(10 * n + 1, 10 * n + 3))
    live = [folder / "history" for folder in folders]
    assert run(tmp_path / "ledger", *live).read == 6
    (live[1]).write_text(jobs(11, 13) + job(14))
    assert run(tmp_path / "ledger", *live).read == 1
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 11, 12, 13, 14]
