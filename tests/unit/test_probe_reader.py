"""From the bytes of a history file to jobs, kinds skipped, and records set aside."""

import base64
import contextlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from poolmeter.attributes import Attribute, known_attributes
from poolmeter.errors import ExitCode
from poolmeter.ledger.schema import table_of
from probe.banner import parse_banner
from probe.normalise.job import NotAJobError
from probe.run import RunReport
from tests.ads import (
    NOW,
    SCHEDD,
    banner,
    clusters,
    completed,
    job,
    jobs,
    record_of,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("reader")


def read_text(folder: Path, text: str | bytes) -> RunReport:
    """Run the probe over a history of *text* into the ledger ``folder/ledger``."""
    history = folder / "history"
    now_s = NOW.timestamp()
    history.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(history, (now_s, now_s))
    return run(folder / "ledger", history)


def quarantined(folder: Path) -> list[bytes]:
    """Return the bytes of every record that was set aside, ad and banner."""
    found = (folder / "ledger" / ".state" / "quarantine").glob("*.json")
    kept = [json.loads(path.read_text("utf-8")) for path in found]
    return [
        base64.b64decode(record["ad_base64"])
        + base64.b64decode(record["banner_base64"])
        for record in sorted(kept, key=lambda record: record["start_byte"])
    ]


BANNERS = [
    '*** Offset = 1932 ClusterId = 8 ProcId = 0 Owner = "alice" CompletionDate = 7',
    '*** Offset = -2147483648 ClusterId = 8 ProcId = 0 Owner = "a" CompletionDate = -1',
    '*** ClusterId=8 ProcId=0 Owner="a" CompletionDate=7 CurrentTime=1794312001',
    '*** Offset = 0 ClusterId = 8 ProcId = 0 Owner = "b\\"c" CompletionDate = 7 New=1',
    "*** ProcId = 0 ClusterId = 8",
    "***   Offset = 0   ClusterId  =  8  ProcId = 0   ",
    '*** Offset = 0 ClusterId = 8 ProcId = 0 Owner = "" CompletionDate = 7\r',
    '*** Offset = 0 ClusterId = 8 ProcId = 0 Owner = "x ProcId = 9" CompletionDate = 7',
    "*** JOB ClusterId=8 ProcId=0",
]


@pytest.mark.parametrize("line", BANNERS)
def test_every_form_of_a_job_banner_ends_its_record(tmp_path: Path, line: str) -> None:
    report = read_text(tmp_path, job(1) + completed() + line + "\n" + job(9))
    assert (report.exit_code, report.read) == (ExitCode.DONE, 3)
    assert clusters(tmp_path / "ledger") == [1, 8, 9]


def test_the_word_after_the_stars_is_the_kind() -> None:
    kinds = {
        "*** EPOCH ClusterId=4 ProcId=0": "EPOCH",
        "*** spawn ClusterId=4": "SPAWN",
        "*** INPUT\n": "INPUT",
        "***": "JOB",
        "*** ClusterId=4": "JOB",
        "*** ClusterId = 4": "JOB",
    }
    assert kinds == {line: parse_banner(line).kind for line in kinds}


def test_records_of_other_kinds_are_counted_by_name_and_skipped(tmp_path: Path) -> None:
    kinds = (
        "INPUT",
        "OUTPUT",
        "CHECKPOINT",
        "COMMON",
        "STARTD",
        "SPAWN",
        "NEW",
        "INPUT",
    )
    others = "".join(
        f'A = "{kind}"\n*** {kind} ClusterId=1 ProcId=0\n' for kind in kinds
    )
    report = read_text(tmp_path, job(1) + others + job(2))
    assert report.skipped == Counter(kinds)
    assert (report.exit_code, clusters(tmp_path / "ledger")) == (ExitCode.DONE, [1, 2])


def test_what_looks_like_a_banner_inside_a_string_is_none(tmp_path: Path) -> None:
    fake = r'"x *** Offset = 0 ClusterId = 666 ProcId = 0 \" *** EPOCH ClusterId=1"'
    report = read_text(tmp_path, completed(Args=fake, ProjectName=fake) + banner())
    (row,) = rows(tmp_path / "ledger")
    expected = fake[1:-1].replace('\\"', '"')
    assert (report.read, row["cluster_id"], row["project"]) == (1, 8, expected)


def test_a_record_that_is_still_written_is_left_for_the_next_run(
    tmp_path: Path,
) -> None:
    text = jobs(1, 2)
    for cut in (1, 40, len(banner(2)) + 10, len(job(2)) - 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        first = read_text(folder, text[:-cut])
        assert (first.read, clusters(folder / "ledger")) == (1, [1]), cut
        second = read_text(folder, text)
        assert (second.read, clusters(folder / "ledger")) == (1, [1, 2]), cut
        assert second.exit_code == ExitCode.DONE


@pytest.mark.parametrize("length", [1, 5, 10, 11, 12, 13, 40])
def test_a_first_record_that_is_still_written_is_left_for_the_next_run(
    tmp_path: Path, length: int
) -> None:
    first = read_text(tmp_path, job(1)[:length])
    assert (first.read, first.exit_code) == (0, ExitCode.DONE)
    second = read_text(tmp_path, job(1))
    assert (second.read, second.exit_code) == (1, ExitCode.DONE)


BAD_RECORDS = {
    "a line without =": completed() + "no equals sign\n" + banner(),
    "an operator without its operand": completed(A="1 +") + banner(),
    "no value": completed() + "A = \n" + banner(),
    "a hexadecimal number": completed(A="0x1F") + banner(),
    "a NUL byte": completed(A='"a\0b"') + banner(),
    "NUL bytes after a power cut": completed() + "\0" * 4096 + "\n" + banner(),
    "an open string": completed(A='"open') + banner(),
    "an open bracket": completed(A="(1 + (2)") + banner(),
    "a comment": completed() + "# comment\n" + banner(),
    "a new ClassAd": "[ ClusterId = 8; ProcId = 0 ]\n" + banner(),
    "two ads in one": completed(ClusterId=7) + completed() + banner(),
    "a second proc": completed() + completed(ProcId=1) + banner(),
    "two submissions": completed() + 'GlobalJobId = "ap#8.0#7"\n' + banner(),
    "no ad": banner(),
    "only blank lines": "\n\n" + banner(),
    "another job's banner": completed() + banner(9),
    "a banner without ids": completed() + "*** Offset = 0\n",
    "a banner that was cut": completed()
    + '*** Offset = 0 ClusterId = 8 PrArgs = "5"\n',
    "bare stars": completed() + "***\n",
    "no cluster": completed(ClusterId=None) + banner(),
    "no proc": completed(ProcId='"0"') + banner(),
    "a running job": completed(JobStatus=2) + banner(),
    "no status": completed(JobStatus=None) + banner(),
    "a status that is no number": completed(JobStatus='"4"') + banner(),
    "no end": completed(EnteredCurrentStatus=None, CompletionDate=None) + banner(),
    "a cluster beyond 64 bits": completed(ClusterId=2**63) + banner(2**63),
    "a proc beyond 32 bits": completed(ProcId=2**31) + banner(8, 2**31),
}


@pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_broken_record_is_set_aside_with_its_bytes_and_the_others_are_kept(
    tmp_path: Path, bad: str
) -> None:
    """Wherever it stands: first, between others, or last in its file."""
    report = read_text(tmp_path, bad + jobs(1, 2) + bad + jobs(20, 21) + bad)
    assert clusters(tmp_path / "ledger") == [1, 2, 20, 21]
    assert quarantined(tmp_path) == [bad.encode()] * 3
    assert (report.exit_code, report.read, report.set_aside.total()) == (
        ExitCode.SET_ASIDE,
        7,
        3,
    )


def test_a_record_set_aside_is_told_once_and_kept_once(tmp_path: Path) -> None:
    text = job(1) + BAD_RECORDS["no value"] + job(2)
    assert read_text(tmp_path, text).exit_code == ExitCode.SET_ASIDE
    assert read_text(tmp_path, text).exit_code == ExitCode.DONE
    (tmp_path / "ledger" / ".state" / "checkpoints" / f"{SCHEDD}.jsonl").unlink()
    assert read_text(tmp_path, text).exit_code == ExitCode.SET_ASIDE
    assert len(quarantined(tmp_path)) == 1


def test_bytes_that_are_no_utf_8_are_kept_visibly_and_exactly_in_quarantine(
    tmp_path: Path,
) -> None:
    latin = completed(ProjectName='"na\\"ve"').encode().replace(b"\\", b"\xef\\")
    broken = latin.replace(b"ClusterId = 8", b"ClusterId = \xff")
    text = latin + banner().encode() + broken + banner().encode()
    report = read_text(tmp_path, text)
    (row,) = rows(tmp_path / "ledger")
    assert row["project"] == 'na\\xef"ve'
    assert quarantined(tmp_path) == [broken + banner().encode()]
    assert report.set_aside.total() == 1


def test_lines_may_end_in_cr_lf(tmp_path: Path) -> None:
    report = read_text(tmp_path, jobs(1, 3).replace("\n", "\r\n"))
    assert (report.exit_code, clusters(tmp_path / "ledger")) == (
        ExitCode.DONE,
        [1, 2, 3],
    )
    assert {row["wall_s"] for row in rows(tmp_path / "ledger")} == {61, 62, 63}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r'"C:\path\"', "C:\\path\\"),
        (r'"a\nb\tc\\d"', r"a\nb\tc\\d"),
        (r'"say \"x\""', 'say "x"'),
        ('"naïve 日本"', "naïve 日本"),
        ('"tab\there\'s"', "tab\there's"),
        (r'"\"', "\\"),
        ('"a;b=c[d]{e}"', "a;b=c[d]{e}"),
        ('"\\u00e9"', "\\u00e9"),
    ],
)
def test_old_classad_strings_know_one_escape(
    tmp_path: Path, written: str, expected: str
) -> None:
    read_text(tmp_path, completed(ProjectName=written, Zz=5) + banner())
    assert [row["project"] for row in rows(tmp_path / "ledger")] == [expected]


