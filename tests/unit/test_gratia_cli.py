"""``poolmeter gratia send`` and ``status``: what they print, their codes, metrics."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolmeter.cli import main
from poolmeter.ledger.layout import file_name_of
from probe.gratia.outbox import quarantined_bundles
from tests.ads import SCHEDD
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.replies import Collector, Reply, Request
from tests.gratia_server.server import GratiaServer, running
from tests.unit.gratia_site import GratiaSite, make_site

CONFIG = """
[ledger]
path = "{folder}/ledger"
[probe]
schedd = "{schedd}"
[gratia]
mode = "live"
url = "{url}"
site_name = "EXAMPLE"
cutover = 2025-11-01T00:00:00Z
outbox = "{folder}/outbox"
official_probeconfigs = []
metrics_file = "{folder}/metrics/poolmeter.prom"
"""


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, server: GratiaServer) -> GratiaSite:
    made = make_site(tmp_path, server)
    made.read_jobs(20)
    return made


class Commands:
    """Runs commands over a site, as cron does."""

    def __init__(self, site: GratiaSite, capsys: pytest.CaptureFixture[str]) -> None:
        self._config = site.folder / "poolmeter.toml"
        self._capsys = capsys
        self.configure(site)

    def configure(self, site: GratiaSite, more: str = "") -> None:
        """Write the configuration, with *more* options of ``[gratia]``."""
        text = CONFIG.format(folder=site.folder, schedd=SCHEDD, url=site.server.url)
        self._config.write_text(text + more)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, output and errors of ``poolmeter gratia ARGUMENTS``."""
        with pytest.raises(SystemExit) as end:
            main(["--config", str(self._config), "gratia", *arguments])
        said = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err


@pytest.fixture
def gratia(site: GratiaSite, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(site, capsys)


def metrics(site: GratiaSite) -> dict[str, int]:
    """Return what the textfile collector would read."""
    text = (site.folder / "metrics" / "poolmeter.prom").read_text()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("poolmeter_gratia_"): int(n) for name, n in lines}


def test_a_clean_run_says_nothing(gratia: Commands, site: GratiaSite) -> None:
    assert gratia("send") == (0, "", "")
    assert site.delivered_jobs() == list(range(1, 21))


def test_a_run_says_all_as_data(gratia: Commands) -> None:
    code, out, _ = gratia("send", "--format", "json")

    data = json.loads(out)
    assert (code, data["records_frozen"], data["records_sent"]) == (0, 20, 20)


def test_a_server_that_is_down_is_told_once_and_tried_later(
    gratia: Commands, site: GratiaSite, server: GratiaServer
) -> None:
    server.stop()
    code, out, err = gratia("send")
    silent = gratia("send")
    server.start()

    assert code == 1
    assert "20 records frozen in 1 bundles; 0 records sent" in out
    assert err.startswith("not delivered: no answer from 127.0.0.1:")
    assert err.count("\n") == 1
    assert silent == (0, "", "")
    assert gratia("send", "--now") == (0, "", "")
    assert site.delivered_jobs() == list(range(1, 21))


def test_what_is_set_aside_is_told_with_its_file(
    gratia: Commands, site: GratiaSite, server: GratiaServer
) -> None:
    server.collector = RefusingCollector({7})
    code, _, err = gratia("send")
    status_code, status, _ = gratia("status")
    (bundle,) = quarantined_bundles(site.box)

    assert code == 3
    assert err.startswith("set aside: 1 x refused by the server: HTTP 400: error")
    assert status_code == 3
    assert f"{bundle}: 1 x refused by the server" in status
    assert metrics(site)["quarantined_records"] == 1
    assert metrics(site)["quarantined_records_total"] == 1


class HostileCollector(Collector):
    """Answers in colours and over many lines."""

    def answer(self, request: Request, *, stored_share: float = 1) -> Reply:
        """Return what no terminal and no log should get as it is."""
        del request, stored_share
        return Reply(500, "\x1b[31mred\nsecond line" + "x" * 5000)


def test_hostile_answers_stay_one_line(gratia: Commands, server: GratiaServer) -> None:
    server.collector = HostileCollector()
    _, _, err = gratia("send")

    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert len(err) < 500


def test_metrics_show_what_waits_and_what_was_delivered(
    gratia: Commands, site: GratiaSite, server: GratiaServer
) -> None:
    server.collector.is_bound = False
    gratia("send")
    waiting = metrics(site)
    server.collector.is_bound = True
    gratia("send", "--now")
    done = metrics(site)

    assert (waiting["due_bundles"], waiting["server_failures"]) == (1, 1)
    assert waiting["outbox_bytes"] == waiting["due_bytes"] > 0
    assert waiting["last_success_timestamp_seconds"] == 0
    assert (done["due_bundles"], done["oldest_due_seconds"]) == (0, 0)
    assert (done["delivered_records_total"], done["server_failures"]) == (20, 0)
    assert done["last_success_timestamp_seconds"] > 1_700_000_000
    mode = (site.folder / "metrics" / "poolmeter.prom").stat().st_mode
    assert mode & 0o777 == 0o644


def test_status_as_data_names_everything(gratia: Commands) -> None:
    gratia("send")
    code, out, _ = gratia("status", "--format", "json")

    data = json.loads(out)
    assert code == 0
    assert (data["delivered_records"], data["due_bundles"]) == (20, 0)
    assert (data["quarantined"], data["corrections"], data["late_rows"]) == ([], [], 0)


def test_files_are_not_for_everybody(gratia: Commands, site: GratiaSite) -> None:
    gratia("send")

    for path in (site.folder / "outbox").rglob("*"):
        assert not path.stat().st_mode & 0o007, path


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("live", "off"), "[gratia] mode: expected shadow or live, found off"),
        (('url = "', '#url = "'), "[gratia] url: found nothing; set it"),
        (("cutover", "#cutover"), "[gratia] cutover: found nothing"),
        (("site_name", "#site_name"), "[gratia] site_name: found nothing"),
        (('url = "http', 'url = "ftp'), "Expected `str` matching regex"),
        (("2025-11-01T00:00:00Z", "2025-11-01T00:00:00"), "timezone"),
        (("cutover", "cut_over"), "did you mean `cutover`?"),
    ],
)
def test_what_is_missing_is_said_with_the_mend(
    gratia: Commands, site: GratiaSite, edit: tuple[str, str], said: str
) -> None:
    config = site.folder / "poolmeter.toml"
    config.write_text(config.read_text().replace(*edit))
    code, out, err = gratia("send")

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_an_extra_attribute_must_be_in_the_ledger(
    gratia: Commands, site: GratiaSite
) -> None:
    gratia.configure(site, 'extra_attributes = ["JobPrio"]\n')

    assert "JobPrio: expected one of [probe] extra_attributes" in gratia("send")[2]


def test_a_schedds_name_stays_a_folder(site: GratiaSite) -> None:
    site.send()

    assert [box.folder.name for box in site.outbox.boxes()] == [file_name_of(SCHEDD)]
