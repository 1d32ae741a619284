"""Ten thousand records with five poison ones among them; nothing else is lost."""

from pathlib import Path

from poolmeter.errors import ExitCode
from tests.gratia_server.downstream import documents
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.server import running
from tests.unit.gratia_poison import POISON, REFUSED_BY_SERVER, history_with_poison
from tests.unit.gratia_site import make_site

RECORDS = 10_000


def test_five_of_ten_thousand_are_set_aside(tmp_path: Path) -> None:
    with running() as server:
        server.collector = RefusingCollector(set(REFUSED_BY_SERVER))
        site = make_site(tmp_path, server)
        site.read(history_with_poison(RECORDS))
        report = site.send()

        assert report.exit_code == ExitCode.SET_ASIDE
        expected = [n for n in range(1, RECORDS + 1) if n not in POISON]
        assert site.delivered_jobs() == expected
        assert len(documents(server.collector.deliveries)) == RECORDS - len(POISON)
        assert len(list(site.box.quarantine.glob("*.json"))) == len(POISON)
