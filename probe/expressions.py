"""Which expressions of a job ad are evaluated: those that are small and pure.

Job owners write expressions.  classad2 bounds their depth when it evaluates, but not
when it parses (a sum of 200,000 terms ends the process), and nothing bounds a chain
of attributes that each name the next one twice.  ``time()`` and ``random()`` would
make a row differ from one reading to the next.
"""

import re
from collections.abc import Mapping

#: An expression longer than this is not parsed; strings may be longer.
LENGTH_LIMIT_CHARS = 32 * 1024
#: Text that may be visited in one evaluation, attributes counted as often as named.
WEIGHT_LIMIT_CHARS = 1024**2
#: How many attributes may name each other in a row.
CHAIN_LIMIT = 64

#: Pure functions of bounded cost; requests are written with these.
_FUNCTIONS = frozenset(
    [
        "abs",
        "ceiling",
        "floor",
        "ifthenelse",
        "int",
        "is",
        "isboolean",
        "iserror",
        "isinteger",
        "isnt",
        "isreal",
        "isstring",
        "isundefined",
        "max",
        "member",
        "min",
        "pow",
        "quantize",
        "real",
        "round",
        "size",
        "strcat",
        "string",
        "stringlistmember",
        "stringlistsize",
        "substr",
        "sum",
        "tolower",
        "toupper",
    ]
)

_STRING = re.compile(r'"(?:\\"|[^"])*"')
_NAME = re.compile(r"([A-Za-z_]\w*)(\s*\()?")


class RefusedExpressionError(ValueError):
    """An expression is not evaluated; the message says why."""


def is_too_long(raw: str) -> bool:
    """Whether *raw* is an expression (not one string) that is too long to parse.

    >>> is_too_long("1" + "+1" * 20_000), is_too_long('"' + "x" * 40_000 + '"')
    (True, False)
    """
    return len(raw) > LENGTH_LIMIT_CHARS and not _is_one_string(raw)


def references(raw: str) -> frozenset[str]:
    """Return the names, in lower case, of all attributes that *raw* may refer to.

    >>> sorted(references('ifThenElse(A > 1, my.B, "C")'))
    ['a', 'b', 'my']
    """
    found = _NAME.findall(_STRING.sub('""', raw))
    return frozenset(name.lower() for name, call in found if not call)


def refuse_costly(name: str, raw: Mapping[str, str]) -> None:
    """Refuse to evaluate *name* where that would cost too much or is not repeatable.

    *raw* holds the ad's values by lower-case name.

    >>> refuse_costly("m", {"m": "ifThenElse(r > 1, (r + 1023) / 1024, 1)", "r": "5"})
    >>> refuse_costly("a0", {f"a{n}": f"a{n + 1} + a{n + 1}" for n in range(30)})
    Traceback (most recent call last):
    ...
    probe.expressions.RefusedExpressionError: expression too large

    Raises:
        RefusedExpressionError: It does.
    """
    if _weight(name.lower(), raw, {}, 0) > WEIGHT_LIMIT_CHARS:
        raise RefusedExpressionError("expression too large")


def _weight(
    name: str, raw: Mapping[str, str], known: dict[str, int], depth: int
) -> int:
    """Return the length of *name*'s text with every attribute that it names put in."""
    if name in known:
        return known[name]
    text = raw.get(name, "")
    if depth > CHAIN_LIMIT or is_too_long(text):
        raise RefusedExpressionError("expression too large")
    known[name] = 0  # a cycle ends in an error at once and costs nothing
    weight = len(text)
    for reference, call in _NAME.findall(_STRING.sub('""', text)):
        if call:
            _refuse_function(reference)
        else:
            weight += _weight(reference.lower(), raw, known, depth + 1)
        if weight > WEIGHT_LIMIT_CHARS:
            break
    known[name] = weight
    return weight


def _refuse_function(name: str) -> None:
    if name.lower() not in _FUNCTIONS:
        raise RefusedExpressionError(f"function {name[:40]} is not evaluated")


def _is_one_string(raw: str) -> bool:
    return raw.startswith('"') and raw.replace('\\"', "").count('"') <= 2  # noqa: PLR2004
