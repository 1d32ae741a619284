"""Generated history files: ads with every value syntax, and whatever breaks an ad."""

from collections.abc import Mapping

from hypothesis import strategies as st

from poolmeter.attributes import known_attributes
from tests.ads import COMPLETED, DAY_S, END_S, HOUR_S, Value
from tests.property.strategies import BASES, edits


def _words(text: str) -> list[str]:
    return text.split()


_DIGITS = st.text("0123456789", min_size=1, max_size=24)
_SIGNS = st.sampled_from(("", "", "", "-", "+", "--", "- "))
_ODD_NUMBERS = _words("""
    0 -0 00 007 010 0x1F 1e5 1.0E+05 1E-400 1e999 .5 -.5 1. 1.5.2 0.0 00.5 -0.0 1K 2.0M
    1_000 999999999999999.0 9999999999999999.0 999999999999999 9999999999999999
    99999999999999999 9223372036854775807 9223372036854775808
""")

_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 2_000_000_000).map(str),
    st.tuples(_SIGNS, _DIGITS).map("".join),
    st.tuples(_SIGNS, _DIGITS, st.just("."), _DIGITS).map("".join),
    st.tuples(_DIGITS, st.sampled_from((".0", ".00", ".5", "."))).map("".join),
    st.floats(allow_nan=True).map(repr),
    st.sampled_from([*_ODD_NUMBERS, "9" * 400]),
)

_BANNER_LIKE = (
    "x *** Offset = 0 ClusterId = 666 ProcId = 0",
    "*** EPOCH ClusterId=1",
    '\\n*** Offset = 0 ClusterId = 9 ProcId = 0 Owner = \\"r\\"',
)
_CHARACTERS = st.sampled_from(
    (
        *"abcXYZ012 _-.,:;=/#$@%&*(){}[]<>?!'`~|^+",
        *("\\", '\\"', '"', "\t", "\r", "\0", "\x01", "\x0b", "\x1c", "\x7f"),
        *("\x85", "\xa0", "é", "日", "\U0001f600", "\u2028"),
    )
)
_TEXTS = st.one_of(
    st.lists(_CHARACTERS, max_size=12).map("".join),
    st.sampled_from(_BANNER_LIKE),
    st.sampled_from(
        (
            *("", "alice", "/cms/Role=NULL", "group_atlas.prod", "C:\\path\\", "a\\\\"),
            *("\\", '\\"', "#1762776000", "ap#8.0#1762776000", "ap#1762776000#8.0"),
            "#12345678",
        )
    ),
)
_STRINGS = _TEXTS.map(lambda text: f'"{text}"')

_WORDS = st.sampled_from(
    _words("true false TRUE False undefined UNDEFINED error Error t f inf nan Nowhere")
    + _words("ClusterId QDate RemoteWallClockTime")
)
_STANDARD = st.sampled_from(
    (
        "((ResidentSetSize + 1023) / 1024)",
        "( ( ResidentSetSize + 1023 ) / 1024 )",
        "ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)",
        "if thenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)",
        "DiskUsage",
        "time() - QDate",
        '[ How = "x"; When = 1795338484; Deep = [ A = { 1, 2.5 } ] ]',
        "JobStatus == 4 && (time() - CompletionDate) < 864000",
    )
)


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(("+", "-", "*", "/", "%", "==", "=?=", "&&", "<", " "))
    binary = st.tuples(inner, operators, inner).map(" ".join)
    call = st.tuples(
        st.sampled_from(("real", "int", "strcat", "size", "time", "nosuch", "round")),
        st.lists(inner, max_size=2).map(", ".join),
    ).map(lambda t: f"{t[0]}({t[1]})")
    listed = st.lists(inner, max_size=2).map(lambda items: "{" + ", ".join(items) + "}")
    return st.one_of(binary, binary.map(lambda text: f"({text})"), call, listed)


_ATOMS = st.one_of(_NUMBERS, _STRINGS, _WORDS)
_EXPRESSIONS = st.recursive(_ATOMS, _deeper, max_leaves=4)
_GARBAGE = st.sampled_from(["", " ", *_words('( ) 1+ "open { [ # //x /*x a;'), "1 2"])

VALUES = st.one_of(_NUMBERS, _STRINGS, _WORDS, _STANDARD, _EXPRESSIONS, _GARBAGE)

