"""A month's statements through a real mail server with STARTTLS and AUTH."""

import csv
import datetime as dt
import fcntl
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports import render_html
from reports.statement_data import Statement
from tests.unit.mail_server import MailServer, make_certificate, running
from tests.unit.mail_site import EVERYBODY, VOS, Site, make_site, parts_of
from tests.unit.reports_ledger import job

TRY_AGAIN = "451 4.7.1 greylisted, try again"
NEVER = "550 5.1.1 no such user"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[MailServer]:
    with running(security="starttls", certificate=certificate, auth=True) as state:
        yield state


@pytest.fixture
def site(tmp_path: Path, server: MailServer, certificate: tuple[Path, Path]) -> Site:
    return make_site(tmp_path, server, certificate[0])


def _totals_of_csv(text: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    return list(rows)[-1]


def test_each_vo_gets_what_its_statement_says(site: Site, server: MailServer) -> None:
    assert site.mail() == (0, "", "")

    assert sorted(server.recipients) == EVERYBODY
    assert server.logins == 1
    for vo in VOS:
        message = server.messages()[f"{vo}@vo.example"]
        parts = parts_of(message)
        total = site.total_cost(vo)
        assert total in parts.text
        assert total in parts.html
        assert total == _totals_of_csv(parts.csv)["total_cost"]
        assert message["Subject"].endswith(f"{total}, VO {vo}")


def test_the_headers_are_those_of_an_automatic_mail(
    site: Site, server: MailServer
) -> None:
    site.mail("--vo=cms")

    message = server.messages()["cms@vo.example"]
    assert message["From"] == "Example Tier-2 <showback@pool.example.org>"
    assert message["To"] == "cms@vo.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<poolmeter.pool.example.org>"
    assert message["Message-ID"].endswith("@pool.example.org>")
    assert message["Date"].datetime.year >= 2026


def test_a_second_run_sends_nothing(site: Site, server: MailServer) -> None:
    site.mail()

    assert site.mail() == (0, "", "")
    assert site.mail("--resend") == (0, "", "")
    assert sorted(server.recipients) == EVERYBODY


@pytest.mark.parametrize(("stage", "reply"), [("rcpt", TRY_AGAIN), ("accepted", NEVER)])
def test_a_refused_vo_leaves_the_others_sent_and_is_resumed(
    site: Site, server: MailServer, stage: str, reply: str
) -> None:
    server.replies[stage, "cms@vo.example"] = reply  # type: ignore[index]

    code, out, err = site.mail()

    assert (code, out) == (3, "")
    word = "deferred" if reply == TRY_AGAIN else "refused"
    assert err == f"poolmeter: cms to cms@vo.example: {word}: {reply}\n"
    assert sorted(server.recipients) == ["atlas@vo.example", "lhcb@vo.example"]

    server.replies.clear()
    assert site.mail() == (0, "", "")
    assert sorted(server.recipients) == EVERYBODY
    assert "revised" not in server.messages()["cms@vo.example"]["Subject"]


def test_a_server_that_is_away_fails_all_and_is_asked_once(
    site: Site, server: MailServer
) -> None:
    site.replace_in_config(f"port = {server.port}", "port = 1")

    code, _, err = site.mail()

    assert code == 1
    assert err.count("unreachable: [Errno 111] Connection refused") == 3
    site.replace_in_config("port = 1", f"port = {server.port}")
    assert site.mail()[0] == 0
    assert sorted(server.recipients) == EVERYBODY


def test_a_wrong_password_sends_nothing_and_is_not_shown(
    site: Site, server: MailServer
) -> None:
    (site.folder / "password").write_text("wrong guess\n")

    code, _, err = site.mail()

    assert (code, server.delivered) == (1, [])
    assert "535" in err
    assert "wrong guess" not in err


def test_an_unknown_certificate_sends_nothing(site: Site, server: MailServer) -> None:
    site.replace_in_config('ca_file = "', '# ca_file = "')

    code, _, err = site.mail()

    assert (code, server.delivered) == (1, [])
    assert "CERTIFICATE_VERIFY_FAILED" in err


def test_a_changed_statement_is_sent_again_only_on_demand_and_says_revised(
    site: Site, server: MailServer
) -> None:
    site.mail()
    site.add_jobs(job(owner="erin", vo="cms"))

    assert site.mail() == (0, "", "")
    assert len(server.delivered) == 3

    assert site.mail("--resend") == (0, "", "")
    assert server.recipients[3:] == ["cms@vo.example"]
    first, second = (m for to, m in server.delivered if to == "cms@vo.example")
    message = server.messages()["cms@vo.example"]
    assert "Showback 2026-10, revised: " in message["Subject"]
    assert "REVISED: this replaces the statement sent on " in parts_of(message).text
    assert "REVISED: this replaces the statement sent on " in parts_of(message).html
    assert b"REVISED" not in first
    assert _header(first, b"Message-ID") != _header(second, b"Message-ID")
    assert site.mail("--resend") == (0, "", "")
    assert len(server.delivered) == 4


def _header(raw: bytes, name: bytes) -> bytes:
    (line,) = (line for line in raw.split(b"\r\n") if line.startswith(name))
    return line


def test_a_late_recipient_shows_that_the_others_have_an_older_statement(
    site: Site, server: MailServer
) -> None:
    site.mail()
    site.add_jobs(job(owner="erin", vo="cms"))
    site.replace_in_config('["cms@vo.example"]', '["cms@vo.example", "new@vo.example"]')

    code, _, err = site.mail()

    assert code == 3
    assert err == (
        "poolmeter: cms to cms@vo.example: changed: it is not what was sent; "
        "--resend sends the revised one\n"
    )
    assert server.recipients[3:] == ["new@vo.example"]
    assert "revised" not in server.messages()["new@vo.example"]["Subject"]


def test_recipients_read_names_in_full_as_pseudonyms_or_not_at_all(
    site: Site, server: MailServer
) -> None:
    key = site.folder / "key"
    key.write_text("0123456789abcdef" * 2 + "\n")
    key.chmod(0o600)
    site.replace_in_config(
        '["cms@vo.example"]',
        '["full@vo.example", { to = "some@vo.example", names = "pseudonym" },'
        ' { to = "none@vo.example", names = "none" }]',
    )
    site.replace_in_config("[mail]", f'[mail]\npseudonym_key_file = "{key}"')

    assert site.mail("--vo=cms") == (0, "", "")

    messages = server.messages()
    for to, readable in (("full", True), ("some", False), ("none", False)):
        parts = parts_of(messages[f"{to}@vo.example"])
        for content in (parts.text, parts.html, parts.csv):
            assert ("uscms01" in content, "bob" in content) == (readable, readable)
    assert parts_of(messages["some@vo.example"]).csv.count("user-") == 2
    costs = {
        _totals_of_csv(parts_of(message).csv)["total_cost"]
        for message in messages.values()
    }
    assert len(costs) == 1


def test_a_dry_run_writes_files_and_sends_and_notes_nothing(
    site: Site, server: MailServer
) -> None:
    site.replace_in_config("[mail.recipients]", '[mail.recipients]\n"../x" = ["x@y.z"]')
    folder = site.folder / "out"

    assert site.mail("--dry-run", str(folder)) == (0, "", "")

    assert server.delivered == []
    assert not (site.ledger / ".state" / "mail").exists()
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "2026-10 %2E.%2Fx x@y.z.eml",
        "2026-10 atlas atlas@vo.example.eml",
        "2026-10 cms cms@vo.example.eml",
        "2026-10 lhcb lhcb@vo.example.eml",
    ]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} <= {0o640, 0o600}
    assert (
        sorted(path.parent.name for path in site.folder.rglob("*.eml")) == ["out"] * 4
    )


