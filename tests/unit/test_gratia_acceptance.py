"""From job ads to what GRACC accounts for, by the commands that an admin runs."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ads import END_S, SCHEDD, Value, banner, completed, removed, restarted
from tests.gratia_server.certificates import Certificates, make_certificates
from tests.gratia_server.downstream import documents
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.server import GratiaServer, running
from tests.unit.gratia_poison import POISON, REFUSED_BY_SERVER, history_with_poison
from tests.unit.gratia_site import make_site

CONFIG = """
[ledger]
path = "{folder}/ledger"
[probe]
schedd = "{schedd}"
history = ["{folder}/history"]
[gratia]
mode = "{mode}"
url = "{url}"
site_name = "EXAMPLE"
cutover = 2025-11-01T00:00:00Z
outbox = "{folder}/outbox"
official_probeconfigs = {official}
{more}
"""


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


def configured(
    folder: Path,
    server: GratiaServer,
    *,
    mode: str = "live",
    official: Path | None = None,
    more: str = "",
) -> Path:
    """Write a configuration that sends to *server*; return its file."""
    file = folder / "poolmeter.toml"
    text = CONFIG.format(
        folder=folder,
        schedd=SCHEDD,
        mode=mode,
        url=server.url,
        official=json.dumps([str(official)] if official else []),
        more=more,
    )
    file.write_text(text, "utf-8")
    return file


def command(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``poolmeter`` as cron does."""
    poolmeter = [sys.executable, "-m", "poolmeter", "--config", str(config)]
    return subprocess.run(
        [*poolmeter, *arguments], capture_output=True, text=True, check=False
    )


def reported(folder: Path, server: GratiaServer, ad: str) -> tuple[dict[str, Any], int]:
    """Return what GRACC has of the job of *ad*, and the probe's exit code."""
    (folder / "history").write_text(ad + banner())
    config = configured(folder, server)
    read = command(config, "probe", "run")
    sent = command(config, "gratia", "send")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    (delivery,) = server.collector.deliveries
    return dict(delivery.json), read.returncode


def test_poison_is_set_aside_and_all_others_are_delivered_once(
    tmp_path: Path, server: GratiaServer
) -> None:
    last = 300
    server.collector = RefusingCollector(set(REFUSED_BY_SERVER))
    (tmp_path / "history").write_text(history_with_poison(last))
    config = configured(tmp_path, server)
    command(config, "probe", "run")
    sent = command(config, "gratia", "send")
    status = json.loads(command(config, "gratia", "status", "--format", "json").stdout)

    assert sent.returncode == 3
    delivered = [str(d.json["LocalJobId"]) for d in server.collector.deliveries]
    expected = [f"{n}.0" for n in range(1, last + 1) if n not in POISON]
    assert sorted(delivered) == sorted(expected)
    assert len(documents(server.collector.deliveries)) == last - len(POISON)
    reasons = sorted(entry["why"] for entry in status["quarantined"])
    assert reasons == [
        *["no WallDuration"] * 2,
        *["refused by the server: HTTP 400: error unmarshalling xml"] * 3,
    ]


def test_a_removed_job_has_an_end(tmp_path: Path, server: GratiaServer) -> None:
    flat, _ = reported(tmp_path, server, removed())

    assert flat["EndTime"] == "2025-11-10T12:00:00Z"
    assert flat["WallDuration"] == 7200
    assert flat["Resource_condor-JobStatus"] == "3"


def test_a_job_with_three_runs_is_counted_once_with_matching_times(
    tmp_path: Path, server: GratiaServer
) -> None:
    """Wall and CPU time are both of all runs; the last run alone took 2 hours."""
    flat, _ = reported(tmp_path, server, restarted())

    assert flat["Njobs"] == "1"
    assert flat["WallDuration"] == 6 * 3600
    assert flat["CpuDuration"] == 76_900
    assert flat["CpuDuration"] <= flat["WallDuration"] * int(flat["Processors"])
    assert flat["Resource_NumJobStarts"] == "3"


def test_a_cpu_time_of_the_last_run_is_not_sent_beside_the_wall_time_of_all(
    tmp_path: Path, server: GratiaServer
) -> None:
    """Before HTCondor 8.8 only the last run's CPU time is known."""
    edits: dict[str, Value] = {
        "CumulativeRemoteUserCpu": None,
        "CumulativeRemoteSysCpu": None,
    }
    flat, _ = reported(tmp_path, server, restarted(**edits))

    assert flat["WallDuration"] == 6 * 3600
    assert flat["CpuDuration"] == 0
    assert flat["TimeDuration_RemoteUserCpu"] == 25_000


def test_a_network_attribute_that_is_text_costs_a_warning_and_not_the_job(
    tmp_path: Path, server: GratiaServer
) -> None:
    edits: dict[str, Value] = {
        "NetworkOutgoingExternal": '"em1"',
        "NetworkDevice": '"em1"',
        "NetworkIncomingExternal": 4_000_000,
    }
    flat, probe_exit_code = reported(tmp_path, server, completed(**edits))

    assert probe_exit_code == 3
    assert flat["Network"] == "4000000"
    assert flat["Resource_NetworkIncomingExternal"] == "4000000"
    assert "Resource_NetworkOutgoingExternal" not in flat