_OTHER_NAMES = ("A", "WF_Thing", "E", "true", "Error", "my", "É", "A.b", "1x", "x" * 60)
_KNOWN = [str(name) for name in known_attributes()]
_RECASED = st.one_of(
    st.sampled_from(_KNOWN),
    st.sampled_from([name.upper() for name in _KNOWN]),
    st.sampled_from([name.swapcase() for name in _KNOWN]),
)
NAMES = st.one_of(_RECASED, st.sampled_from(_OTHER_NAMES))

_FORMS = st.sampled_from(
    ("{0} = {1}",) * 12
    + ("{0}={1}", "  {0} = {1}", "{0}  =  {1}", "{0} = {1}  ", "{0} = {1}\t", "{0} =")
    + ("{0}\t= {1}", "= {1}", "{0} {1}", "{0} = {1}\r", "", "   ", "\r", "{0} = = {1}")
)
_LINES = st.tuples(_FORMS, NAMES, VALUES).map(lambda t: t[0].format(t[1], t[2]) + "\n")

#: A job router's source, which holds nothing of a slot.
_ROUTED: Mapping[str, Value] = {
    **COMPLETED,
    "RoutedToJobId": '"9.0"',
    "CumulativeSlotTime": 0,
    "StartdPrincipal": None,
    "MachineAttrCpus0": None,
    "LastPublicClaimId": None,
}
#: Without a request, as most jobs are submitted.
_UNASKING: Mapping[str, Value] = {
    **COMPLETED,
    "ResidentSetSize_RAW": None,
    "ImageSize": 123_456,
    "RequestMemory": "ifthenelse(MemoryUsage =!= undefined,MemoryUsage,"
    "(ImageSize + 1023) / 1024)",
}

_TIMES = st.one_of(
    st.integers(END_S - 3 * DAY_S, END_S + 3 * DAY_S),
    st.sampled_from((0, 100_000, END_S - 400 * DAY_S, END_S + 40 * DAY_S, 2**40)),
)
_EDITS = st.dictionaries(
    st.sampled_from(_KNOWN),
    st.one_of(edits(), VALUES, st.none(), _TIMES, st.integers(0, 5)),
    max_size=3,
)
_USUAL = '*** Offset = 0 ClusterId = {0} ProcId = 0 Owner = "a" CompletionDate = 7'
_BANNERS = st.sampled_from(
    (
        *(_USUAL,) * 6,
        _USUAL + " CurrentTime = {1}",
        _USUAL.replace('"a"', '""') + " CurrentTime = {1}",
        _USUAL.replace("7", "-1"),
        _USUAL.replace("ClusterId = {0}", "ClusterId = 9999"),
        _USUAL.replace('"a"', '"é"'),
        _USUAL.replace('"a"', '"a'),
        _USUAL + "\r",
        '*** ClusterId={0} ProcId=0 Owner="a\\"b" CurrentTime={1}',
        "*** SPAWN ClusterId={0} ProcId=0",
        "*** EPOCH ClusterId={0} ProcId=0 RunInstanceId=0",
        "***",
    )
)


@st.composite
def records(draw: st.DrawFn, number: int) -> bytes:
    """Return a record near the *number*th place of a pool's history."""
    base: Mapping[str, Value] = draw(
        st.sampled_from([*BASES.values(), _ROUTED, _UNASKING])
    )
    end_s = END_S + number * draw(st.sampled_from((1, 60, HOUR_S)))
    times: dict[str, Value] = {
        "ClusterId": number,
        "EnteredCurrentStatus": end_s,
        "GlobalJobId": f'"ap#{number}.0#{end_s - 3 * HOUR_S}"',
        "QDate": end_s - 3 * HOUR_S,
    }
    attributes = {**base, **times, **draw(_EDITS)}
    lines = [f"{name} = {v}\n" for name, v in attributes.items() if v is not None]
    for line in draw(st.lists(_LINES, max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    banner = draw(_BANNERS).format(number, end_s + draw(st.integers(-DAY_S, DAY_S)))
    text = "".join(lines) + banner + "\n"
    if draw(st.booleans()) and draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text.encode("utf-8", "surrogatepass")


@st.composite
def histories(draw: st.DrawFn) -> bytes:
    """Return a history of a few records, perhaps torn, perhaps damaged somewhere."""
    count = draw(st.integers(1, 6))
    content = b"".join(draw(records(number)) for number in range(1, count + 1))
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(content)))
        noise = draw(st.binary(max_size=4))
        content = content[:at] + noise + content[at + draw(st.integers(0, 9)) :]
    cut = draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    return content[:cut]
