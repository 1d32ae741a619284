"""A policy's expression, evaluated where not everything is known.

classad2 flattens an expression: it evaluates what it can and leaves what names an
attribute that the ad lacks.  What is left then cannot be told; it is never false.
"""

import dataclasses
import re

import classad2

from poolmeter.errors import UsageError

#: The time of evaluation.  HTCondor's own name for it (``CurrentTime``) would not do:
#: in an ad that lacks it, its library sometimes gives the time of today.
TRIAL_TIME = "PoolmeterTrialTime"
_CURRENT_TIME = "currenttime"

#: Functions whose value at the time of the job is not to be had any more.
_NOT_REPEATABLE = frozenset(["eval", "random", "userhome", "usermap", "envv1tov2"])

_STRING_OR_WORD = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*")|(?P<quoted>'(?:\\.|[^'\\])*')|"""
    r"""(?P<time>\btime\s*\(\s*\)|\bCurrentTime\b)|(?P<own>\bMY\s*\.\s*)|(?P<call>[A-Za-z_]\w*)\s*\(""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """An expression as it stands in the policy, and as it is tried.

    ``names`` are the attributes that it names, in lower case.
    """

    text: str
    tree: classad2.ExprTree
    names: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What an expression is for one ad; ``lacking`` is why it cannot be told."""

    known: object = None
    lacking: frozenset[str] = frozenset()


def parse_expression(text: str, where: str) -> Expression:
    """Return the expression that *text* writes.

    Raises:
        UsageError: It is none, or calls a function whose past value is not known.
    """
    for call in _calls(text):
        if call.lower() in _NOT_REPEATABLE:
            raise UsageError(where, found=f"{call}(), which cannot be tried afterwards")
    try:
        tree = classad2.ExprTree(_tried(text))
    except (ValueError, classad2.ClassAdException) as error:
        raise UsageError(where, expected="a ClassAd expression", found=text) from error
    return Expression(text, tree, _names_of(tree))


def evaluate(expression: Expression, ad: classad2.ClassAd) -> Value:
    """Return what *expression* is for *ad*, or which attributes *ad* lacks for it.

    >>> ad = classad2.ClassAd({"JobStatus": 2, "RequestMemory": 100})
    >>> evaluate(parse_expression("JobStatus == 2", "example"), ad).known
    True
    >>> evaluate(parse_expression("JobStatus == 5 && Foo > 3", "example"), ad).known
    False
    >>> sorted(evaluate(parse_expression("Foo =?= undefined", "e"), ad).lacking)
    ['foo']
    """
    left = ad.flatten(expression.tree)
    if isinstance(left, classad2.ExprTree):
        return Value(lacking=_names_of(left) or frozenset(["?"]))
    if isinstance(left, classad2.Value):
        return Value()
    return Value(known=left)


def holds(value: Value) -> bool | None:
    """Return whether HTCondor would act on *value*; ``None`` where none can tell.

    A number acts as in the configuration language: zero is false.  ``undefined`` and
    ``error`` do not act.
    """
    if value.lacking:
        return None
    if isinstance(value.known, bool | int | float):
        return bool(value.known)
    return False


def _tried(text: str) -> str:
    """Return *text* with the time of evaluation as an attribute and without ``MY.``."""

    def replaced(match: re.Match[str]) -> str:
        if match["time"]:
            return TRIAL_TIME
        return "" if match["own"] else match[0]

    return _STRING_OR_WORD.sub(replaced, text)


def _calls(text: str) -> list[str]:
    return [m["call"] for m in _STRING_OR_WORD.finditer(text) if m["call"]]


def _names_of(tree: classad2.ExprTree) -> frozenset[str]:
    names = classad2.ClassAd().externalRefs(tree)
    folded = frozenset(name.lower() for name in names if name)
    if TRIAL_TIME.lower() in folded:
        return folded - {TRIAL_TIME.lower()} | {_CURRENT_TIME}
    return folded
