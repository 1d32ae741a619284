"""kill -9 while statements are being sent: nothing twice, nothing lost unsaid."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.mail_server import MailServer, Stage, running
from tests.unit.mail_site import EVERYBODY, Site, make_site


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running() as state:
        yield state


@pytest.fixture
def site(tmp_path: Path, server: MailServer) -> Site:
    return make_site(tmp_path, server, None)


def _run_killed_at(site: Site, server: MailServer, stage: Stage, number: int) -> None:
    """Run the mail and kill it when *stage* happens for the *number*th time."""
    pids: list[int] = []
    seen = 0

    def kill(at: Stage, _: str) -> None:
        nonlocal seen
        seen += at == stage
        if at == stage and seen == number:
            os.kill(pids[0], signal.SIGKILL)

    server.hook = kill
    # The first statement takes far longer to make than it takes to come back here.
    process = site.start_mail()
    pids.append(process.pid)
    assert process.wait(120) == -signal.SIGKILL
    server.hook = lambda *_: None


@pytest.mark.parametrize(
    ("stage", "in_doubt"), [("rcpt", False), ("data", True), ("accepted", True)]
)
def test_a_killed_run_is_resumed_and_sends_nothing_twice(
    site: Site, server: MailServer, stage: Stage, *, in_doubt: bool
) -> None:
    _run_killed_at(site, server, stage, 2)

    code, _, err = site.mail()

    # The second VO in the order of the configuration is the one that was killed.
    assert code == (3 if in_doubt else 0)
    assert ("atlas to atlas@vo.example: doubt: it may have arrived" in err) == in_doubt
    assert max(Counter(server.recipients).values()) == 1
    told = set(server.recipients) | ({"atlas@vo.example"} if in_doubt else set())
    assert told == set(EVERYBODY)
    # The doubt is told until a person ends it.
    assert site.mail()[0] == (3 if in_doubt else 0)


def test_a_doubt_ends_by_the_word_of_a_person(site: Site, server: MailServer) -> None:
    _run_killed_at(site, server, "accepted", 2)
    site.mail()

    assert site.mail("--arrived", "--vo=atlas") == (0, "", "")

    assert site.mail() == (0, "", "")
    assert sorted(server.recipients) == EVERYBODY


def test_what_is_resent_from_a_doubt_is_the_same_message(
    site: Site, server: MailServer
) -> None:
    _run_killed_at(site, server, "accepted", 1)
    first = server.messages()["cms@vo.example"]

    assert site.mail("--resend") == (0, "", "")

    again = server.messages()["cms@vo.example"]
    assert Counter(server.recipients)["cms@vo.example"] == 2
    for name in ("Message-ID", "Date", "Subject"):
        assert again[name] == first[name]
    assert site.mail("--resend") == (0, "", "")
    assert len(server.delivered) == 4


def test_a_resend_that_is_refused_does_not_forget_the_doubt(
    site: Site, server: MailServer
) -> None:
    _run_killed_at(site, server, "accepted", 1)
    first = server.messages()["cms@vo.example"]
    server.replies["rcpt", "cms@vo.example"] = "451 not now"
    time.sleep(1.1)  # another second, so another Date if it were another message

    assert site.mail("--resend", "--vo=cms")[0] == 1
    server.replies.clear()
    assert site.mail("--vo=cms") == (0, "", "")

    again = server.messages()["cms@vo.example"]
    assert server.recipients == ["cms@vo.example"] * 2
    assert (again["Date"], again["Message-ID"]) == (first["Date"], first["Message-ID"])