def test_a_record_may_hold_a_string_of_many_megabytes(tmp_path: Path) -> None:
    text = completed(Environment=f'"{"x" * 5_000_000}"') + banner() + job(9)
    assert read_text(tmp_path, text).exit_code == ExitCode.DONE
    assert clusters(tmp_path / "ledger") == [8, 9]


HOSTILE = {
    "a number of 5000 digits": "9" * 5000,
    "a negative number of 5000 digits": "-" + "9" * 5000,
    "half a character": 'substr("é", 0, 1)',
    "a time no date can hold": "absTime(99999999999999)",
    "a chain that doubles": "A40",
    "a circle": "ProjectName",
    "random": "random()",
    "time": "time()",
    "too many brackets": "(" * 20_000 + "1" + ")" * 20_000,
    "a sum without end": "1" + "+1" * 300_000,
    "a real beyond all": "1e999",
    "an ad": "[ a = [ b = 1 ] ]",
    "a list": "{ 1, { 2 } }",
    "a deep list": "{" * 10_000 + "}" * 10_000,
    "a function nobody knows": "nosuch(1, 2)",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_value_that_an_owner_can_write_stops_a_run(
    tmp_path: Path, value: str
) -> None:
    chain = "".join(f"A{n} = A{n - 1} + A{n - 1}\n" for n in range(1, 41)) + "A0 = 1\n"
    hostile = completed(
        ProjectName=value,
        RequestMemory=value,
        glexec_time=value,
        NetworkOutgoingExternal=value,
        LeaveJobInQueue=value,
    )
    report = read_text(tmp_path, job(1) + hostile + chain + banner() + job(9))
    kept = clusters(tmp_path / "ledger")
    assert (report.read, [n for n in kept if n != 8]) == (3, [1, 9])
    assert len(kept) + report.set_aside.total() == 3


@pytest.mark.parametrize("name", known_attributes())
def test_no_number_anywhere_is_too_large_for_a_row(name: Attribute) -> None:
    """Each is left out with a warning, or its job is; the run goes on."""
    for value in (253_402_300_800, 10**15, 2**63 - 1, "1e18", "-1e18", "1e-300"):
        with contextlib.suppress(NotAJobError):
            table_of([record_of(completed(**{name: value}))])


@pytest.mark.parametrize(
    "written_s", [0, -1, -(10**17), 10**12, 10**17, 10**25, 253_402_300_799]
)
def test_a_banner_of_an_impossible_time_is_not_believed(
    tmp_path: Path, written_s: int
) -> None:
    line = f"*** ClusterId=8 ProcId=0 CurrentTime={written_s}\n"
    report = read_text(tmp_path, job(1) + completed() + line + job(9))
    assert (report.read, report.exit_code, report.contradicted) == (
        3,
        ExitCode.DONE,
        0,
    )


@pytest.mark.parametrize("value", ["random(100)", "time()"])
def test_a_value_that_changes_with_each_reading_is_no_value(
    tmp_path: Path, value: str
) -> None:
    """Else the same record read twice would conflict with itself."""
    text = completed(RequestMemory=value) + banner()
    report = read_text(tmp_path, text)
    (row,) = rows(tmp_path / "ledger")
    assert (row["memory_requested_bytes"], report.warnings.total()) == (None, 1)
