"""The send ledger: which statements were given to the mail server, and in which state.

One file a month in ``LEDGER/.state/mail/``, replaced durably at every event.  The
intent stands on disk before the first byte of a message leaves, the outcome after the
server's answer; so an intent without an outcome is a message that may have arrived.
Whoever writes holds :func:`send_lock`.
"""

import contextlib
import datetime as dt
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from poolmeter.durable import make_folder, write_text
from poolmeter.errors import LedgerError
from poolmeter.ledger.layout import state_folder
from poolmeter.locks import locked

_FORMAT: Final = 1

#: ``arrived`` is a person's word for a message that was in doubt.
What = Literal["intent", "sent", "failed", "doubt", "arrived"]
Standing = Literal["due", "sent", "doubt"]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that happened to one recipient's message.

    After an ``intent`` the next event of the delivery is its outcome; ``failed``
    without an intent is a message that the server did not even want to begin.
    """

    at: dt.datetime
    what: What
    statement_sha256: str
    revision: int
    message_id: str
    dated_at: dt.datetime  # the message's own Date
    said: str = ""  # by the mail server, or why not


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that happened to one recipient's messages about one VO's month."""

    vo: str
    to: str
    events: tuple[Event, ...] = ()

    @property
    def standing(self) -> Standing:
        """Whether a message is to be sent, was sent, or may have been.

        >>> Delivery(vo="cms", to="a@b.example").standing
        'due'
        """
        if not self.events or self.events[-1].what == "failed":
            return "due"
        is_certain = self.events[-1].what in ("sent", "arrived")
        return "sent" if is_certain else "doubt"

    @property
    def last_received(self) -> Event | None:
        """The last event of a message that the recipient has, or may have."""
        open_intent = received = None
        for event in self.events:
            if event.what == "intent":
                open_intent = event
            else:
                open_intent = None
                received = received if event.what == "failed" else event
        return open_intent or received


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: Literal[1] = _FORMAT
    month: str
    salt: str
    deliveries: tuple[Delivery, ...] = ()


class SendLedger:
    """The messages of one month."""

    def __init__(self, path: Path, content: _Content) -> None:
        self._path = path
        self._content = content

    @property
    def salt(self) -> str:
        """What keeps this ledger's Message-IDs apart from those of any other."""
        return self._content.salt

    def delivery(self, vo: str, to: str) -> Delivery:
        """Return what happened to *to*'s messages about *vo*.

        An address in other letters' case is the same one.
        """
        for known in self._content.deliveries:
            if known.vo == vo and known.to.casefold() == to.casefold():
                return known
        return Delivery(vo=vo, to=to)

    def add(self, delivery: Delivery, event: Event) -> Delivery:
        """Note *event* durably and return the delivery with it.

        Raises:
            LedgerError: It could not be written; the file is as it was.
        """
        noted = msgspec.structs.replace(delivery, events=(*delivery.events, event))
        others = (known for known in self._content.deliveries if known != delivery)
        content = msgspec.structs.replace(self._content, deliveries=(*others, noted))
        make_folder(self._path.parent)
        text = msgspec.json.format(msgspec.json.encode(content), indent=1).decode()
        write_text(self._path, f"{text}\n")
        self._content = content
        return noted


def read_send_ledger(ledger: Path, month: str) -> SendLedger:
    """Return the send ledger of *month*; one that is not there yet is empty.

    Raises:
        LedgerError: The file cannot be read or is none of ours; nobody may send then,
            because nobody knows what was sent.
    """
    path = _folder(ledger) / f"{month}.json"
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except FileNotFoundError:
        content = _Content(month=month, salt=secrets.token_hex(16))
    except OSError as error:
        raise LedgerError(str(path), found=error.strerror or str(error)) from error
    except msgspec.DecodeError as error:
        raise LedgerError(
            str(path),
            expected=f"a send ledger of format {_FORMAT}",
            found=str(error),
            mend="put it back from a backup: without it statements go out twice",
        ) from error
    return SendLedger(path, content)


@contextlib.contextmanager
def send_lock(ledger: Path) -> Iterator[None]:
    """Hold the right to send; there is one for a ledger.

    Raises:
        LedgerBusyError: Another run is sending.
    """
    with locked(_folder(ledger) / "lock", what="the sending of statements"):
        yield


def _folder(ledger: Path) -> Path:
    return state_folder(ledger) / "mail"
