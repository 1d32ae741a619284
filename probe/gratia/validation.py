"""Why a record must not be sent: what the server would refuse, or store as nothing.

One bad record refuses its whole bundle; a duration that the server cannot read is
stored as 0 with the reply ``OK``.  So every record is read once more, from its bytes,
before they are kept for sending.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from probe.gratia.bundle import BODY_LIMIT_BYTES, FRAME_BYTES, encoded_bytes
from probe.gratia.record_grammar import COUNT, DURATION, MOMENT, times_of_right

_UR = "{http://www.gridforum.org/2003/ur-wg}"
_PHASE_UNIT = f"{_UR}phaseUnit"
_MOMENT = re.compile(MOMENT)
_DURATION = re.compile(DURATION)
_COUNT = re.compile(COUNT)

#: The form of each element that is a time, a duration or a count.
_FORMS = {
    **dict.fromkeys(("StartTime", "EndTime", "QueueTime"), _MOMENT),
    **dict.fromkeys(("WallDuration", "CpuDuration", "TimeDuration"), _DURATION),
    **dict.fromkeys(("Processors", "GPUs", "Memory", "Network"), _COUNT),
    **dict.fromkeys(("NodeCount", "Njobs"), _COUNT),
}
_REQUIRED = (
    *(("StartTime",), ("EndTime",), ("WallDuration",), ("ProbeName",), ("SiteName",)),
    *(("Njobs",), ("JobIdentity", "GlobalJobId"), ("JobIdentity", "LocalJobId")),
    ("UserIdentity", "VOName"),
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
    times = times_of_right(record)
    return _faults_by_parsing(record) if times is None else [*_impossible(*times)]


def _faults_by_parsing(record: bytes) -> list[str]:
    """Return what is wrong with *record*, whatever it looks like."""
    try:
        element = ET.fromstring(record)  # noqa: S314 - written by ourselves
    except ET.ParseError as error:
        return [f"no well-formed XML: {error}"]
    children = _by_name(element)
    return [
        *_missing(children),
        *_unreadable(element, children),
        *_impossible(_text(children, "StartTime"), _text(children, "EndTime")),
    ]


Children = dict[str, list[ET.Element]]


def _by_name(element: ET.Element) -> Children:
    """Return the children of *element* by name, in one pass: every record is read."""
    children: Children = {}
    for child in element:
        children.setdefault(child.tag.removeprefix(_UR), []).append(child)
    return children


def _text(children: Children, *path: str) -> str | None:
    """Return the text of the first element at *path*, ``None`` where there is none."""
    first, *rest = path
    found = children.get(first)
    if not found:
        return None
    return _text(_by_name(found[0]), *rest) if rest else found[0].text


def _missing(children: Children) -> Iterator[str]:
    for path in _REQUIRED:
        if not _text(children, *path):
            yield f"no {path[-1]}"
    if len(children.get("Network", ())) > 1:
        yield "more than one Network"


def _unreadable(record: ET.Element, children: Children) -> Iterator[str]:
    """Yield the values that are not in the form that the server reads."""
    identity = record.find(f"{_UR}RecordIdentity")
    created = None if identity is None else identity.get(f"{_UR}createTime")
    yield from _mismatches(_MOMENT, "createTime", [created or ""])
    for name, pattern in _FORMS.items():
        for value in children.get(name, ()):
            yield from _mismatches(pattern, name, [value.text or ""])
            phase = value.get(_PHASE_UNIT)
            if phase is not None:
                yield from _mismatches(_DURATION, f"phaseUnit of {name}", [phase])


def _mismatches(
    pattern: "re.Pattern[str]", name: str, values: list[str]
) -> Iterator[str]:
    for value in values:
        if not pattern.fullmatch(value):
            yield f"{name} is {value[:40]!r}"


def _impossible(start: str | None, end: str | None) -> Iterator[str]:
    if start and start < _FIRST_START:
        yield "StartTime is before 1970-01-02, which GRACC does not account for"
    if start and end and start > end:
        yield "StartTime is after EndTime"
