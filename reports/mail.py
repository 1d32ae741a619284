"""A month's statements by mail: each to its recipients, never twice.

At most once, with a visible doubt (docs/adr/0012): what may have arrived is not sent
again unless somebody says so, and every run tells of it until then.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from poolmeter.errors import (
    ExitCode,
    LedgerError,
    PoolmeterError,
    UsageError,
    one_line,
)
from reports.mail_letters import Mailing, Prepared, Statements, prepare
from reports.mail_plan import Addressee
from reports.mail_smtp import Attempt, Fate, MailServer, Server
from reports.send_ledger import (
    Delivery,
    Event,
    SendLedger,
    What,
    read_send_ledger,
    send_lock,
)

#: ``already``: sent by an earlier run; ``changed``: so, and the statement is no longer
#: what it was; ``unusable``: there is no statement that one could send; ``arrived``
#: and ``written`` belong to :func:`note_arrival` and to the dry run.
Result = Literal[Fate, "already", "changed", "unusable", "arrived", "written"]

_FINE = frozenset({"sent", "already", "arrived", "written"})
_FAILED = frozenset({"deferred", "refused", "unreachable", "unusable"})


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient's statement; ``said`` is why, in one line."""

    vo: str
    to: str
    result: Result
    said: str = ""

    @property
    def is_fine(self) -> bool:
        """Whether nobody has to look at it."""
        return self.result in _FINE


def exit_code(outcomes: Iterable[Outcome]) -> ExitCode:
    """Return 0 if all is fine, 1 if all failed, 3 for anything between.

    >>> exit_code([Outcome("cms", "a@b.example", "sent")]).name
    'DONE'
    """
    results = {outcome.result for outcome in outcomes}
    if results <= _FINE:
        return ExitCode.DONE
    return ExitCode.FAILED if results <= _FAILED else ExitCode.SET_ASIDE


def mail_month(
    mailing: Mailing, server: Server, *, resend: bool = False
) -> Iterator[Outcome]:
    """Send what is due; yield every recipient's outcome as soon as it is known.

    Due is what was never sent and what the server did not take.  With *resend* also
    what is in doubt, and what has changed since it was sent.

    Raises:
        UsageError: The month has not ended, or has no statement.
        LedgerError: Another run is sending, or the send ledger cannot be used.
    """
    if mailing.now().timestamp() < mailing.month.end_s:
        raise UsageError(
            f"month {mailing.month}",
            expected="one that has ended",
            mend="use --dry-run to look at it",
        )
    with send_lock(mailing.ledger), MailServer(server) as post:
        sends = read_send_ledger(mailing.ledger, str(mailing.month))
        for addressees in mailing.plan.values():
            yield from _VoRun(mailing, sends, post, resend=resend).outcomes(addressees)


def note_arrival(mailing: Mailing) -> Iterator[Outcome]:
    """Take a person's word that what is in doubt has arrived; send nothing.

    Raises:
        LedgerError: As :func:`mail_month`.
    """
    with send_lock(mailing.ledger):
        sends = read_send_ledger(mailing.ledger, str(mailing.month))
        for one in (one for of_vo in mailing.plan.values() for one in of_vo):
            delivery = sends.delivery(one.vo, one.to)
            event = delivery.last_received
            if delivery.standing == "doubt" and event is not None:
                sends.add(delivery, _followed(event, mailing.now(), "arrived"))
                yield Outcome(one.vo, one.to, "arrived")


class _VoRun:
    """The sending of one VO's statement to its recipients."""

    def __init__(
        self, mailing: Mailing, sends: SendLedger, post: MailServer, *, resend: bool
    ) -> None:
        self._mailing = mailing
        self._sends = sends
        self._post = post
        self._resend = resend
        self._statements = Statements(mailing)

    def outcomes(self, addressees: Iterable[Addressee]) -> Iterator[Outcome]:
        """Send to those to whom it is due."""
        deliveries = [(one, self._settled(one)) for one in addressees]
        # A statement costs a reading of the ledger: none is made if nothing is due.
        is_made = self._resend or any(d.standing == "due" for _, d in deliveries)
        for one, delivery in deliveries:
            if delivery.standing == "doubt" and not self._resend:
                yield Outcome(one.vo, one.to, "doubt", _doubt_text(delivery))
            elif delivery.standing == "sent" and not is_made:
                yield Outcome(one.vo, one.to, "already")
            else:
                yield self._outcome(one, delivery)

    def _settled(self, one: Addressee) -> Delivery:
        """Return the delivery to *one*; an intent without an outcome is a doubt."""
        delivery = self._sends.delivery(one.vo, one.to)
        if not delivery.events or delivery.events[-1].what != "intent":
            return delivery
        why = "the run ended while the message was being sent"
        doubt = _followed(delivery.events[-1], self._mailing.now(), "doubt", why)
        return self._sends.add(delivery, doubt)

    def _outcome(self, one: Addressee, delivery: Delivery) -> Outcome:
        unreachable = self._post.unreachable
        if unreachable is not None and delivery.standing == "due":
            return Outcome(one.vo, one.to, unreachable.fate, unreachable.said)
        try:
            prepared = prepare(
                self._mailing, self._statements, delivery, one, self._sends.salt
            )
            if delivery.standing == "sent":
                if not _is_changed(delivery, prepared):
                    return Outcome(one.vo, one.to, "already")
                if not self._resend:
                    why = "it is not what was sent; --resend sends the revised one"
                    return Outcome(one.vo, one.to, "changed", why)
            message = prepared.message(self._mailing)
        except UsageError:
            raise
        except PoolmeterError as error:
            return Outcome(one.vo, one.to, "unusable", str(error))
        except Exception as error:  # noqa: BLE001 - one VO's trouble is not the others'
            why = f"unexpected {type(error).__name__}: {one_line(str(error))}"
            return Outcome(one.vo, one.to, "unusable", why)
        attempt = self._send(message, one, delivery, prepared.intent)
        return Outcome(one.vo, one.to, attempt.fate, attempt.said)

    def _send(
        self, message: bytes, one: Addressee, delivery: Delivery, intent: Event
    ) -> Attempt:
        noted = delivery

        def note_intent() -> None:
            nonlocal noted
            noted = self._sends.add(delivery, intent)

        attempt = self._post.send(
            message,
            sender=self._mailing.mail.sender or "",
            to=one.to,
            before_data=note_intent,
        )
        outcome = _followed(
            intent, self._mailing.now(), _event_of(attempt.fate), attempt.said
        )
        try:
            self._sends.add(noted, outcome)
        except LedgerError as error:
            # The intent stays without an outcome: the next run will see a doubt.
            return Attempt("doubt", f"{attempt.fate} ({attempt.said}), but {error}")
        return attempt


def _followed(event: Event, at: dt.datetime, what: What, said: str = "") -> Event:
    return msgspec.structs.replace(event, at=at, what=what, said=said)


def _event_of(fate: Fate) -> What:
    return fate if fate in ("sent", "doubt") else "failed"


def _is_changed(delivery: Delivery, prepared: Prepared) -> bool:
    last = delivery.last_received
    return last is None or last.statement_sha256 != prepared.intent.statement_sha256


def _doubt_text(delivery: Delivery) -> str:
    event = delivery.events[-1]
    return (
        f"it may have arrived ({event.said}, {event.at:%Y-%m-%d %H:%M} UTC); look for "
        f"{event.message_id} in the mail server's log, then --arrived or --resend"
    )
