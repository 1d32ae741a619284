"""Which statement a recipient is to get: the letter and its place in the ledger."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poolmeter.config import MailConfig
from poolmeter.errors import LedgerError
from reports.mail_message import Letter, Renderings, message_bytes, message_id
from reports.mail_plan import Addressee
from reports.months import Month
from reports.pseudonym import for_reader
from reports.send_ledger import Delivery, Event
from reports.statement_data import By, Statement

_NOT_OF_THE_MONTH = frozenset({"trend", "closing"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """All that a run needs: whose statements, from where, how they look.

    ``statement_of`` gives a VO's statement by payload user or, for recipients who may
    not read names, by VO.
    """

    ledger: Path
    month: Month
    mail: MailConfig
    plan: Mapping[str, tuple[Addressee, ...]]
    statement_of: Callable[[str, By], Statement]
    renderings: Renderings
    key: bytes | None
    now: Callable[[], dt.datetime]


class Statements:
    """One VO's statements, each made once and only when somebody is to get it."""

    def __init__(self, mailing: Mailing) -> None:
        self._mailing = mailing
        self._made: dict[By, Statement | LedgerError] = {}

    def of(self, one: Addressee) -> Statement:
        """Return the statement for *one*, before its names are changed.

        Raises:
            LedgerError: It cannot be made, or must not be used.
            UsageError: It cannot be asked for.
        """
        by: By = "vo" if one.names == "none" else "payload-user"
        if by not in self._made:
            self._made[by] = self._make(one.vo, by)
        made = self._made[by]
        if isinstance(made, LedgerError):
            raise made
        return made

    def _make(self, vo: str, by: By) -> Statement | LedgerError:
        try:
            statement = self._mailing.statement_of(vo, by)
        except LedgerError as error:
            return error
        if statement.difference:
            return LedgerError(
                f"statement of {vo!r}",
                expected="sums that agree",
                found=str(statement.difference),
                mend="report it; it is not sent",
            )
        return statement


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """A letter, and the event that is noted before it is sent."""

    letter: Letter
    intent: Event

    def message(self, mailing: Mailing) -> bytes:
        """Return the finished message.

        Raises:
            PoolmeterError: It would not be what it must be.
        """
        return message_bytes(self.letter, mailing.mail, mailing.renderings)


def prepare(
    mailing: Mailing,
    statements: Statements,
    delivery: Delivery,
    one: Addressee,
    salt: str,
) -> Prepared:
    """Return what *one* would get now.

    Content that the recipient has, or may have, comes again as the same message: same
    Message-ID, same Date.  Other content than the last is a revision.

    Raises:
        LedgerError: As :meth:`Statements.of`.
    """
    statement = statements.of(one)
    content = fingerprint(statement)
    last = delivery.last_received
    now = mailing.now()
    revision, dated_at = 0, now
    if last is not None and last.statement_sha256 == content:
        revision, dated_at = last.revision, last.dated_at
    elif last is not None:
        revision = last.revision + 1
    facts = (salt, str(mailing.month), one.vo, one.to, one.names, content, revision)
    letter = Letter(
        statement=for_reader(statement, one.names, mailing.key),
        to=one.to,
        message_id=message_id(mailing.mail, *facts),
        dated_at=dated_at,
        replaces=_replaced_at(delivery, revision),
    )
    intent = Event(
        at=now,
        what="intent",
        statement_sha256=content,
        revision=revision,
        message_id=letter.message_id,
        dated_at=dated_at,
    )
    return Prepared(letter, intent)


def _replaced_at(delivery: Delivery, revision: int) -> dt.datetime | None:
    """Return when the content before *revision* was sent; ``None`` for the first."""
    before = [
        event.at
        for event in delivery.events
        if event.revision == revision - 1 and event.what != "failed"
    ]
    return before[-1] if before else None


def fingerprint(statement: Statement) -> str:
    """Return a hash of what *statement* tells of its month.

    Other months' figures and the month's close are left out: neither makes a statement
    that was sent wrong.
    """
    told = {k: v for k, v in statement.to_json().items() if k not in _NOT_OF_THE_MONTH}
    return hashlib.sha256(_canonical(told).encode()).hexdigest()


def _canonical(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return JSON in which neither the order of keys nor of entries matters.

    >>> _canonical({"b": [2, 1], "a": None})
    '{"a":null,"b":[1,2]}'
    """
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(k)}:{_canonical(v)}" for k, v in value.items())
        return f"{{{','.join(sorted(parts))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(sorted(map(_canonical, value)))}]"
    return json.dumps(value)
