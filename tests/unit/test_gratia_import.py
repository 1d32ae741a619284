"""An official ProbeConfig and its user-vo-map become our configuration, all of it."""

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolmeter.config import Config, VoRule, parse_config
from poolmeter.errors import UsageError
from probe.gratia.import_probeconfig import import_probeconfig
from probe.gratia.migration_cli import import_command
from probe.gratia.probeconfig import ProbeConfig, parse_probeconfig
from probe.gratia.user_vo_map import parse_user_vo_map

NOW = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)
DAY = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)

OFFICIAL = """
<!-- a comment: NotAKey="1" -->
<ProbeConfiguration
    Title1="Collector Information"
    CollectorHost="gracc.example.org:80"
    SSLHost="gracc.example.org:443"
    CollectorService="/gratia-servlets/rmi"
    SSLCollectorService="/gratia-servlets/rmi"
    ProbeName="condor-ap:ap1.example.org" SiteName='EXAMPLE &amp; SONS'
    Grid="OSG"
       Comments32="Controls debug messages."
    EnableProbe="1"
    BundleSize="100"
    LogFolder="/var/log/condor/gratia"
    ConnectionTimeout="900"
    ExtraAttributes="JobFlavour, Purpose"
    CondorScheddName="schedd2@ap1.example.org"
    LogFolder="/var/log/condor/gratia"
    MapUnknownToGroup="1"
    Frobnicate="a
b"
/>
<!-- This probe has not yet been configured -->
"""

VO_MAP = """
# made by hand
#voi cms atlas
#VOc CMS ATLAS
uscms01 cms
usatlas1   atlas
guest local
uscms01 atlas
three words here
"""


def imported(text: str = OFFICIAL, vo_map: str | None = None) -> tuple[Config, str]:
    """Return the imported configuration, and the lines that want attention."""
    accounts = None if vo_map is None else parse_user_vo_map(vo_map)
    result = import_probeconfig(parse_probeconfig(text), accounts, now=NOW)
    return parse_config(result.toml), "\n".join(result.attention)


def config_of(**values: str) -> Config:
    """Return what is imported for a ProbeConfig of these *values*."""
    return parse_config(import_probeconfig(ProbeConfig(values), None, now=NOW).toml)


def test_a_probeconfig_becomes_our_configuration() -> None:
    config, _ = imported()

    assert config.gratia.mode == "shadow"
    assert config.gratia.url == "http://gracc.example.org:80"
    assert config.gratia.probe_name == "condor-ap:ap1.example.org"
    assert config.gratia.site_name == "EXAMPLE & SONS"
    assert config.gratia.grid == "OSG"
    assert config.gratia.timeout_s == 900
    assert config.gratia.cutover == DAY
    assert config.probe.schedd == "schedd2@ap1.example.org"


def test_extra_attributes_are_kept_in_the_ledger_and_sent() -> None:
    config, _ = imported()

    assert config.probe.extra_attributes == ("JobFlavour", "Purpose")
    assert config.gratia.extra_attributes == ("JobFlavour", "Purpose")


def test_ssl_gives_https_and_the_clients_certificate() -> None:
    config = config_of(
        UseSSL="1",
        SSLHost="gracc.example.org:443",
        CollectorHost="other.example.org:80",
        SSLCollectorService="/elsewhere/rmi",
        CertificateFile="/etc/hostcert.pem",
        KeyFile="/etc/hostkey.pem",
    )

    assert config.gratia.url == "https://gracc.example.org:443/elsewhere/rmi"
    assert config.gratia.certificate_file == "/etc/hostcert.pem"
    assert config.gratia.key_file == "/etc/hostkey.pem"


def test_without_ssl_no_certificate_is_used() -> None:
    config = config_of(CertificateFile="/etc/hostcert.pem", KeyFile="/etc/hostkey.pem")

    assert config.gratia.certificate_file is None


def test_names_of_old_versions_are_read() -> None:
    config = config_of(MeterName="condor:ap1", SOAPHost="gratia.example.org:8880")

    assert config.gratia.probe_name == "condor:ap1"
    assert config.gratia.url == "http://gratia.example.org:8880"


def test_each_unknown_key_is_named_in_one_line() -> None:
    _, attention = imported()

    assert "unknown key: Frobnicate = 'a\\nb'; left out" in attention.splitlines()
    assert "NotAKey" not in attention
    assert "Title1" not in attention
    assert "Comments32" not in attention


def test_every_key_is_taken_over_or_named() -> None:
    official = parse_probeconfig(OFFICIAL)
    result = import_probeconfig(official, None, now=NOW)
    told = result.toml + "\n".join(result.attention)
    decoration = {"Title1", "Comments32"}
    taken = {
        *("CollectorHost", "SSLHost", "CollectorService", "SSLCollectorService"),
        *("ProbeName", "SiteName", "Grid", "ConnectionTimeout", "ExtraAttributes"),
        *("CondorScheddName", "EnableProbe"),
    }

    for name in official.values.keys() - decoration - taken:
        assert name in told


