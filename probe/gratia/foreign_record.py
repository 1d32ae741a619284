"""A usage record that another program wrote, as far as it is compared.

Foreign XML is read with a document type refused: no entity but XML's own five is ever
expanded and nothing is fetched, so a record cannot grow in memory or read files.
Prefixes need no declaration, as with the servers of this protocol.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from xml.parsers import expat

from poolmeter.units import (
    MS_PER_S,
    SECONDS_PER_DAY,
    SECONDS_PER_HOUR,
    SECONDS_PER_MINUTE,
)
from probe.gratia.usage_record import UNKNOWN_VO

RECORD_NAMES = ("JobUsageRecord", "UsageRecord")

_DURATION = re.compile(
    r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)
#: Where a compared value stands: parent and name; the attribute usageType is left out.
_WANTED = {
    ("JobIdentity", "GlobalJobId"),
    ("JobIdentity", "LocalJobId"),
    ("UserIdentity", "VOName"),
    ("UserIdentity", "ReportableVOName"),
    *(
        (record, name)
        for record in RECORD_NAMES
        for name in ("JobName", "WallDuration", "CpuDuration", "EndTime", "Njobs")
    ),
}


class ForeignXmlError(ValueError):
    """XML that cannot be read, or a record whose numbers cannot."""


@dataclasses.dataclass(frozen=True, slots=True)
class ForeignRecord:
    """What is compared of one usage record; ``None`` is "not in the record"."""

    job: str
    vo: str
    ended_at: dt.datetime | None
    jobs: int
    wall_ms: int | None
    cpu_ms: int | None


def records_in(xml: bytes) -> Iterator[ForeignRecord]:
    """Yield the usage records of *xml*: one record, or an envelope of many.

    Items of other kinds (a handshake) are passed over.

    Raises:
        ForeignXmlError: The XML cannot be read, or a time, duration or count in it.
    """
    for texts in _texts_of_records(xml):
        yield _record(texts)


Texts = list[tuple[str, str]]


def _record(texts: Texts) -> ForeignRecord:
    last = dict(texts)
    cpu = [text for name, text in texts if name == "CpuDuration"]
    return ForeignRecord(
        job=_job(last),
        vo=last.get("ReportableVOName") or last.get("VOName") or UNKNOWN_VO,
        ended_at=_time(last["EndTime"]) if "EndTime" in last else None,
        jobs=_count(last.get("Njobs", "1")),
        wall_ms=duration_ms(last["WallDuration"]) if "WallDuration" in last else None,
        cpu_ms=sum(map(duration_ms, cpu)) if cpu else None,
    )


def _job(texts: dict[str, str]) -> str:
    """Return the job's name: HTCondor's GlobalJobId, however it is wrapped."""
    name = texts.get("GlobalJobId") or texts.get("JobName") or texts.get("LocalJobId")
    return (name or "").removeprefix("condor.")


def duration_ms(text: str) -> int:
    """Return the ISO 8601 duration *text* in milliseconds, rounded half-even.

    >>> duration_ms("PT1H2M3.5S"), duration_ms("P1DT2H")
    (3723500, 93600000)

    Raises:
        ForeignXmlError: It is none, or has years or months.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ForeignXmlError(f"no duration: {text!r}")
    days, hours, minutes, seconds = (Decimal(part or 0) for part in found.groups())
    whole_s = (
        days * SECONDS_PER_DAY + hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE
    )
    return round((whole_s + seconds) * MS_PER_S)


def _time(text: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ForeignXmlError(f"no time: {text!r}") from error
    if at.tzinfo is None:
        raise ForeignXmlError(f"a time without a zone: {text!r}")
    return at.astimezone(dt.UTC)


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ForeignXmlError(f"no count of jobs: {text!r}") from error


def _texts_of_records(xml: bytes) -> list[Texts]:
    """Return of each record in *xml* the compared elements' names and texts."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise ForeignXmlError(str(error)) from error
    return reader.records


def _refuse_document_type(*_: object) -> None:
    raise ForeignXmlError("a document type declaration, which no usage record has")


class _Reader:
    """Collects the compared texts from expat's events."""

    def __init__(self) -> None:
        self.records: list[Texts] = []
        self._path: list[str] = []
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        local = name.rpartition(":")[2]
        if local in RECORD_NAMES:
            self.records.append([])
        parent = self._path[-1] if self._path else ""
        self._text = [] if (parent, local) in _WANTED else None
        self._path.append(local)

    def end(self, name: str) -> None:
        del name
        local = self._path.pop()
        if self._text is not None:
            self.records[-1].append((local, "".join(self._text)))
            self._text = None

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)
