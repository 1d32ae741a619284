"""A real mail server on the loopback: STARTTLS, TLS or plain, with AUTH, and moods."""

import asyncio
import email
import email.policy
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "showback"
PASSWORD = "correct horse"  # noqa: S105 - of this test's own server

#: Where a hook may be called; ``accepted`` is after the message is ours and before the
#: client knows.
Stage = Literal["rcpt", "data", "accepted"]


class MailServer:
    """What the server got, and what it is to say or do next."""

    def __init__(self) -> None:
        self.port = 0
        self.delivered: list[tuple[str, bytes]] = []
        self.logins = 0
        self.replies: dict[tuple[Stage, str], str] = {}  # by stage and recipient
        self.hook: Callable[[Stage, str], object] = lambda *_: None

    @property
    def recipients(self) -> list[str]:
        """Who got a message, in the order of delivery."""
        return [to for to, _ in self.delivered]

    def messages(self) -> dict[str, EmailMessage]:
        """Return the last message of each recipient, parsed."""
        return {to: parsed(raw) for to, raw in self.delivered}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Take a recipient, or say what the test wants."""
        self.hook("rcpt", address)
        envelope.rcpt_tos.append(address)
        return self.replies.get(("rcpt", address), "250 OK")

    async def handle_DATA(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Take the message, or say what the test wants."""
        (to,) = envelope.rcpt_tos
        content = envelope.content
        assert isinstance(content, bytes)
        reply = self.replies.get(("accepted", to), "250 OK")
        if reply.startswith("2"):
            self.delivered.append((to, content))
        self.hook("accepted", to)
        return reply

    def authenticate(self, *arguments: Any) -> AuthResult:  # noqa: ANN401 - aiosmtpd's
        """Let the test's one user in."""
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        self.logins += 1
        right = given == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


class _Protocol(SMTP):
    """aiosmtpd's protocol with a hook where DATA begins."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Call the hook before the client may send the message."""
        if self.envelope is not None and self.envelope.rcpt_tos:
            self.event_handler.hook("data", self.envelope.rcpt_tos[0])
        await super().smtp_DATA(arg)


def parsed(raw: bytes) -> EmailMessage:
    """Return *raw* as a mail program sees it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine; return its file and its key's."""
    certificate, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextmanager
def running(
    *,
    security: Literal["starttls", "tls", "plain"] = "plain",
    certificate: tuple[Path, Path] | None = None,
    auth: bool = False,
) -> Iterator[MailServer]:
    """Run a server on a free port of 127.0.0.1 in a thread of its own."""
    state = MailServer()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return _Protocol(
            state,
            hostname="mail.example.org",
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=state.authenticate if auth else None,
            auth_required=auth and security == "starttls",
            auth_require_tls=security == "starttls",
            loop=loop,
        )

    server = loop.run_until_complete(
        loop.create_server(
            protocol, "127.0.0.1", 0, ssl=context if security == "tls" else None
        )
    )
    state.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
