"""One job ad, read attribute by attribute, exactly and without surprises.

The ad is parsed and evaluated by classad2, which is HTCondor's own code.  What it
does silently is caught here: one bad line ends its parse (the rest is lost or the
ad is empty), an undefined value is the integer 2, and an integer beyond 64 bits is 0.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

import classad2

from poolmeter.attributes import CLUSTER_ID, GLOBAL_JOB_ID, PROC_ID
from probe.expressions import RefusedExpressionError, is_too_long, refuse_costly

_LINE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d+")
#: More digits than a 64-bit integer has, and few enough for int() to take.
_DIGITS_LIMIT = 40

#: Attributes that one job has one value of: two values are two ads in one record.
_IDENTITY = (CLUSTER_ID, PROC_ID, GLOBAL_JOB_ID)

INT64_MAX = 2**63 - 1


class UnreadableAdError(ValueError):
    """The text is not one complete ad; the message says what is wrong with it."""


@dataclasses.dataclass(slots=True)
class JobAd:
    """An ad with typed look-ups; names are case-insensitive, the last value counts.

    A look-up gives ``None`` where there is no value of that type.  Where there is a
    value of another type, or out of range, it is also noted in ``warnings``, so that
    it is counted and never silently dropped.
    """

    raw: Mapping[str, str]
    evaluated: classad2.ClassAd
    warnings: dict[str, str] = dataclasses.field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the ad has an attribute called *name*, of whatever value."""
        return name.lower() in self.raw

    def raw_text(self, name: str) -> str | None:
        """Return the unevaluated ClassAd text of *name*."""
        return self.raw.get(name.lower())

    def is_literal(self, name: str) -> bool:
        """Whether *name* is a plain number, not an expression over other attributes."""
        return is_plain_number(self.raw.get(name.lower(), ""))

    def text(self, name: str) -> str | None:
        """Return the string *name*; an empty one is no value."""
        value = self.value(name)
        if value is None or isinstance(value, str):
            return value or None
        self._warn(name, "expected a string")
        return None

    def boolean(self, name: str) -> bool | None:
        """Return the boolean *name*."""
        value = self.value(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str, *, low: float = 0) -> float | None:
        """Return *name* as it stands (int or float) if it is finite and >= *low*."""
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._warn(name, "expected a number")
            return None
        if not math.isfinite(value) or not low <= value <= INT64_MAX:
            self._warn(name, "number out of range")
            return None
        return value

    def integer(
        self, name: str, *, low: int = 0, high: int = INT64_MAX, scale: int = 1
    ) -> int | None:
        """Return *name* times *scale*, rounded half-even, if within *low* .. *high*."""
        value = self.number(name, low=-math.inf)
        if value is None:
            return None
        whole = round(value * scale)
        if not low <= whole <= high:
            self._warn(name, "number out of range")
            return None
        return whole

    def number_in(self, name: str, inner: str) -> float | None:
        """Return the number *inner* of the ad that *name* holds, if there is one."""
        if not self.raw.get(name.lower(), "").startswith("["):
            return None
        value = self.value(name)
        number = value.get(inner) if isinstance(value, classad2.ClassAd) else None
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        return number if is_number else None

    def changed(self, **values: int | None) -> "JobAd":
        """Return a copy with whole numbers, or nothing, in place of some values.

        Its warnings are its own.
        """
        changes = {name.lower(): value for name, value in values.items()}
        texts = dict(self.raw)
        texts |= {n: "undefined" if v is None else str(v) for n, v in changes.items()}
        return parse_ad("".join(f"{name} = {text}\n" for name, text in texts.items()))

    def value(self, name: str) -> object:
        """Return the value of *name*, ``None`` where it has none or is refused."""
        raw = self.raw.get(name.lower())
        if raw is None:
            return None
        if _INTEGER.fullmatch(raw):
            return int(raw) if len(raw) <= _DIGITS_LIMIT else math.inf
        try:
            refuse_costly(name, self.raw)
            value = self.evaluated.eval(name)
        except (RefusedExpressionError, classad2.ClassAdException) as error:
            self._warn(name, str(error))
            return None
        except UnicodeDecodeError:
            # substr() counts bytes and may cut a character in two.
            self._warn(name, "not UTF-8")
            return None
        return None if isinstance(value, classad2.Value) else value

    def _warn(self, name: str, reason: str) -> None:
        self.warnings[str(name)] = reason


def is_plain_number(raw: str) -> bool:
    """Whether *raw* is a number and nothing else."""
    return re.fullmatch(r"[+-]?[\d.]+", raw) is not None


def parse_ad(text: str) -> JobAd:
    r"""Return the ad whose lines ``Name = value`` are *text*.

    >>> parse_ad('A = 1\na = 2\nB = "C:\\path\\"').integer("A")
    2
    >>> parse_ad("M = ((R + 1023) / 1024)\nR = 5000").number("M")
    5

    Raises:
        UnreadableAdError: A line is no attribute or classad2 cannot parse it, there is
            no line at all, or the text holds attributes of two jobs.
    """
    raw: dict[str, str] = {}
    lines: list[str] = []
    for number, name, value in _attributes(text):
        if name in _IDENTITY_KEYS and raw.get(name, value) != value:
            raise UnreadableAdError(f"line {number}: a second {name}, of another job")
        raw[name] = value
        lines.append(f"{name} = {'error' if is_too_long(value) else value}")
    if not raw:
        raise UnreadableAdError("no attribute")
    parsed = _parse("\n".join(lines))
    if len(parsed) != len(raw):
        raise UnreadableAdError(_first_bad_line(lines, parsed))
    return JobAd(raw, parsed)


def is_readable(line: str) -> bool:
    """Whether classad2 reads *line* as one attribute.

    >>> is_readable("A = 1 + B"), is_readable("A = 0x1F")
    (True, False)
    """
    try:
        return len(_parse(line)) == 1
    except UnreadableAdError:
        return False


_IDENTITY_KEYS = frozenset(name.lower() for name in _IDENTITY)


def _attributes(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        found = _LINE.match(line)
        if found:
            yield number, found[1].lower(), found[2]
        elif line.strip():
            raise UnreadableAdError(f"line {number}: no attribute: {line[:80]!r}")


def _parse(text: str) -> classad2.ClassAd:
    try:
        return classad2.parseOne(text)
    except (classad2.ClassAdException, ValueError) as error:
        raise UnreadableAdError(f"classad2 refuses it: {error}") from error


def _first_bad_line(lines: list[str], parsed: classad2.ClassAd) -> str:
    """Name the attribute at which classad2 silently stopped."""
    missing = [line for line in lines if line.partition(" ")[0] not in parsed]
    # The first that is missing, but for a bad line whose name stands before it, too.
    for line in (*missing[:1], *lines):
        if len(_parse(line)) == 0:
            return f"no ClassAd value: {line[:80]!r}"
    return "classad2 reads only a part of it"
