"""Messages: their structure, and hostile texts that reach nothing."""

import base64
import dataclasses
import datetime as dt

import pytest

from poolmeter.config import MailConfig, parse_config
from poolmeter.errors import ConfigError
from reports.mail_inline_images import with_content_ids
from reports.mail_message import Letter, Renderings, header_text, message_bytes
from reports.mail_renderings import renderings
from reports.statement import statement
from reports.statement_data import Statement
from tests.unit.mail_server import parsed
from tests.unit.mail_site import NOW, parts_of
from tests.unit.reports_ledger import book, job, write_ledger

MAIL = MailConfig(sender="showback@pool.example.org", sender_name="Tier-2")
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted"),
    *("MIME-Version", "Content-Type"),
}
HOSTILE = [
    "a\r\nBcc: evil@example.org",
    "a\n\n<script>alert(1)</script>",
    "=?utf-8?q?a=0D=0ABcc:_evil@example.org?=",
    "=?utf-8?q?a=0D=0A=0D=0Abody?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQGV4YW1wbGUub3Jn?=",
    "=?=?utf-8?q?=0ABcc:x?=",
    "a\u2028Bcc: x",
    "a\x85Bcc: x",
    "a\x00b\x0bc\x0cd",
    "é" * 200,
    "x" * 2000,
    '"><img src="data:image/png;base64,AAAA">',
    "=HYPERLINK(1)",
    "../../etc/passwd",
    "日本 \u202e evil",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    ledger = write_ledger(tmp_path_factory.mktemp("ledger") / "ledger", job())
    return statement(ledger, "2026-10", by="payload-user", vo="cms", book=book())


def _letter(statement_: Statement, **changes: object) -> Letter:
    letter = Letter(
        statement=statement_,
        to="cms@vo.example",
        message_id="<1@pool.example.org>",
        dated_at=NOW,
    )
    return dataclasses.replace(letter, **changes)  # type: ignore[arg-type]


def _hostile(plain: Statement, text: str) -> Statement:
    (line,) = plain.lines
    return dataclasses.replace(
        plain, vo=text, lines=(dataclasses.replace(line, key=text),)
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_only_text(plain: Statement, text: str) -> None:
    """As VO, as user, as the sender's name: no header, body, tag or path of its own."""
    hostile = _hostile(plain, text)
    mail = MailConfig(sender="showback@pool.example.org", sender_name=text)

    raw = message_bytes(_letter(hostile), mail, renderings())

    message = parsed(raw)
    assert set(message.keys()) == HEADERS
    assert [a.addr_spec for a in message["From"].addresses] == [mail.sender]
    assert [a.addr_spec for a in message["To"].addresses] == ["cms@vo.example"]
    assert len(message["Subject"].splitlines()) == 1
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) < 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parts = parts_of(message)
    assert "<script>" not in parts.html
    assert all(content.startswith(b"\x89PNG") for content in parts.images.values())
    name = next(iter(message.iter_attachments())).get_filename()
    assert name is not None
    assert "/" not in name
    assert not name.startswith(".")


def test_the_python_bug_that_is_worked_around_is_known() -> None:
    """Encoded words are harmless only because ``header_text`` takes them apart."""
    assert header_text("=?utf-8?q?=0ABcc:_x?=") == "= ?utf-8?q? =0ABcc:_x? ="


def test_plots_are_parts_that_the_page_points_to(plain: Statement) -> None:
    parts = parts_of(parsed(message_bytes(_letter(plain), MAIL, renderings())))

    assert parts.images
    assert "data:image" not in parts.html
    for name in parts.images:
        assert f'src="cid:{name}"' in parts.html


def test_all_parts_tell_the_same_total(plain: Statement) -> None:
    parts = parts_of(parsed(message_bytes(_letter(plain), MAIL, renderings())))

    total = str(plain.totals.total_cost)
    assert all(total in content for content in (parts.text, parts.html, parts.csv))


def test_a_lower_bound_is_said_in_the_subject(plain: Statement) -> None:
    totals = dataclasses.replace(plain.totals, network_complete=False)
    lower = dataclasses.replace(plain, totals=totals)

    message = parsed(message_bytes(_letter(lower), MAIL, renderings()))

    assert message["Subject"] == "Showback 2026-10: at least USD 0.05, VO cms"


def test_a_revision_says_so_in_subject_text_and_page(plain: Statement) -> None:
    letter = _letter(plain, replaces=dt.datetime(2026, 11, 3, tzinfo=dt.UTC))

    message = parsed(message_bytes(letter, MAIL, renderings()))

    assert message["Subject"].startswith("Showback 2026-10, revised: ")
    note = "REVISED: this replaces the statement sent on 2026-11-03."
    parts = parts_of(message)
    assert note in " ".join(parts.text.split())
    assert note in " ".join(parts.html.split())


def test_what_a_rendering_says_cannot_become_a_header(plain: Statement) -> None:
    text = ".\r\nBcc: x\r\n\r\n.\r\nFrom me\r\n"
    raw = message_bytes(
        _letter(plain),
        MAIL,
        Renderings(text=lambda _: text, html=lambda _: text, csv=lambda _: text),
    )

    message = parsed(raw)
    assert set(message.keys()) == HEADERS
    assert parts_of(message).csv == text


def test_only_images_inside_tags_become_parts() -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    page = f'<p>src="data:image/png;base64,{png}"</p><img src="data:image/svg+xml,x">'

    assert with_content_ids(page, "example.org") == (page, ())


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\nBcc: x@y.example",
        "a b@c.example",
        "a@b.example>",
        "=?utf-8?q?a?=@b.example",
        "a@b.example\n",
        "a@@b.example",
        "é@b.example",
        "",
    ],
)
def test_no_other_address_gets_through_the_configuration(address: str) -> None:

    for text in (f"sender = {address!r}", f"recipients.cms = [{address!r}]"):
        quoted = text.replace("'", '"')
        with pytest.raises(ConfigError):
            parse_config(f"[mail]\n{quoted}\n")
