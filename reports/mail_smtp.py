"""One connection to the mail server, and what became of each message on it.

smtplib's ``sendmail`` cannot tell a message that surely did not go from one that may
have gone.  Here the last line, the single dot that makes the server responsible for
the message (RFC 5321, 4.1.1.4 and 6.1), is sent apart: whatever breaks before it is
no delivery, whatever breaks after it is in doubt.
"""

import dataclasses
import re
import smtplib
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from poolmeter.config import Security
from poolmeter.errors import one_line

#: ``unreachable``: the server cannot be used now, so the next message need not try.
Fate = Literal["sent", "deferred", "refused", "unreachable", "doubt"]

_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "plain": 25}
_LONGEST_SAID = 300
_DATA_WANTED = 354
_TEMPORARY = 4
_PERMANENT = 5
_DONE = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where messages are handed in, and how; ``password`` goes with ``user``."""

    host: str
    security: Security
    port: int | None = None
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    ca_file: str | None = None
    timeout_s: int = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a message, and what the server said, in one line."""

    fate: Fate
    said: str


class MailServer:
    """A connection that is opened for the first message and mended for the next."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._unreachable: Attempt | None = None

    @property
    def unreachable(self) -> Attempt | None:
        """Why the server cannot be used in this run, once that is known."""
        return self._unreachable

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye; what was sent is sent, whatever the server answers."""
        if self._smtp is not None:
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._drop()

    def send(
        self,
        message: bytes,
        *,
        sender: str,
        to: str,
        before_data: Callable[[], object],
    ) -> Attempt:
        """Hand *message* (lines ending in CRLF) in for *to*, once.

        *before_data* is called when the server has accepted sender and recipient and
        before any of the message leaves; what it raises goes through, and nothing was
        sent then.
        """
        if self._unreachable is not None:
            return self._unreachable
        if self._smtp is not None and not _is_alive(self._smtp):
            self._drop()
        if self._smtp is None:
            try:
                self._smtp = _connected(self._server)
            except (OSError, smtplib.SMTPException) as error:
                self._unreachable = Attempt("unreachable", _said_by(error))
                return self._unreachable
        try:
            attempt = _transact(self._smtp, message, sender, to, before_data)
        except BaseException:
            self._drop()
            raise
        if attempt.fate != "sent":
            # Nobody knows the state of the dialogue; the next one begins afresh.
            self._drop()
        return attempt

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _is_alive(smtp: smtplib.SMTP) -> bool:
    """Tell whether the server still listens: a statement may have taken an hour."""
    try:
        code, _ = smtp.noop()
    except (OSError, smtplib.SMTPException):
        return False
    return code // 100 == _DONE


def _connected(server: Server) -> smtplib.SMTP:
    """Return a connection that is encrypted and logged in as *server* says.

    A certificate is always verified, and a server that offers no STARTTLS where it
    was asked for is an error: nothing falls back to clear text.
    """
    port = server.port or _PORTS[server.security]
    if server.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, port, timeout=server.timeout_s, context=_context(server)
        )
    else:
        smtp = smtplib.SMTP(server.host, port, timeout=server.timeout_s)
    try:
        if server.security == "starttls":
            smtp.starttls(context=_context(server))
        if server.user is not None:
            smtp.login(server.user, server.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp


def _context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


def _transact(
    smtp: smtplib.SMTP,
    message: bytes,
    sender: str,
    to: str,
    before_data: Callable[[], object],
) -> Attempt:
    """Do one mail transaction (RFC 5321, 3.3)."""
    try:
        smtp.ehlo_or_helo_if_needed()
        size = [f"size={len(message)}"] if smtp.has_extn("size") else []
        code, said = smtp.mail(sender, size)
        if code // 100 == _DONE:
            code, said = smtp.rcpt(to)
    except (OSError, smtplib.SMTPException) as error:
        return Attempt("deferred", _said_by(error))
    if code // 100 != _DONE:
        return _not_sent(code, said)
    before_data()
    return _hand_over(smtp, message)


def _hand_over(smtp: smtplib.SMTP, message: bytes) -> Attempt:
    """Send *message*, its final dot apart."""
    try:
        code, said = smtp.docmd("DATA")
        if code != _DATA_WANTED:
            return _not_sent(code, said)
        smtp.send(_with_dots_doubled(message))
    except (OSError, smtplib.SMTPException) as error:
        return Attempt("deferred", _said_by(error))
    try:
        code, said = smtp.docmd(".")
    except (OSError, smtplib.SMTPException) as error:
        return Attempt("doubt", _said_by(error))
    if code // 100 == _DONE:
        return Attempt("sent", _said(code, said))
    if code // 100 in (_TEMPORARY, _PERMANENT):
        return _not_sent(code, said)
    return Attempt("doubt", _said(code, said))


def _not_sent(code: int, said: bytes) -> Attempt:
    fate: Fate = "refused" if code // 100 == _PERMANENT else "deferred"
    return Attempt(fate, _said(code, said))


def _with_dots_doubled(message: bytes) -> bytes:
    r"""Return *message* as DATA wants it: leading dots doubled, ended by a line end.

    >>> _with_dots_doubled(b".a\r\nb")
    b'..a\r\nb\r\n'
    """
    doubled = re.sub(rb"(?m)^\.", b"..", message)
    return doubled if doubled.endswith(b"\r\n") else doubled + b"\r\n"


def _said_by(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        return _said(
            error.smtp_code, reply if isinstance(reply, bytes) else reply.encode()
        )
    return _shortened(str(error) or type(error).__name__)


def _said(code: int, reply: bytes) -> str:
    return _shortened(f"{code} {reply.decode('utf-8', 'replace')}")


def _shortened(text: str) -> str:
    return one_line(" ".join(text.split()))[:_LONGEST_SAID]
