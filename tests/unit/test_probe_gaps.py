"""Records that may be lost are said: a gap row, exit code 3, once."""

import datetime as dt
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import probe.run
from poolmeter.errors import ExitCode, LedgerError, LedgerMismatchError, UsageError
from poolmeter.ledger.gaps import read_gaps
from probe.checkpoint import checkpoint_path
from probe.run import RunReport
from tests.ads import (
    END_S,
    NOW,
    SCHEDD,
    banner,
    clusters,
    completed,
    folder_state,
    job,
    jobs,
    run,
)

pytestmark = pytest.mark.usefixtures("reader")

DAY = dt.timedelta(days=1)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A live history of three jobs, read at NOW."""
    path = tmp_path / "spool" / "history"
    path.parent.mkdir()
    path.write_text(jobs(1, 3))
    assert account(path, days=0).exit_code == ExitCode.DONE
    return path


def ledger_of(live: Path) -> Path:
    """Return the ledger that belongs to the history *live*."""
    return live.parents[1] / "ledger"


def account(live: Path, *, days: int = 1) -> RunReport:
    """Run the probe so many days after NOW."""
    return run(ledger_of(live), live, now=NOW + days * DAY)


def assert_one_gap(live: Path, reason: str, jobs_kept: list[int]) -> None:
    """Assert that the next day's run finds the loss, and the one after it not again."""
    assert account(live).exit_code == ExitCode.SET_ASIDE
    again = account(live, days=2)
    assert (again.exit_code, again.gaps) == (ExitCode.DONE, [])
    (gap,) = read_gaps(ledger_of(live))
    assert (gap.schedd, gap.source, gap.from_at, gap.to_at) == (
        SCHEDD,
        str(live),
        NOW,
        NOW + DAY,
    )
    assert reason in gap.reason
    assert clusters(ledger_of(live)) == jobs_kept


def test_more_rotations_than_are_kept_are_a_gap(live: Path) -> None:
    live.write_text(jobs(20, 22))
    assert_one_gap(live, "live file lost", [1, 2, 3, 20, 21, 22])


def test_a_lost_live_file_is_a_gap_where_only_other_rotations_are_left(
    live: Path,
) -> None:
    live.rename(live.with_name("history.1")).write_text(jobs(20, 21))
    assert_one_gap(live, "live file lost", [1, 2, 3, 20, 21])


def test_a_history_that_is_gone_is_a_gap(live: Path) -> None:
    live.unlink()
    assert account(live).exit_code == ExitCode.SET_ASIDE
    assert len(read_gaps(ledger_of(live))) == 1
    assert clusters(ledger_of(live)) == [1, 2, 3]


def test_a_truncated_live_file_is_a_gap_and_is_read_anew(live: Path) -> None:
    live.write_text(jobs(1, 2))
    assert_one_gap(live, "truncated", [1, 2, 3])


def test_a_file_cut_within_a_record_goes_on_where_it_was_cut(live: Path) -> None:
    os.truncate(live, len(jobs(1, 2)) + 100)
    assert account(live).exit_code == ExitCode.SET_ASIDE
    live.write_text(jobs(1, 2) + jobs(7, 8))
    assert account(live, days=2).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == [1, 2, 3, 7, 8]


def test_an_overwritten_live_file_is_a_gap_and_is_read_anew(live: Path) -> None:
    live.write_text(job(1) + jobs(20, 24))
    assert_one_gap(live, "overwritten", [1, 2, 3, 20, 21, 22, 23, 24])


def test_a_live_file_emptied_in_place_is_a_gap(live: Path) -> None:
    os.truncate(live, 0)
    assert account(live).exit_code == ExitCode.SET_ASIDE
    live.write_text(jobs(20, 21))
    report = account(live, days=2)
    assert clusters(ledger_of(live)) == [1, 2, 3, 20, 21]
    assert len(read_gaps(ledger_of(live))) == 1
    assert report.exit_code == ExitCode.DONE


