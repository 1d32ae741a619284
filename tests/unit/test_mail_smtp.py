"""The dialogue with the mail server: what surely went, surely did not, or neither."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolmeter.errors import LedgerError
from reports.mail_smtp import Attempt, MailServer, Server
from tests.unit.mail_server import PASSWORD, USER, make_certificate, running

MESSAGE = b"Subject: x\r\n\r\n.a line with a dot\r\n.\r\nlast\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def _send(server: Server, noted: list[str] | None = None) -> Attempt:
    notes = [] if noted is None else noted
    with MailServer(server) as post:
        return post.send(
            MESSAGE,
            sender="a@pool.example",
            to="b@vo.example",
            before_data=lambda: notes.append("intent"),
        )


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("auth", [True, False])
def test_a_message_goes_encrypted_and_whole(
    certificate: tuple[Path, Path], security: str, *, auth: bool
) -> None:
    with running(security=security, certificate=certificate, auth=auth) as state:  # type: ignore[arg-type]
        server = Server(
            host="localhost",
            port=state.port,
            security=security,  # type: ignore[arg-type]
            user=USER if auth else None,
            password=PASSWORD if auth else None,
            ca_file=str(certificate[0]),
            timeout_s=20,
        )

        assert _send(server).fate == "sent"

    assert state.delivered == [("b@vo.example", MESSAGE)]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while")
def test_a_message_goes_in_clear_text_with_a_login_on_this_machine() -> None:
    with running(auth=True) as state:
        server = Server(
            host="127.0.0.1",
            port=state.port,
            security="plain",
            user=USER,
            password=PASSWORD,
        )

        assert _send(server).fate == "sent"

    assert (state.logins, len(state.delivered)) == (1, 1)


def test_a_server_without_starttls_gets_neither_password_nor_message() -> None:
    with running(auth=True) as state:
        server = Server(
            host="127.0.0.1",
            port=state.port,
            security="starttls",
            user=USER,
            password=PASSWORD,
        )

        attempt = _send(server)

    assert attempt.fate == "unreachable"
    assert "STARTTLS" in attempt.said
    assert (state.logins, state.delivered) == (0, [])


def test_the_password_is_not_in_the_server_s_representation() -> None:
    server = Server(host="x", security="tls", user=USER, password=PASSWORD)

    assert PASSWORD not in repr(server)


@contextmanager
def _scripted(replies: Sequence[str | None]) -> Iterator[tuple[Server, list[bytes]]]:
    """Run a server that answers commands by *replies*; ``None`` hangs up.

    After a reply of 354 the next one is given when the message's end has come.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        talk, _ = listener.accept()
        with talk, talk.makefile("rb") as file:
            talk.sendall(b"220 scripted\r\n")
            in_data = False
            for reply in replies:
                if in_data:
                    while (line := file.readline()) not in (b".\r\n", b""):
                        heard.append(line)
                else:
                    heard.append(file.readline())
                if reply is None:
                    return
                talk.sendall(f"{reply}\r\n".encode())
                in_data = reply.startswith("354")
            file.read()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    server = Server(host="127.0.0.1", port=port, security="plain", timeout_s=2)
    with listener:
        yield server, heard
    thread.join(10)


BEGIN = ("250 hello", "250 sender", "250 recipient")


@pytest.mark.parametrize(
    ("replies", "fate", "noted"),
    [
        (["250 hello", "451 busy"], "deferred", False),
        (["250 hello", "550 go away"], "refused", False),
        (["250 hello", None], "deferred", False),
        (["250 hello", "nonsense"], "deferred", False),
        ([*BEGIN[:2], "450 greylisted"], "deferred", False),
        ([*BEGIN[:2], "550 unknown"], "refused", False),
        ([*BEGIN, "451 not now"], "deferred", True),
        ([*BEGIN, "554 never"], "refused", True),
        ([*BEGIN, None], "deferred", True),
        ([*BEGIN, "354 go on", "250 taken"], "sent", True),
        ([*BEGIN, "354 go on", "452 disk full"], "deferred", True),
        ([*BEGIN, "354 go on", "550 spam"], "refused", True),
        # From here on nobody knows whether the server has the message.
        ([*BEGIN, "354 go on", None], "doubt", True),
        ([*BEGIN, "354 go on", "nonsense"], "doubt", True),
        ([*BEGIN, "354 go on", "354 more"], "doubt", True),
        ([*BEGIN, "354 go on", "x" * 9000], "doubt", True),
    ],
)
def test_what_a_server_says_decides_the_fate(
    replies: list[str | None], fate: str, *, noted: bool
) -> None:
    notes: list[str] = []
    with _scripted(replies) as (server, _):
        attempt = _send(server, notes)

    assert attempt.fate == fate
    assert (notes == ["intent"]) == noted
    assert attempt.said
    assert attempt.said.isprintable()


def test_a_server_that_does_not_answer_the_end_leaves_a_doubt() -> None:
    with running() as state:
        release = threading.Event()
        state.hook = lambda stage, _: stage == "accepted" and release.wait(20)
        server = Server(
            host="127.0.0.1", port=state.port, security="plain", timeout_s=1
        )

        attempt = _send(server)
        release.set()

    assert attempt.fate == "doubt"
    assert "timed out" in attempt.said


def test_leading_dots_are_doubled_on_the_way() -> None:
    with _scripted([*BEGIN, "354 go on", "250 taken"]) as (server, heard):
        _send(server)

    assert heard[-5:] == [
        b"Subject: x\r\n",
        b"\r\n",
        b"..a line with a dot\r\n",
        b"..\r\n",
        b"last\r\n",
    ]


def test_nothing_leaves_when_the_intent_cannot_be_noted() -> None:
    def fail() -> None:
        raise LedgerError("disk full")

    with running() as state:
        server = Server(host="127.0.0.1", port=state.port, security="plain")
        with MailServer(server) as post, pytest.raises(LedgerError):
            post.send(MESSAGE, sender="a@b.example", to="c@d.example", before_data=fail)

    assert state.delivered == []


def test_an_unreachable_server_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = Server(host="127.0.0.1", port=port, security="plain")

    with MailServer(server) as post:
        fates = {
            post.send(MESSAGE, sender="a@b.c", to="d@e.f", before_data=list).fate
            for _ in range(3)
        }
        assert fates == {"unreachable"}
        assert post.unreachable is not None


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with running() as state:
        server = Server(host="127.0.0.1", port=state.port, security="plain")
        with MailServer(server) as post:
            for to in ("a@b.example", "c@d.example"):
                attempt = post.send(
                    MESSAGE, sender="x@y.example", to=to, before_data=list
                )
                assert attempt.fate == "sent"
                assert post._smtp is not None
                assert post._smtp.sock is not None
                post._smtp.sock.shutdown(socket.SHUT_RDWR)

    assert state.recipients == ["a@b.example", "c@d.example"]
