"""A statement as a mail: text, HTML with its plots, and the figures as CSV.

Headers hold a VO's name, which users may have chosen.  Python's email package refuses
line ends in a header but takes encoded words apart first, so that
``=?utf-8?q?=0ABcc=3A_x?=`` becomes a header of its own; nothing of that kind gets in,
and the finished message's headers are counted once more.
"""

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from typing import cast

from poolmeter.config import MailConfig
from poolmeter.errors import PoolmeterError
from reports.mail_inline_images import with_content_ids
from reports.statement_data import Statement
from reports.text_words import shown

#: 7 bits reach every server, and no line is longer than 998 octets.
_POLICY = SMTP.clone(cte_type="7bit")
_VO_WIDTH = 60
_FILE_WORD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_FILE_WORD = 60
_OURS = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """How a statement becomes text, HTML (plots as ``data:`` images) and CSV."""

    text: Callable[[Statement], str]
    html: Callable[[Statement], str]
    csv: Callable[[Statement], str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One statement to one recipient; ``replaces`` is the time of what it revises."""

    statement: Statement
    to: str
    message_id: str
    dated_at: dt.datetime
    replaces: dt.datetime | None = None


def message_bytes(letter: Letter, mail: MailConfig, renderings: Renderings) -> bytes:
    """Return *letter* as it goes to the server: ASCII, lines ending in CRLF."""
    statement = _with_revision_note(letter)
    message = EmailMessage(_POLICY)
    _add_headers(message, letter, mail)
    message.set_content(renderings.text(statement), cte="quoted-printable")
    html, images = with_content_ids(renderings.html(statement), sender_domain(mail))
    message.add_alternative(html, subtype="html")
    html_part = cast("list[MIMEPart]", message.get_payload())[1]
    for image in images:
        html_part.add_related(
            image.content, "image", image.subtype, cid=f"<{image.content_id}>"
        )
    if images:
        html_part.set_param("type", "text/html")  # RFC 2387, 3.1
    message.add_attachment(
        renderings.csv(statement).encode("utf-8", "backslashreplace"),
        maintype="text",
        subtype="csv",
        params={"charset": "utf-8"},
        filename=f"statement-{file_word(statement.month)}-{_vo_word(statement)}.csv",
    )
    raw = message.as_bytes()
    _check_headers(raw, letter)
    return raw


def _add_headers(message: EmailMessage, letter: Letter, mail: MailConfig) -> None:
    sender = mail.sender or ""
    message["From"] = Address(
        display_name=header_text(mail.sender_name), addr_spec=sender
    )
    message["To"] = Address(addr_spec=letter.to)
    if mail.reply_to is not None:
        message["Reply-To"] = Address(addr_spec=mail.reply_to)
    message["Subject"] = _subject(letter)
    message["Date"] = format_datetime(letter.dated_at)
    message["Message-ID"] = letter.message_id
    message["List-Id"] = f"<{mail.list_id or 'poolmeter.' + sender_domain(mail)}>"
    message["Auto-Submitted"] = "auto-generated"


def _subject(letter: Letter) -> str:
    statement = letter.statement
    totals = statement.totals
    revised = ", revised" if letter.replaces is not None else ""
    at_least = "" if totals.network_complete else "at least "
    amount = f"{at_least}{header_text(statement.currency)} {totals.total_cost:,}"
    whose = header_text(statement.vo or "all VOs")
    return f"Showback {statement.month}{revised}: {amount}, VO {whose}"


def header_text(text: str) -> str:
    r"""Return *text* as harmless words of a header: one line, no encoded word.

    >>> header_text("a\r\nBcc: x =?utf-8?q?=0A?=")
    'a\\r\\nBcc: x = ?utf-8?q? =0A? ='
    """
    return shown(text, _VO_WIDTH).replace("=?", "= ?").replace("?=", "? =")


def file_word(text: str) -> str:
    """Return *text* as a part of a file's name that every system takes.

    >>> file_word("../O'Brien <b>"), file_word(".hidden")
    ('_O_Brien_b_', 'hidden')
    """
    return _FILE_WORD.sub("_", text).lstrip(".")[:_LONGEST_FILE_WORD] or "_"


def _vo_word(statement: Statement) -> str:
    return file_word(statement.vo or "all")


def sender_domain(mail: MailConfig) -> str:
    """Return the domain of the sender, for ids."""
    return (mail.sender or "").rpartition("@")[2] or "localhost"


def message_id(mail: MailConfig, *facts: object) -> str:
    """Return the Message-ID of the message that *facts* tell apart from all others.

    The same facts give the same one, so that a reader's mail program can drop a
    message that comes twice.
    """
    digest = hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace"))
    return f"<{digest.hexdigest()[:24]}@{sender_domain(mail)}>"


def _with_revision_note(letter: Letter) -> Statement:
    if letter.replaces is None:
        return letter.statement
    note = f"REVISED: this replaces the statement sent on {letter.replaces:%Y-%m-%d}."
    return dataclasses.replace(letter.statement, notes=(note, *letter.statement.notes))


def _check_headers(raw: bytes, letter: Letter) -> None:
    """Refuse a message that holds a header which is not ours, one twice, or too few.

    Raises:
        PoolmeterError: It does; nothing of it may be sent.
    """
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    lines = [line for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    names = [line.partition(":")[0] for line in lines]
    wanted = [name for name in _OURS if name in names or name != "Reply-To"]
    if sorted(names) != sorted(wanted) or "\n" in "".join(lines):
        raise PoolmeterError(
            f"the message for VO {letter.statement.vo!r}",
            expected="only the headers of a statement",
            found=", ".join(names),
            mend="nothing of it was sent; look for control characters in VO names",
        )