def test_hostile_text_reaches_no_markup(tmp_path: Path, server: GratiaServer) -> None:
    project = '</ProjectName><Njobs>99</Njobs>&<!-- ]]> &#1; \\"x\\"'
    flat, _ = reported(tmp_path, server, completed(ProjectName=f'"{project}"'))

    assert flat["Njobs"] == "1"
    assert str(flat["ProjectName"]).startswith("</ProjectName><Njobs>99</Njobs>&<!--")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("has_certificate", [True, False])
def test_a_server_may_ask_for_a_clients_certificate(
    tmp_path: Path, certificates: Certificates, *, has_certificate: bool
) -> None:
    with running(certificates.server_context(asks_client=True)) as server:
        site = make_site(tmp_path, server, ca_file=str(certificates.authority))
        if has_certificate:
            site.configure(
                certificate_file=str(certificates.client),
                key_file=str(certificates.client_key),
            )
        site.read_jobs(3)
        report = site.send()

        assert report.exit_code == (0 if has_certificate else 1)
        assert site.delivered_jobs() == ([1, 2, 3] if has_certificate else [])


def test_a_server_whose_certificate_nobody_signed_gets_nothing(
    tmp_path: Path, certificates: Certificates
) -> None:
    with running(certificates.server_context(asks_client=False)) as server:
        site = make_site(tmp_path, server)
        site.read_jobs(3)
        report = site.send()

        assert report.sent is not None
        assert "CERTIFICATE_VERIFY_FAILED" in str(report.sent.failure)
        assert server.collector.deliveries == []


def probeconfig(folder: Path, *, enabled: int) -> Path:
    """Write an official ProbeConfig; return its file."""
    file = folder / "ProbeConfig"
    file.write_text(f'<ProbeConfiguration EnableProbe="{enabled}" SiteName="EXAMPLE"/>')
    return file


def test_nothing_is_sent_while_the_official_probe_is_enabled(
    tmp_path: Path, server: GratiaServer
) -> None:
    (tmp_path / "history").write_text(completed() + banner())
    config = configured(tmp_path, server, official=probeconfig(tmp_path, enabled=1))
    command(config, "probe", "run")
    refused = command(config, "gratia", "send")

    assert refused.returncode == 2
    assert 'set EnableProbe="0"' in refused.stderr
    assert server.collector.deliveries == []

    probeconfig(tmp_path, enabled=0)
    assert command(config, "gratia", "send").returncode == 0
    assert len(server.collector.deliveries) == 1


def test_the_way_from_shadow_over_a_comparison_to_live(
    tmp_path: Path, server: GratiaServer
) -> None:
    """What the official probe would have sent is what ours would send, then it does."""
    (tmp_path / "history").write_text(completed() + banner())
    official = probeconfig(tmp_path, enabled=1)
    config = configured(tmp_path, server, mode="shadow", official=official)
    command(config, "probe", "run")
    shadow = command(config, "gratia", "send")
    assert (shadow.returncode, server.requests) == (0, [])

    records = tmp_path / "official" / "outbox"
    records.mkdir(parents=True)
    (records / "r.1.gratia.xml__a").write_text(official_record())
    arguments = ["gratia", "compare", "--official", str(records.parent)]
    compared = command(config, *arguments)
    assert (compared.returncode, compared.stderr) == (0, ""), compared.stdout
    assert "every job is on both sides" in compared.stdout

    probeconfig(tmp_path, enabled=0)
    live = configured(tmp_path, server, official=official)
    assert command(live, "gratia", "send").returncode == 0
    assert len(server.collector.deliveries) == 1


def official_record() -> str:
    """Return the completed job as the official probe reports it."""
    cpu = [("user", "PT6H56M40.0S"), ("system", "PT10M")]
    durations = "".join(
        f'<CpuDuration urwg:usageType="{kind}">{text}</CpuDuration>'
        for kind, text in cpu
    )
    return (
        '<?xml version="1.0"?><JobUsageRecord xmlns="u" xmlns:urwg="u"><JobIdentity>'
        "<LocalJobId>8</LocalJobId></JobIdentity><UserIdentity><VOName>cms</VOName>"
        "<ReportableVOName>cms</ReportableVOName></UserIdentity>"
        f"<JobName>ap.example.org#8.0#{END_S - 3 * 3600}</JobName>"
        f"<WallDuration>PT2H</WallDuration>{durations}"
        "<EndTime>2025-11-10T12:00:00Z</EndTime></JobUsageRecord>"
    )


def test_the_servers_statistics_agree(tmp_path: Path, server: GratiaServer) -> None:
    reported(tmp_path, server, completed())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/stats")
    stats = json.loads(connection.getresponse().read())
    connection.close()

    assert (stats["Records"], stats["RecordErrors"]) == (1, 0)
