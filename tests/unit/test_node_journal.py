"""The journal: what was said to be durable is, and a part of it is enough to go on."""

import datetime as dt
import json
import os
import random
from pathlib import Path

import msgspec
import pytest

from collectors.errors import JournalError
from collectors.journal import appender as appender_module
from collectors.journal.appender import Appender
from collectors.journal.entries import (
    AnyEntry,
    End,
    Job,
    Process,
    Restored,
    Snapshot,
    Start,
    decode_entry,
    encode_entry,
)
from collectors.journal.files import journal_files, read_entries, repair_tail, state_of
from collectors.journal.runs import read_journal, summarise
from collectors.journal.writer import JournalWriter

NOW = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
COUNTS = {"NetworkOutgoingExternal": (1500, 1)}


def start(attach_id: str, at: dt.datetime = NOW) -> Start:
    return Start(
        at=at,
        attach_id=attach_id,
        job=Job(global_job_id="ap#1.0#1"),
        process=Process(17, 4711, 0),
        slot_number=3,
        boot_id="b",
        ipv6=False,
        rules="nftables",
    )


def end(attach_id: str, at: dt.datetime = NOW) -> End:
    return End(at=at, attach_id=attach_id, counts=COUNTS, final=True, how="exit")


def appender(folder: Path) -> Appender:
    return Appender(folder, keep_days=90)


def test_an_entry_is_a_line_and_comes_back() -> None:
    for entry in (start("a"), end("a"), Snapshot(at=NOW, counts={"a": COUNTS})):
        line = encode_entry(entry)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert decode_entry(line) == entry


def test_hostile_text_stays_in_its_line() -> None:
    hostile = Job(owner='"}\n{"kind":"end"\x00')
    entry = msgspec.structs.replace(start("a"), job=hostile)

    assert encode_entry(entry).count(b"\n") == 1
    assert decode_entry(encode_entry(entry)) == entry


def test_what_is_open_goes_on_after_a_restart(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a"), start("b")], NOW)
    journal.append([Snapshot(at=NOW, counts={"b": COUNTS}), end("a")], NOW)
    journal.append([Restored(at=NOW, attach_ids=("b",), found="gone")], NOW)
    journal.close()

    again = appender(tmp_path)
    assert list(again.state.runs) == ["b"]
    assert again.state.runs["b"].counts == COUNTS
    assert again.state.runs["b"].partial
    assert again.state.ended == {"a"}


def test_the_newest_file_is_enough(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a"), start("b"), start("c")], NOW)
    journal.append([Snapshot(at=NOW, counts={"a": COUNTS}), end("c")], NOW)
    journal.append([end("b")], NOW + DAY)
    journal.close()
    first, second = journal_files(tmp_path)
    assert [f.name for f in (first, second)] == [
        "00000001-20261005.jsonl",
        "00000002-20261006.jsonl",
    ]
    first.unlink()

    state = state_of(tmp_path)
    assert list(state.runs) == ["a"]
    assert state.runs["a"].counts == COUNTS
    assert state.ended == {"b", "c"}


def test_what_was_released_is_not_carried_on(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a"), end("a")], NOW)
    journal.state.released(["a"])
    journal.append([start("b")], NOW + DAY)
    journal.close()

    (carried, _) = read_entries(journal_files(tmp_path)[-1])
    assert getattr(carried, "ended") == ()  # noqa: B009 - any entry


def test_a_clock_that_goes_back_changes_no_order(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a")], NOW)
    journal.append([end("a")], NOW - 3 * DAY)
    journal.close()

    assert state_of(tmp_path).runs == {}
    assert summarise(read_journal(tmp_path)).faults == []


def test_a_torn_last_line_is_cut_at_any_byte(
    tmp_path: Path, rng: random.Random
) -> None:
    journal = appender(tmp_path)
    journal.append([start("a")], NOW)
    journal.close()
    (file,) = journal_files(tmp_path)
    whole = file.read_bytes()
    torn = encode_entry(end("a"))
    for cut in (1, len(torn) - 1, rng.randrange(1, len(torn))):
        file.write_bytes(whole + torn[:cut])
        journal = appender(tmp_path)
        journal.close()

        assert journal.repaired_bytes == cut
        assert file.read_bytes() == whole


def test_a_long_torn_line_is_cut_whole(tmp_path: Path) -> None:
    file = tmp_path / "00000001-20261005.jsonl"
    file.write_bytes(b'{"kind":1}\n' + b"x" * 200_000)

    assert repair_tail(file) == 200_000
    assert file.read_bytes() == b'{"kind":1}\n'


def test_a_crash_while_a_file_is_begun_loses_nothing(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a")], NOW)
    journal.close()
    for torn in (b"", b'{"kind":"carr'):
        begun = tmp_path / "00000002-20261006.jsonl"
        begun.write_bytes(torn)
        journal = appender(tmp_path)
        assert list(journal.state.runs) == ["a"]
        journal.append([end("a", NOW + DAY)], NOW + DAY)
        journal.close()

        assert state_of(tmp_path).runs == {}
        assert len(journal_files(tmp_path)) == 2
        begun.unlink()


def test_a_damaged_line_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    journal = appender(tmp_path)
    journal.append([start("a"), start("b")], NOW)
    journal.close()
    (file,) = journal_files(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\x00garbage\n" + lines[2])
    summary = summarise(read_journal(tmp_path))

    assert list(summary.runs) == ["b"]
    assert len(summary.faults) == 1
    assert f"{file}:2: expected a journal entry" in summary.faults[0]


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "00000001-20261005.jsonl"
    file.write_text('{"kind":"carried","version":2,"news":[]}\n')

    with pytest.raises(JournalError, match="version 1 or older, found version 2"):
        appender(tmp_path)
    assert len(file.read_bytes()) == 41


def test_contradictions_are_named() -> None:
    entries: list[AnyEntry] = [start("a"), start("a"), end("a"), end("a"), end("b")]

    assert summarise(entries).faults == [
        "a: started twice",
        "a: ended twice",
        "b: ended without a start",
    ]


def test_the_journal_is_for_root_alone(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = appender(folder)
    journal.append([start("a")], NOW)
    journal.close()

    assert folder.stat().st_mode & 0o777 == 0o700
    assert journal_files(folder)[0].stat().st_mode & 0o777 == 0o600


def test_old_files_go_and_the_newest_stays(tmp_path: Path) -> None:
    journal = Appender(tmp_path, keep_days=2)
    for day in range(4):
        journal.append([start(f"{day}")], NOW + day * DAY)
        for file in journal_files(tmp_path):
            os.utime(file, (0, 0))
    journal.close()

    assert [f.name for f in journal_files(tmp_path)] == ["00000004-20261008.jsonl"]


def test_a_large_file_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "ROTATE_BYTES", 500)
    journal = appender(tmp_path)
    for number in range(5):
        journal.append([start(f"{number}")], NOW)
    journal.close()

    assert len(journal_files(tmp_path)) > 1
    assert list(state_of(tmp_path).runs) == ["0", "1", "2", "3", "4"]


def test_many_callers_share_an_fsync_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        synced.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    writer = JournalWriter(appender(tmp_path), now=lambda: NOW)
    futures = [writer.submit([start(f"{number}")]) for number in range(50)]
    writer.start()
    for future in futures:
        future.result(5)
    writer.close(timeout_s=5)

    assert len(synced) < 10
    lines = journal_files(tmp_path)[0].read_text().splitlines()[1:]
    assert [json.loads(line)["attach_id"] for line in lines] == [
        str(number) for number in range(50)
    ]
