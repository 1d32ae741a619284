"""Why a record must not be sent: what the server would refuse, or store as nothing.

One bad record refuses its whole bundle; a duration that the server cannot read is
stored as 0 with the reply ``OK``.  So every record is read once more, from its bytes,
before they are kept for sending.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from probe.gratia.bundle import BODY_LIMIT_BYTES, FRAME_BYTES, encoded_bytes

_UR = "{http://www.gridforum.org/2003/ur-wg}"
#: RFC 3339 in UTC and whole seconds; Go takes no year beyond 9999.
_MOMENT = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
#: ISO 8601: whole seconds, or such with up to three places.
_DURATION = re.compile(r"PT[0-9]{1,12}(\.[0-9]{1,3})?S")
_COUNT = re.compile(r"[0-9]{1,19}")

_MOMENTS = ("StartTime", "EndTime", "QueueTime")
_DURATIONS = ("WallDuration", "CpuDuration", "TimeDuration")
_COUNTS = ("Processors", "GPUs", "Memory", "Network", "NodeCount", "Njobs")
_REQUIRED = (
    *("StartTime", "EndTime", "WallDuration", "ProbeName", "SiteName", "Njobs"),
    *("JobIdentity/GlobalJobId", "JobIdentity/LocalJobId", "UserIdentity/VOName"),
)
#: GRACC accounts for nothing that started before.
_FIRST_START = "1970-01-02T00:00:01Z"


def faults_of(record: bytes) -> list[str]:
    r"""Return why the record *record* must not be sent, nothing if it may be.

    >>> faults_of(b"<JobUsageRecord>\x07</JobUsageRecord>")
    ['no well-formed XML: not well-formed (invalid token): line 1, column 16']
    """
    if encoded_bytes(record) > BODY_LIMIT_BYTES - FRAME_BYTES:
        return ["larger than a request may be"]
    if b"\n" in record:
        return ["more than one line"]
    try:
        element = ET.fromstring(record)  # noqa: S314 - written by ourselves
    except ET.ParseError as error:
        return [f"no well-formed XML: {error}"]
    return [*_missing(element), *_unreadable(element), *_impossible(element)]


def _missing(record: ET.Element) -> Iterator[str]:
    for path in _REQUIRED:
        if not record.findtext("/".join(_UR + name for name in path.split("/"))):
            yield f"no {path.rpartition('/')[2]}"
    if len(record.findall(f"{_UR}Network")) > 1:
        yield "more than one Network"


def _unreadable(record: ET.Element) -> Iterator[str]:
    """Yield the values that are not in the form that the server reads."""
    identity = record.find(f"{_UR}RecordIdentity")
    created = None if identity is None else identity.get(f"{_UR}createTime")
    yield from _mismatches(_MOMENT, "createTime", [created or ""])
    for pattern, names in (
        (_MOMENT, _MOMENTS),
        (_DURATION, _DURATIONS),
        (_COUNT, _COUNTS),
    ):
        for name in names:
            found = record.findall(_UR + name)
            yield from _mismatches(pattern, name, [value.text or "" for value in found])
            phases = [value.get(f"{_UR}phaseUnit") for value in found]
            known = [phase for phase in phases if phase is not None]
            yield from _mismatches(_DURATION, f"phaseUnit of {name}", known)


def _mismatches(
    pattern: "re.Pattern[str]", name: str, values: list[str]
) -> Iterator[str]:
    for value in values:
        if not pattern.fullmatch(value):
            yield f"{name} is {value[:40]!r}"


def _impossible(record: ET.Element) -> Iterator[str]:
    start, end = (record.findtext(_UR + name) for name in ("StartTime", "EndTime"))
    if start and start < _FIRST_START:
        yield "StartTime is before 1970-01-02, which GRACC does not account for"
    if start and end and start > end:
        yield "StartTime is after EndTime"