def test_a_clean_run_prints_nothing_also_without_a_home(site: Site) -> None:
    environment = os.environ | {"HOME": "/proc/none", "MPLCONFIGDIR": "/proc/none"}
    command = [sys.executable, "-m", "poolmeter", *site.command, "--vo=cms"]

    done = subprocess.run(command, env=environment, capture_output=True, check=True)

    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_month_that_has_not_ended_is_not_mailed(
    site: Site, server: MailServer
) -> None:
    month = f"--month={dt.datetime.now(dt.UTC):%Y-%m}"

    code, _, err = site.mail(month)

    assert (code, server.delivered) == (2, [])
    assert "expected one that has ended" in err


def test_nobody_else_may_send_meanwhile(site: Site, server: MailServer) -> None:
    errors: list[str] = []

    def run_again(*_: object) -> None:
        if not errors:
            path = site.ledger / ".state" / "mail" / "lock"
            with path.open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            errors.append("locked")

    server.hook = run_again

    assert site.mail("--vo=cms") == (0, "", "")
    assert errors == ["locked"]


def test_the_send_ledger_tells_what_was_done(site: Site, server: MailServer) -> None:
    server.replies["rcpt", "cms@vo.example"] = TRY_AGAIN
    site.mail()

    path = site.ledger / ".state" / "mail" / "2026-10.json"
    assert path.stat().st_mode & 0o007 == 0
    deliveries = json.loads(path.read_text())["deliveries"]
    told = {d["vo"]: [event["what"] for event in d["events"]] for d in deliveries}
    assert told == {
        "cms": ["failed"],
        "atlas": ["intent", "sent"],
        "lhcb": ["intent", "sent"],
    }


def test_a_damaged_send_ledger_stops_everything(site: Site, server: MailServer) -> None:
    site.mail("--vo=cms")
    path = site.ledger / ".state" / "mail" / "2026-10.json"
    path.write_text(path.read_text()[:-30])

    code, _, err = site.mail()

    assert code == 1
    assert "expected a send ledger" in err
    assert server.recipients == ["cms@vo.example"]


def test_a_vo_whose_page_cannot_be_made_keeps_nobody_else_from_theirs(
    site: Site, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = render_html.render_html

    def fails_for_cms(statement: Statement) -> str:
        if statement.vo == "cms":
            raise ZeroDivisionError("a plot")
        return render(statement)

    monkeypatch.setattr(render_html, "render_html", fails_for_cms)

    code, _, err = site.mail()

    assert code == 3
    assert "cms@vo.example: unusable: unexpected ZeroDivisionError: a plot" in err
    assert sorted(server.recipients) == ["atlas@vo.example", "lhcb@vo.example"]
