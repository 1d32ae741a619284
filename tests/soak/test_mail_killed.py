"""kill -9 at random times while statements are being sent, with the full numbers."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.mail_server import MailServer, running
from tests.unit.mail_site import EVERYBODY, Site, make_site


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running() as state:
        yield state


def test_a_kill_at_any_time_sends_nothing_twice(
    tmp_path: Path,
    server: MailServer,
    rng: random.Random,
    rounds: Callable[[int, int], int],
) -> None:
    """After the kill a run and a doubt's end: everybody has exactly one message."""
    found: Counter[bool] = Counter()
    for number in range(rounds(1, 40)):
        folder = tmp_path / str(number)
        folder.mkdir()
        site = make_site(folder, server, None)
        server.delivered.clear()
        for _ in range(rng.randint(1, 3)):
            _run_killed(site, server, rng)

        code, _, err = site.mail()

        doubts = {line.split()[3].rstrip(":") for line in err.splitlines()}
        found[bool(doubts)] += 1
        assert code == (3 if doubts else 0), err
        assert set(server.recipients) | doubts == set(EVERYBODY)
        assert len(set(server.recipients)) == len(server.recipients)
    # Both happen, or the kills come at the wrong time.
    assert min(found[True], found[False]) > 0


def _run_killed(site: Site, server: MailServer, rng: random.Random) -> None:
    """Run the mail; kill it at a random time after it began to talk."""
    talks = threading.Event()
    server.hook = lambda *_: talks.set()
    with site.start_mail() as process:
        try:
            while process.poll() is None and not talks.wait(0.02):
                pass
            time.sleep(rng.expovariate(1 / 0.02))
        finally:
            process.kill()
    server.hook = lambda *_: None
