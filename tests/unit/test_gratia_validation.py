"""What the server would refuse, or store as nothing, is found before it is sent."""

import datetime as dt
import re

import pytest

from probe.gratia.reporting import Reporting
from probe.gratia.usage_record import usage_record
from probe.gratia.usage_record_xml import record_xml
from probe.gratia.validation import faults_of
from tests.ads import completed, record_of
from tests.gratia_server.envelope import XmlRefusedError, parse
from tests.gratia_server.flatten import Json, flatten

REPORTING = Reporting(
    site_name="EXAMPLE", cutover=dt.datetime(2025, 11, 1, tzinfo=dt.UTC)
)
GOOD = record_xml(
    usage_record(record_of(completed(NetworkOutgoingExternal=7)), REPORTING)
)


def edited(pattern: str, text: str) -> bytes:
    """Return the good record with the first *pattern* replaced by *text*."""
    found, count = re.subn(pattern.encode(), text.encode(), GOOD, count=1)
    assert count == 1
    return found


def stored(record: bytes) -> Json | None:
    """Return what the server makes of *record*, ``None`` where it refuses it."""
    try:
        return flatten(
            parse(b"<RecordEnvelope>%b</RecordEnvelope>" % record).children[0]
        )
    except (XmlRefusedError, ValueError):
        return None


END = "<EndTime>[^<]*<"
WALL = "<WallDuration>[^<]*<"

#: An edit of the good record, and what is said of it: the server refuses its bundle.
REFUSED = {
    "time without a zone": (END, "<EndTime>2026-11-22T08:00:00<", "EndTime is"),
    "time with a blank": (END, "<EndTime>2026-11-22 08:00:00Z<", "EndTime is"),
    "epoch seconds": (END, "<EndTime>1795337647<", "EndTime is"),
    "no time": (END, "<EndTime><", "no EndTime"),
    "year over 9999": (END, "<EndTime>12026-11-22T08:00:00Z<", "EndTime is"),
    "queue time": ("<QueueTime>[^<]*<", "<QueueTime>then<", "QueueTime is"),
    "createTime": ('createTime="[^"]*"', 'createTime="then"', "createTime is"),
    "control character": ("EXAMPLE", "EX\x07MPLE", "no well-formed XML"),
    "the same by number": ("EXAMPLE", "EX&#7;MPLE", "no well-formed XML"),
    "torn": ("</JobUsageRecord>", "", "no well-formed XML"),
    "unknown entity": ("EXAMPLE", "&nbsp;", "no well-formed XML"),
}
#: The server says OK and stores 0, or does not account for it.
STORED_WRONG = {
    "bare seconds": (WALL, "<WallDuration>3723<", "WallDuration is"),
    "part of a minute": (WALL, "<WallDuration>PT62.05M<", "WallDuration is"),
    "cpu": (">PT25000S<", ">25000<", "CpuDuration is"),
    "phase unit": ('phaseUnit="PT7200S"', 'phaseUnit="7200"', "phaseUnit of"),
    "no wall time": (WALL + "/WallDuration>", "", "no WallDuration"),
    "no start": ("<StartTime>[^<]*</StartTime>", "", "no StartTime"),
    "start of 1970": (
        "<StartTime>[^<]*<",
        "<StartTime>1970-01-01T00:00:00Z<",
        "StartTime is before",
    ),
    "start after the end": (
        "<StartTime>[^<]*<",
        "<StartTime>2026-11-22T00:00:00Z<",
        "StartTime is after",
    ),
    "no job": ("<LocalJobId>[^<]*</LocalJobId>", "", "no LocalJobId"),
    "no VO": ("<VOName>[^<]*</VOName>", "<VOName></VOName>", "no VOName"),
    "a second Network": (
        "<Grid>",
        '<Network urwg:metric="NetworkOutgoingExternal">7</Network><Grid>',
        "more than one Network",
    ),
    "a count with a point": ("<Njobs>1<", "<Njobs>1.0<", "Njobs is"),
    "a negative count": (">7</Network>", ">-7</Network>", "Network is"),
}


def test_a_good_record_is_without_fault_and_stored_whole() -> None:
    flat = stored(GOOD)

    assert faults_of(GOOD) == []
    assert flat is not None
    assert (flat["WallDuration"], flat["CpuDuration"]) == (7200, 25_600)
    assert flat["Network"] == "7"


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_server_refuses_is_found(case: str) -> None:
    pattern, text, said = REFUSED[case]
    record = edited(pattern, text)

    assert stored(record) is None
    assert faults_of(record)[0].startswith(said)


@pytest.mark.parametrize("case", STORED_WRONG)
def test_what_the_server_takes_and_does_not_account_for_is_found(case: str) -> None:
    pattern, text, said = STORED_WRONG[case]
    record = edited(pattern, text)

    assert stored(record) is not None
    assert any(fault.startswith(said) for fault in faults_of(record))


def test_a_record_that_fits_in_no_request_is_found() -> None:
    record = edited("EXAMPLE", "&lt;" * 400_000)

    assert faults_of(record) == ["larger than a request may be"]


def test_a_record_of_two_lines_is_found() -> None:
    assert faults_of(edited("EXAMPLE", "EX\nMPLE")) == ["more than one line"]