def zstandard(content: bytes) -> bytes:
    """Return *content* compressed as zstd(1) does."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard,
}
#: How much of a compressed file is there: so many bytes, or that share of it.
PARTS = [0, 1, 2, 3, 4, 20, 0.5, 0.99]


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("part", PARTS)
def test_a_file_being_compressed_beside_the_plain_one_is_no_loss(
    live: Path, part: float, suffix: str
) -> None:
    with live.open("a") as out:
        out.write(jobs(4, 40))
    rotated = live.rename(live.with_name("history.20261122T110000"))
    whole = COMPRESSIONS[suffix](rotated.read_bytes())
    made = rotated.with_name(f"{rotated.name}.{suffix}")
    made.write_bytes(whole[: part_of(whole, part)])
    live.write_text(job(41))
    assert account(live).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == list(range(1, 42))
    made.write_bytes(whole)
    rotated.unlink()
    assert account(live, days=2).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == list(range(1, 42))


def part_of(whole: bytes, part: float) -> int:
    """Return how many bytes of *whole* are there."""
    return part if isinstance(part, int) else int(len(whole) * part)


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("part", PARTS)
def test_a_torn_file_alone_is_a_gap_until_it_is_whole(
    live: Path, part: float, suffix: str
) -> None:
    with live.open("a") as out:
        out.write(jobs(4, 40))
    whole = COMPRESSIONS[suffix](live.read_bytes())
    made = live.with_name(f"history.20261122T110000.{suffix}")
    made.write_bytes(whole[: part_of(whole, part)])
    live.write_text(job(41))
    first = account(live)
    assert first.exit_code == ExitCode.SET_ASIDE
    assert any(made.name in gap.reason for gap in first.gaps)
    kept = clusters(ledger_of(live))
    assert (kept[:3], kept[-1]) == ([1, 2, 3], 41)
    made.write_bytes(whole)
    assert account(live, days=2).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == list(range(1, 42))


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_what_stands_before_a_tear_is_read_and_the_rest_is_a_gap(
    live: Path, suffix: str
) -> None:
    with live.open("a") as out:
        out.write(jobs(4, 400))
    whole = COMPRESSIONS[suffix](live.read_bytes())
    made = live.with_name(f"history.20261122T110000.{suffix}")
    made.write_bytes(whole[:-40])
    live.write_text(job(500))
    report = account(live)
    kept = clusters(ledger_of(live))
    assert (report.exit_code, kept[:3], kept[-1]) == (
        ExitCode.SET_ASIDE,
        [1, 2, 3],
        500,
    )
    assert kept == [*range(1, len(kept)), 500]
    made.write_bytes(whole)
    assert account(live, days=2).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == [*range(1, 401), 500]


def test_an_empty_history_is_no_error_and_no_gap(tmp_path: Path) -> None:
    live = tmp_path / "history"
    live.touch()
    ledger = tmp_path / "ledger"
    assert run(ledger, live).exit_code == ExitCode.DONE
    live.write_text(jobs(1, 2))
    assert run(ledger, live).exit_code == ExitCode.DONE
    assert (clusters(ledger), read_gaps(ledger)) == ([1, 2], [])


def test_a_missing_live_file_beside_rotations_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "history.20261122T110000").write_text(jobs(1, 2))
    live = tmp_path / "history"
    assert run(tmp_path / "ledger", live).exit_code == ExitCode.DONE
    live.write_text(jobs(3, 4))
    assert run(tmp_path / "ledger", live).exit_code == ExitCode.DONE
    assert clusters(tmp_path / "ledger") == [1, 2, 3, 4]


def test_a_history_that_never_was_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        run(tmp_path / "ledger", tmp_path / "history")


def test_a_rotation_that_is_no_history_is_set_aside(live: Path) -> None:
    live.with_name("history.1").write_text("<xml>\n</xml>\n")
    report = account(live)
    assert (report.exit_code, report.set_aside.total()) == (ExitCode.SET_ASIDE, 1)
    assert clusters(ledger_of(live)) == [1, 2, 3]


class _KilledError(Exception):
    """Stands for a kill: nothing after it is done."""


def test_a_rotation_lost_before_it_was_read_to_its_end_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed has read a part of it; then it is rotated away."""
    monkeypatch.setattr(probe.run, "COMMIT_ROWS", 2)
    ledger = tmp_path / "ledger"
    live = tmp_path / "history"
    rotated = tmp_path / "history.20261121T110000"
    rotated.write_text(jobs(1, 9))
    live.write_text(job(10))

    def kill(path: Path, done_bytes: int, size_bytes: int) -> None:
        if path == rotated and done_bytes > size_bytes / 2:
            raise _KilledError

    with pytest.raises(_KilledError):
        run(ledger, live, progress=kill)
    assert clusters(ledger) == [1, 2, 3, 10]
    rotated.unlink()
    report = run(ledger, live, now=NOW + DAY)
    assert report.exit_code == ExitCode.SET_ASIDE
    (gap,) = read_gaps(ledger)
    last_read = dt.datetime.fromtimestamp(END_S + 3 * 600, dt.UTC)
    assert gap.from_at <= last_read
    assert gap.to_at == NOW + DAY


def test_a_rotation_lost_before_a_killed_run_opened_it_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed; what was read of other files was committed already."""
    monkeypatch.setattr(probe.run, "COMMIT_ROWS", 2)
    ledger, live = tmp_path / "ledger", tmp_path / "history"
    live.write_text(jobs(1, 3))
    run(ledger, live)
    former = live.rename(tmp_path / "history.20261122T130000")
    unread = tmp_path / "history.20261122T140000"
    unread.write_text(jobs(4, 9))
    live.write_text(jobs(10, 15))
    assert_killed(ledger, live, at=live)
    unread.unlink()
    report = run(ledger, live, now=NOW + 2 * DAY)
    assert report.exit_code == ExitCode.SET_ASIDE
    (gap,) = read_gaps(ledger)
    assert (gap.from_at, gap.to_at) == (NOW, NOW + 2 * DAY)
    assert gap.reason == "file lost before it was read to its end"
    assert former.exists()
    assert clusters(ledger) == [1, 2, 3, *range(10, 16)]
    assert run(ledger, live, now=NOW + 3 * DAY).exit_code == ExitCode.DONE


def test_a_former_live_file_lost_before_a_killed_run_came_to_it_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had grown before it was rotated; the new live file was read already."""
    monkeypatch.setattr(probe.run, "COMMIT_ROWS", 2)
    ledger, live = tmp_path / "ledger", tmp_path / "history"
    live.write_text(jobs(1, 3))
    run(ledger, live)
    with live.open("a") as out:
        out.write(jobs(4, 9))
    former = live.rename(tmp_path / "history.20261122T130000")
    live.write_text(jobs(10, 15))
    assert_killed(ledger, live, at=live)
    former.unlink()
    assert run(ledger, live, now=NOW + 2 * DAY).exit_code == ExitCode.SET_ASIDE
    (gap,) = read_gaps(ledger)
    assert (gap.reason, gap.from_at) == ("live file lost", NOW)


