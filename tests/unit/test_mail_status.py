"""What has been mailed, and who has use and nobody that is told of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.mail_server import MailServer, running
from tests.unit.mail_site import Site, make_site
from tests.unit.reports_ledger import job

TRY_AGAIN = "451 4.7.1 greylisted, try again"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running() as state:
        yield state


@pytest.fixture
def site(tmp_path: Path, server: MailServer) -> Site:
    return make_site(tmp_path, server, None)


def _status(site: Site, *arguments: str) -> list[dict[str, object]]:
    code, out, err = site.mail("--status", "--format=json", *arguments)
    assert (code, err) == (0, "")
    found: list[dict[str, object]] = json.loads(out)
    return found


def _states(site: Site) -> dict[object, object]:
    return {status["vo"]: status["state"] for status in _status(site)}


def test_vos_without_recipients_are_said_in_one_line(
    site: Site, server: MailServer
) -> None:
    site.add_jobs(job(vo="ligo"), job(vo=""), job(vo="unknown"))

    code, out, err = site.mail()

    assert (code, out) == (3, "")
    assert err == (
        "poolmeter: no recipients for the use of 2026-10 by (unknown), ligo: add them "
        "to [mail.recipients]; with = [] nobody is meant to be told\n"
    )
    assert len(server.delivered) == 3
    assert _states(site)["ligo"] == "nobody"


def test_an_empty_list_of_recipients_says_that_nobody_is_meant(site: Site) -> None:
    site.add_jobs(job(vo="ligo"))
    site.replace_in_config("[mail.recipients]", "[mail.recipients]\nligo = []")

    assert site.mail() == (0, "", "")
    assert "ligo" not in _states(site)


def test_a_hostile_name_stays_in_its_line(site: Site) -> None:
    site.add_jobs(job(vo="x\nBcc: you@evil.example\x1b[31m"))

    code, _, err = site.mail()

    assert code == 3
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_the_status_follows_the_month(site: Site, server: MailServer) -> None:
    assert set(_states(site).values()) == {"due"}

    server.replies["rcpt", "cms@vo.example"] = TRY_AGAIN
    site.mail()
    assert _states(site) == {"atlas": "sent", "cms": "due", "lhcb": "sent"}

    server.replies.clear()
    site.mail()
    site.add_jobs(job(owner="erin", vo="cms"))
    site.mail("--resend")

    (cms,) = _status(site, "--vo=cms")
    assert str(cms.pop("sent_at")).endswith("Z")
    assert cms == {
        "month": "2026-10", "vo": "cms", "recipients": 1, "sent": 1, "revision": 1,
        "state": "sent",
    }  # fmt: skip


def test_the_status_is_a_table_on_a_terminal(site: Site, server: MailServer) -> None:
    site.mail("--vo=cms")
    code, out, err = site.mail("--status")

    assert (code, err) == (0, "")
    titles, atlas, cms, _ = (line.split() for line in out.splitlines())
    assert titles == [
        "Month", "VO", "Recipients", "Sent", "Sent", "at", "(UTC)", "Revision", "State"
    ]  # fmt: skip
    assert atlas == ["2026-10", "atlas", "1", "0", "-", "-", "due"]
    assert (cms[:4], cms[-2:]) == (["2026-10", "cms", "1", "1"], ["0", "sent"])
    assert len(server.delivered) == 1
