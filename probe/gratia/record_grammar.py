"""What a right record looks like, as one regular expression.

It takes a record apart ten times faster than a parser that makes objects of it.  What
it does not match is not wrong for that: :mod:`probe.gratia.validation` then finds out,
and is the authority.  What it matches is right.
"""

import re

#: RFC 3339 in UTC and whole seconds; Go takes no year beyond 9999.
MOMENT = (
    "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
#: ISO 8601: whole seconds, or such with up to three places.
DURATION = r"PT[0-9]{1,12}(?:\.[0-9]{1,3})?S"
COUNT = "[0-9]{1,19}"

_NUMBER = "-?[0-9]{1,19}"
_PLAIN = r'[^<>&"\x00-\x1f\x7f]*'
#: Text with nothing but the entities that we write.
_TEXT = rf"{_PLAIN}(?:(?:&(?:amp|lt|gt|quot);|\"){_PLAIN})*"
_QUOTED = rf"{_PLAIN}(?:&(?:amp|lt|gt|quot);{_PLAIN})*"
_URWG = "http://www.gridforum.org/2003/ur-wg"
_NOTE = f'(?: urwg:description="{_QUOTED}")'
_PHASE = f'(?: urwg:phaseUnit="{DURATION}")?'
_MAX = ' urwg:metric="max"'


def _element(name: str, value: str, attributes: str = "") -> str:
    return f"<{name}{attributes}>{value}</{name}>"


def _maybe(name: str, value: str, attributes: str = "") -> str:
    return f"(?:{_element(name, value, attributes)})?"


def _any(name: str, value: str, attributes: str) -> str:
    return f"(?:{_element(name, value, attributes)})*"


def _named(name: str) -> str:
    """Return an element whose text must not be empty."""
    return _element(name, f"(?!<){_TEXT}")


_RECORD = re.compile(
    "".join(
        (
            re.escape(f'<JobUsageRecord xmlns="{_URWG}" xmlns:urwg="{_URWG}">'),
            f'<RecordIdentity urwg:recordId="{_QUOTED}" urwg:createTime="{MOMENT}"/>',
            _element("JobIdentity", _named("GlobalJobId") + _named("LocalJobId")),
            "<UserIdentity>",
            _maybe("LocalUserId", _TEXT),
            _maybe("GlobalUsername", _TEXT),
            _maybe("DN", _TEXT),
            _named("VOName") + _named("ReportableVOName"),
            "</UserIdentity>",
            *(_element(name, _TEXT) for name in ("JobName", "MachineName")),
            _element("SubmitHost", _TEXT),
            _maybe("Status", _NUMBER, _NOTE),
            _element("WallDuration", DURATION),
            _maybe("CpuDuration", DURATION, ' urwg:usageType="user"'),
            _maybe("CpuDuration", DURATION, ' urwg:usageType="system"'),
            _any("TimeDuration", DURATION, ' urwg:type="[A-Za-z]+"'),
            _element("StartTime", f"(?P<start>{MOMENT})", f"{_NOTE}?"),
            _element("EndTime", f"(?P<end>{MOMENT})"),
            _maybe("QueueTime", MOMENT),
            _maybe("Host", _TEXT, f' primary="true"{_NOTE}?'),
            _maybe("Queue", _NUMBER, _NOTE),
            _maybe("NodeCount", COUNT, _MAX),
            _maybe("Processors", COUNT, _MAX),
            _maybe("GPUs", COUNT, _MAX),
            _maybe("Memory", COUNT, f' urwg:storageUnit="KB"{_PHASE}{_MAX}'),
            _maybe("ProjectName", _TEXT),
            _maybe(
                "Network", COUNT, f' urwg:storageUnit="b"{_PHASE} urwg:metric="total"'
            ),
            _any("Resource", _TEXT, _NOTE),
            _named("ProbeName") + _named("SiteName"),
            _element("Grid", _TEXT) + _element("Njobs", COUNT),
            _element("Resource", _TEXT, _NOTE),
            "</JobUsageRecord>",
        )
    )
)
#: The characters that XML does not have, and that are not below the blank.
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")


def times_of_right(record: bytes) -> tuple[str, str] | None:
    """Return start and end of *record* if it looks right, else ``None``."""
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found = _RECORD.fullmatch(text)
    if found is None or (not text.isascii() and _NO_CHARACTERS.search(text)):
        return None
    return found["start"], found["end"]