def test_a_switch_without_a_counterpart_says_what_happens_instead() -> None:
    _, attention = imported()

    assert "MapUnknownToGroup is set, and not done here" in attention
    assert "MapGroupToRole" not in attention


def test_an_enabled_official_probe_is_pointed_out() -> None:
    _, attention = imported()

    assert "the official probe is enabled" in attention


@pytest.mark.parametrize("site", ["", "Generic site"])
def test_a_missing_site_is_pointed_out(site: str) -> None:
    result = import_probeconfig(ProbeConfig({"SiteName": site}), None, now=NOW)

    assert "SiteName is not set: set gratia.site_name" in result.attention
    assert parse_config(result.toml).gratia.site_name is None


def test_placeholders_of_the_template_are_left_out() -> None:
    official = ProbeConfig({"ProbeName": "@PROBE_NAME@:@PROBE_HOST@", "Grid": "OSG"})
    result = import_probeconfig(official, None, now=NOW)

    assert parse_config(result.toml).gratia.probe_name is None
    assert any("ProbeName is still the template's" in a for a in result.attention)


@pytest.mark.parametrize(
    ("name", "value"),
    [("CollectorHost", "a host with blanks"), ("ConnectionTimeout", "soon")],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    result = import_probeconfig(ProbeConfig({name: value}), None, now=NOW)

    assert parse_config(result.toml).gratia.mode == "shadow"
    assert any(line.startswith("left out: gratia.") for line in result.attention)


@pytest.mark.parametrize(
    "site", ['"\nmode = "live"', "\x7f\x1b[31m", "\\", "'''", '"""', "\u00fc\u2028"]
)
def test_no_value_leaves_its_quotes(site: str) -> None:
    config = config_of(SiteName=site, LogFolder=site)

    assert config.gratia.mode == "shadow"
    assert config.gratia.site_name == site


def test_the_accounts_of_a_vo_come_after_proxy_and_token() -> None:
    config, _ = imported(vo_map=VO_MAP)

    assert [rule.source for rule in config.vo.rules] == [
        *("x509_vo_name", "x509_fqan", "token_issuer", "owner"),
    ]
    accounts = {"uscms01": "ATLAS", "usatlas1": "ATLAS", "guest": "local"}
    assert config.vo.rules[-1] == VoRule(source="owner", map=accounts)


def test_odd_lines_of_the_map_are_named() -> None:
    faults = parse_user_vo_map(VO_MAP).faults

    assert faults == (
        "user-vo-map:8: uscms01 is mapped twice; ATLAS is taken",
        "user-vo-map:9: expected ACCOUNT VO, found 'three words here'; left out",
    )


def test_repeated_attributes_are_read_and_contradictions_named() -> None:
    official = parse_probeconfig(
        '<ProbeConfiguration A="1" A="1" B="1" B="2"></ProbeConfiguration>'
    )

    assert official.values == {"A": "1", "B": "2"}
    assert official.contradictory == ("B",)


def test_a_key_with_two_values_is_named() -> None:
    official = parse_probeconfig('<ProbeConfiguration Grid="A" Grid="B"/>')
    result = import_probeconfig(official, None, now=NOW)

    assert parse_config(result.toml).gratia.grid == "B"
    assert "Grid is given with two values; the last one was taken" in result.attention


def test_what_is_commented_out_is_not_read() -> None:
    text = '<!-- <ProbeConfiguration Grid="A"/> --><ProbeConfiguration Grid="B"/>'

    assert parse_probeconfig(text).values == {"Grid": "B"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html/>",
        '<ProbeConfiguration A="1"',
        '<ProbeConfiguration A="1" B=2/>',
        "<!DOCTYPE x><x/>",
    ],
)
def test_what_is_no_probeconfig_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_probeconfig(text)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(import_command, arguments)


def test_the_command_prints_a_configuration_and_what_wants_attention(
    tmp_path: Path,
) -> None:
    vo_map = tmp_path / "user-vo-map"
    vo_map.write_text("#voi cms\n#VOc CMS\nuscms01 cms\n")
    file = tmp_path / "ProbeConfig"
    file.write_text(OFFICIAL.replace("\n/>", f'\n    UserVOMapFile="{vo_map}"\n/>'))

    result = run(str(file))

    assert result.exit_code == 3
    assert parse_config(result.stdout).vo.rules[-1].map == {"uscms01": "CMS"}
    assert "unknown key: Frobnicate" in result.stderr


def test_the_command_prints_nothing_else_when_all_is_known(tmp_path: Path) -> None:
    file = tmp_path / "ProbeConfig"
    file.write_text('<ProbeConfiguration SiteName="A" EnableProbe="0"/>')

    result = run(str(file))

    assert result.exit_code == 0
    assert result.stderr == ""


def test_the_command_refuses_a_missing_file(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none"))

    assert isinstance(result.exception, UsageError)
