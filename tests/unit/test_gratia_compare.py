"""Our usage records beside the official probe's: sums, jobs, and nothing unreadable."""

import datetime as dt
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from poolmeter.errors import ExitCode, UsageError
from probe.gratia.compare import Comparison, Period, compare
from probe.gratia.foreign_record import ForeignXmlError, duration_ms, records_in
from probe.gratia.migration_cli import compare_command
from probe.gratia.record_files import LIMIT_BYTES

NAMESPACE = "http://www.gridforum.org/2003/ur-wg"
DAY = dt.date(2026, 11, 22)
DUTY = "2026-11-22T08:54:33Z"


def record(
    job: str = "1.0",
    *,
    vo: str = "cms",
    end: str | None = DUTY,
    wall: str = "PT1H",
    cpu: str = "PT30M0.5S",
    njobs: int = 1,
) -> str:
    """Return a record as the official probe writes it."""
    ended = "" if end is None else f'<EndTime urwg:description="x">{end}</EndTime>'
    name = f"ap1.example.org#{job}#1795337647"
    return (
        f'<JobUsageRecord xmlns="{NAMESPACE}" xmlns:urwg="{NAMESPACE}">'
        f"<JobIdentity><GlobalJobId>condor.{name}</GlobalJobId>"
        f"<LocalJobId>{job}</LocalJobId></JobIdentity><UserIdentity>"
        f"<VOName>/{vo}/Role=NULL</VOName><ReportableVOName>{vo}</ReportableVOName>"
        f"</UserIdentity><JobName>{name}</JobName><WallDuration>{wall}</WallDuration>"
        f'<CpuDuration urwg:usageType="user">{cpu}</CpuDuration>'
        f'<CpuDuration urwg:usageType="system">PT2S</CpuDuration>{ended}'
        f"<Njobs>{njobs}</Njobs></JobUsageRecord>"
    )


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """The official probe's outbox."""
    outbox = tmp_path / "gratiafiles" / "subdir.condor-ap_ap1" / "outbox"
    outbox.mkdir(parents=True)
    return outbox


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Our outbox."""
    outbox = tmp_path / "ours"
    outbox.mkdir()
    return outbox


def put(folder: Path, *records: str) -> None:
    """Write each of *records* to a file of its own, as the official probe does."""
    start = len(list(folder.iterdir()))
    for number, text in enumerate(records, start=start):
        path = folder / f"r.4711.gratia.xml__{number:010}"
        path.write_text(f'<?xml version="1.0"?>\n{text}\n', "utf-8")


def bundle(folder: Path, *records: str) -> None:
    """Write *records* as one envelope."""
    text = f"<RecordEnvelope>{''.join(records)}</RecordEnvelope>"
    (folder / "2026-11-22-abc.xml").write_text(text, "utf-8")


def differing(comparison: Comparison) -> dict[str, int]:
    """Return how many jobs differ in which way."""
    return {kind: len(jobs) for kind, jobs in comparison.differing.items() if jobs}


def test_equal_records_are_equal_whatever_holds_them(
    official: Path, ours: Path
) -> None:
    put(official, record("1.0"), record("2.0", vo="atlas"))
    bundle(ours, record("2.0", vo="atlas"), "<ProbeDetails/>", record("1.0"))

    found = compare(official.parents[2], ours)
    assert found.exit_code == ExitCode.DONE
    assert [
        (line, one.jobs, one.wall_ms, one.cpu_ms) for line, one, _ in found.lines()
    ] == [
        ((DAY, "atlas"), 1, 3_600_000, 1_802_500),
        ((DAY, "cms"), 1, 3_600_000, 1_802_500),
    ]
    assert all(one == other for _, one, other in found.lines())


CASES: dict[str, tuple[list[str], list[str]]] = {
    "only official": ([record()], []),
    "only ours": ([], [record()]),
    "no end in official": ([record(end=None)], [record()]),
    "another end": ([record()], [record(end="2026-11-22T08:54:34Z")]),
    "another VO": ([record()], [record(vo="atlas")]),
    "another wall time": ([record()], [record(wall="PT1H2S")]),
    "another CPU time": ([record()], [record(cpu="PT30M3S")]),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_difference_is_named_by_its_kind(
    official: Path, ours: Path, kind: str
) -> None:
    put(official, *CASES[kind][0])
    put(ours, *CASES[kind][1])

    found = compare(official, ours)
    assert differing(found) == {kind: 1}
    assert found.exit_code == ExitCode.SET_ASIDE


def test_rounding_is_no_difference(official: Path, ours: Path) -> None:
    put(official, record(cpu="PT30M0.5S"))
    put(ours, record(cpu="PT1800.496S"))

    found = compare(official, ours)
    assert found.exit_code == ExitCode.DONE
    assert all(one.is_near(other) for _, one, other in found.lines())


def test_a_repeated_record_counts_once(official: Path, ours: Path) -> None:
    put(official, record(), record())
    put(ours, record())

    found = compare(official, ours)
    assert (found.official.records, found.official.repeated) == (1, 1)
    assert found.exit_code == ExitCode.DONE


def test_the_runs_of_a_job_are_its_sum(official: Path, ours: Path) -> None:
    put(official, record(wall="PT3H", cpu="PT1H"))
    early = {"end": "2026-11-22T05:00:00Z", "njobs": 0, "cpu": "PT20M", "wall": "PT1H"}
    put(ours, record(**early), record(wall="PT2H", cpu="PT39M58S"))  # type: ignore[arg-type]

    assert differing(compare(official, ours)) == {}


def test_tared_backlogs_are_read(official: Path, ours: Path) -> None:
    store = official.parent / "staged" / "store"
    store.mkdir(parents=True)
    with tarfile.open(store / "tz.4711.gratia.xml__abcdefghij", "w:bz2") as archive:
        for number in range(3):
            content = record(f"{number}.0").encode()
            member = tarfile.TarInfo(f"r.4711.gratia.xml__{number}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    put(ours, *(record(f"{number}.0") for number in range(3)))

    found = compare(official.parent, ours)
    assert found.official.records == 3
    assert found.exit_code == ExitCode.DONE


def test_job_ads_in_a_quarantine_are_passed_over(official: Path, ours: Path) -> None:
    put(official, record())
    (official / "history.1.0").write_text("ClusterId = 1\nProcId = 0\n")
    put(ours, record())

    assert compare(official, ours).exit_code == ExitCode.DONE


def test_only_ends_of_the_period_are_compared(official: Path, ours: Path) -> None:
    put(official, record("1.0"), record("2.0", end="2026-11-21T23:59:59Z"))
    put(ours, record("1.0"), record("3.0", end="2026-11-23T00:00:00Z"))
    midnight = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)

    found = compare(official, ours, Period(midnight, midnight + dt.timedelta(days=1)))
    assert (found.official.outside, found.ours.outside) == (1, 1)
    assert found.exit_code == ExitCode.DONE


def test_times_of_other_zones_are_the_same_times(official: Path, ours: Path) -> None:
    put(official, record(end="2026-11-23T00:30:00+01:00"))
    put(ours, record(end="2026-11-22T23:30:00Z"))

    found = compare(official, ours)
    assert found.exit_code == ExitCode.DONE
    assert [line for line, _, _ in found.lines()] == [(DAY, "cms")]


def test_what_we_have_set_aside_is_not_ours_to_send(official: Path, ours: Path) -> None:
    put(official, record())
    (ours / "quarantine").mkdir()
    bundle(ours / "quarantine", record())

    assert differing(compare(official, ours)) == {"only official": 1}


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"<JobUsageRecord>")
        file.truncate(LIMIT_BYTES + 1)


def torn_archive(path: Path) -> None:
    path.write_bytes(b"BZh91AY&SY torn")


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "torn": lambda path: path.write_text(record()[:-10]),
    "duration": lambda path: path.write_text(record(wall="3723")),
    "time": lambda path: path.write_text(record(end="yesterday")),
    "zone": lambda path: path.write_text(record(end="2026-11-22T08:00:00")),
    "entities": lambda path: path.write_text(
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + record()
    ),
    "large": too_large,
    "archive": torn_archive,
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_what_cannot_be_read_is_named_and_the_rest_compared(
    official: Path, ours: Path, fault: str
) -> None:
    put(official, record())
    put(ours, record())
    UNREADABLE[fault](official / "r.1.gratia.xml__bad")

    found = compare(official, ours)
    assert len(found.official.unreadable) == 1
    assert "r.1.gratia.xml__bad: " in found.official.unreadable[0]
    assert found.official.records == 1
    assert found.exit_code == ExitCode.SET_ASIDE


def test_a_file_that_is_too_large_is_not_parsed(official: Path, ours: Path) -> None:
    too_large(official / "r.1.gratia.xml__bad")

    (fault,) = compare(official, ours).official.unreadable
    assert fault.endswith("larger than 10,485,760 bytes")


def test_links_are_not_followed(official: Path, ours: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere, record())
    (official / "link.xml").symlink_to(next(elsewhere.iterdir()))
    (official / "folder").symlink_to(elsewhere)

    assert compare(official, ours).official.records == 0


def test_a_document_type_is_refused() -> None:
    with pytest.raises(ForeignXmlError, match="document type"):
        list(records_in(b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>"))


@pytest.mark.parametrize("text", ["", "P", "PT", "3723", "PT62.05M", "P1Y", "PT-1S"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ForeignXmlError):
        duration_ms(text)


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(compare_command, [str(word) for word in arguments])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_command_shows_a_table_and_the_jobs(official: Path, ours: Path) -> None:
    put(official, record("1.0"), record("2.0", end=None))
    put(ours, record("1.0"), record("2.0"))

    code, text = run("--official", official, "--ours", ours)
    lines = text.splitlines()
    assert code == 3
    assert lines[0].split() == [
        *("day", "VO", "jobs", "ours", "wall", "h", "ours", "CPU", "h", "ours"),
    ]
    assert lines[1].split() == [
        *("no", "end", "cms", "1", "0", "1.00", "0.00", "0.50", "0.00", "differs"),
    ]
    assert "ap1.example.org#2.0#1795337647" in text
    assert "1 x no end in official (" in text


def test_the_command_gives_the_same_as_data(official: Path, ours: Path) -> None:
    put(official, record("1.0"))
    put(ours, record("1.0"), record("2.0"))

    code, text = run("--official", official, "--ours", ours, "--format", "json")
    data = json.loads(text)
    assert code == 3
    assert data["lines"][0]["official"] == {
        "jobs": 1,
        "wall_ms": 3_600_000,
        "cpu_ms": 1_802_500,
    }
    assert len(data["differing"]["only ours"]) == 1


def test_the_commands_period_is_utc(official: Path, ours: Path) -> None:
    put(official, record())
    put(ours)

    code, text = run("--official", official, "--ours", ours, "--since", "2026-11-23")
    assert code == 0
    assert "1 outside of the period" in text


def test_the_command_refuses_a_folder_that_is_not_there(official: Path) -> None:
    with pytest.raises(UsageError, match="expected a folder of usage records"):
        run("--official", official, "--ours", official / "none")
