"""People's names in a statement: shown, replaced by pseudonyms, or left out.

Everything is left out that is not known to be harmless: a text of a statement is
classified in ``_TEXTS`` or it does not reach a recipient who may not read names.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from poolmeter.config import Names
from reports.line import UNKNOWN, Line
from reports.statement_data import Statement

#: What stands where a text is left out.
NOT_SHOWN = "(not shown)"
#: Instead of a payload's name; nobody is called so.
_NOBODY = frozenset({"", UNKNOWN, "(pilot)", NOT_SHOWN})
_PERSONS = ("payload-user", "owner")
_CHARACTERS = 12

_Kind = Literal["plain", "key", "person"]

#: Every text of a statement as ``Class.field``; of a mapping its keys are meant.
#: ``key`` is a person's name where the lines are persons; lines and keys are put into
#: an order that tells nothing of the real names.
_TEXTS: Mapping[str, _Kind] = {
    "Statement.month": "plain",
    "Statement.by": "plain",
    "Statement.vo": "plain",
    "Statement.currency": "plain",
    "Statement.book_id": "plain",
    "Statement.book_sha256": "plain",
    "Statement.interval_source": "plain",
    "Statement.notes": "plain",
    "Statement.lines": "key",
    "Block.lines": "key",
    "Closing.corrections": "key",
    "Line.key": "key",
    "Aside.reason": "plain",
    "ContradictedJob.job": "plain",
    "ContradictedJob.owner": "person",
    "ContradictedJob.contradictions": "plain",
    "Trust.network": "plain",
    "Trust.time": "plain",
    "Trust.contradictions": "plain",
    "Coverage.missing": "plain",
    "Coverage.incomplete_lines": "key",
    "Gap.schedd": "plain",
    "Gap.source": "plain",
    "Gap.reason": "plain",
    "Reconciliation.in_ledger": "plain",
    "Reconciliation.priced": "plain",
    "Reconciliation.unbilled": "plain",
    "Reconciliation.unpriced": "plain",
    "KindOfUse.kind": "plain",
    "Block.resource": "plain",
    "Use.efficiency": "key",
    "Trend.months": "plain",
    "Trend.lines": "key",
    "Closing.book_id": "plain",
    "Closing.book_sha256": "plain",
    "Closing.inputs_sha256": "plain",
}

_NOTES: Mapping[Names, str] = {
    "pseudonym": "People's names are replaced by pseudonyms, a person's the same every "
    "month; texts that may hold names are not shown.",
    "none": "People's names are not shown, nor are texts that may hold names.",
}


def pseudonym(key: bytes, vo: str, name: str) -> str:
    """Return the name that stands for *name* inside *vo*: the same for the same key.

    Without the key nobody can find the name by trying all names, nor tell that two
    VOs' pseudonyms are one person.

    >>> pseudonym(b"k" * 32, "cms", "alice") == pseudonym(b"k" * 32, "cms", "alice")
    True
    >>> pseudonym(b"k" * 32, "cms", "alice") == pseudonym(b"k" * 32, "atlas", "alice")
    False
    """
    # JSON keeps the two apart, whatever characters they hold.
    text = json.dumps(["payload user", vo, name]).encode()
    digest = hmac.new(key, text, hashlib.sha256).digest()
    return f"user-{base64.b32encode(digest)[:_CHARACTERS].decode().lower()}"


def for_reader(statement: Statement, names: Names, key: bytes | None) -> Statement:
    """Return *statement* as a recipient with the privacy *names* may read it.

    With ``none`` the statement must not be by persons: there would be lines without
    names.  ``pseudonym`` needs the *key*.
    """
    if names == "full":
        return statement
    by_person = statement.by in _PERSONS
    if by_person and names == "none":
        raise ValueError(f"no names, and lines by {statement.by}")

    def renamed(name: str) -> str:
        if name in _NOBODY:
            return name
        if names == "none" or key is None:
            return NOT_SHOWN
        return pseudonym(key, statement.vo or "", name)

    shown: Statement = _Reader(renamed, by_person=by_person).seen(statement)
    return dataclasses.replace(shown, notes=(*shown.notes, _NOTES[names]))


class _Reader:
    """Walks through the data of a statement and changes its texts."""

    def __init__(self, renamed: Callable[[str], str], *, by_person: bool) -> None:
        self._renamed = renamed
        self._by_person = by_person

    def seen(self, value: Any) -> Any:  # noqa: ANN401 - any dataclass of a statement
        """Return the dataclass *value* with its texts as the reader may see them."""
        name = type(value).__name__
        changes = {}
        for field in dataclasses.fields(value):
            old = getattr(value, field.name)
            # The line of sums has a word of ours as its key.
            if field.name == "totals" and isinstance(old, Line):
                changes[field.name] = old
                continue
            kind = _TEXTS.get(f"{name}.{field.name}")
            changes[field.name] = self._value(old, kind)
        return dataclasses.replace(value, **changes)

    def _value(self, value: Any, kind: _Kind | None) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return self._text(value, kind)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.seen(value)
        if isinstance(value, tuple | list):
            parts = [self._value(part, kind) for part in value]
            return tuple(sorted(parts, key=_place) if kind == "key" else parts)
        if isinstance(value, Mapping):
            names = {self._value(key, kind): key for key in value}
            order = sorted(names) if kind == "key" else names
            return {name: self._value(value[names[name]], None) for name in order}
        return value

    def _text(self, text: str, kind: _Kind | None) -> str:
        if kind == "plain" or (kind == "key" and not self._by_person):
            return text
        return NOT_SHOWN if kind is None else self._renamed(text)


def _place(part: Line | str) -> tuple[Decimal, str]:
    """Return where a line, or its key, stands: never in the order of real names."""
    if isinstance(part, str):
        return Decimal(0), part
    return -part.total_cost, part.key