def test_nothing_is_a_gap_where_all_is_still_there_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe.run, "COMMIT_ROWS", 2)
    ledger, live = tmp_path / "ledger", tmp_path / "history"
    live.write_text(jobs(1, 3))
    run(ledger, live)
    live.rename(tmp_path / "history.20261122T130000")
    (tmp_path / "history.20261122T140000").write_text(jobs(4, 9))
    live.write_text(jobs(10, 15))
    assert_killed(ledger, live, at=live)
    plain = tmp_path / "history.20261122T140000"
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert run(ledger, live, now=NOW + 2 * DAY).exit_code == ExitCode.DONE
    assert clusters(ledger) == list(range(1, 16))


def test_a_rotation_lost_between_listing_and_opening_is_a_gap(
    live: Path,
) -> None:
    """In one run: it is deleted while the live file is read."""
    unread = live.with_name("history.20261122T140000")
    unread.write_text(jobs(4, 9))
    with live.open("a") as out:
        out.write(jobs(10, 11))

    def delete(path: Path, done_bytes: int, size_bytes: int) -> None:  # noqa: ARG001
        unread.unlink(missing_ok=True)

    report = run(ledger_of(live), live, now=NOW + DAY, progress=delete)
    assert report.exit_code == ExitCode.SET_ASIDE
    (gap,) = report.gaps
    assert (gap.reason, gap.from_at) == ("file lost before it was read to its end", NOW)


def assert_killed(ledger: Path, live: Path, *, at: Path) -> None:
    """Assert that a run is killed in the middle of the file *at*, after a commit."""

    def kill(path: Path, done_bytes: int, size_bytes: int) -> None:
        if path == at and done_bytes > size_bytes / 2:
            raise _KilledError

    with pytest.raises(_KilledError):
        run(ledger, live, now=NOW + DAY, progress=kill)


def test_a_lost_checkpoint_costs_time_and_nothing_else(live: Path) -> None:
    checkpoint_path(ledger_of(live), SCHEDD).unlink()
    report = account(live)
    assert (report.read, report.merged.repeated, report.exit_code) == (
        3,
        3,
        ExitCode.DONE,
    )
    assert clusters(ledger_of(live)) == [1, 2, 3]


@pytest.mark.parametrize("damage", ["{", "", "[1]\n[2]\n", '{"a": 1}\n{"source": 1}\n'])
def test_a_damaged_checkpoint_is_an_error_with_its_mend(
    live: Path, damage: str
) -> None:
    path = checkpoint_path(ledger_of(live), SCHEDD)
    header = path.read_text().splitlines()[0]
    path.write_text(f"{header}\n{damage}\n")
    with pytest.raises(LedgerError, match="delete it and run again"):
        account(live)


def test_a_history_read_as_another_schedd_is_refused(live: Path) -> None:
    before = folder_state(ledger_of(live) / "jobs")
    with pytest.raises(LedgerMismatchError, match=SCHEDD):
        run(ledger_of(live), live, schedd="other")
    assert folder_state(ledger_of(live) / "jobs") == before


def test_a_rotation_read_as_another_schedd_is_refused(live: Path) -> None:
    live.rename(live.with_name("history.1"))
    live.write_text(job(9))
    with pytest.raises(LedgerMismatchError):
        run(ledger_of(live), live, schedd="other")
    assert clusters(ledger_of(live)) == [1, 2, 3]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's rights inside the block; other users have none to give up."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_history_is_an_error_with_its_mend(tmp_path: Path) -> None:
    # pytest's own folders are closed to others; a worker of several has one more.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    live = tmp_path / "history"
    live.write_text(jobs(1, 2))
    live.chmod(0)
    ledger = tmp_path / "ledger"
    ledger.mkdir(mode=0o777)
    ledger.chmod(0o777)
    with as_nobody(), pytest.raises(UsageError, match="group condor"):
        run(ledger, live)
    assert not (ledger / "jobs").exists()


def test_a_second_file_of_the_same_first_record_is_read_on(live: Path) -> None:
    """As a copy made for safety, which went on growing."""
    copy = live.with_name("history.1")
    shutil.copyfile(live, copy)
    with copy.open("a") as out:
        out.write(completed(ClusterId=77) + banner(77))
    assert account(live).exit_code == ExitCode.DONE
    assert clusters(ledger_of(live)) == [1, 2, 3, 77]
