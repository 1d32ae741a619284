"""The configuration: one TOML file, one frozen structure.

Unknown keys are refused with a suggestion, so that a typing error never turns
into a silently unused setting.  Every option has a default; a pool with one
schedd on this machine needs no file at all.
"""

import datetime as dt
import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from poolmeter.errors import ConfigError
from poolmeter.node_config import NodeConfig, SiteClassConfig

ENVIRONMENT_VARIABLE = "POOLMETER_CONFIG"
DEFAULT_PATH = Path("/etc/poolmeter/poolmeter.toml")
DEFAULT_LEDGER = Path("/var/lib/poolmeter/ledger")
DEFAULT_OUTBOX = Path("/var/lib/poolmeter/outbox")

VoSource = Literal[
    "token_issuer",
    "x509_vo_name",
    "x509_fqan",
    "accounting_group",
    "project",
    "owner",
]


class VoRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule of the ordered list that names a job's VO; the first that fits wins.

    ``source`` is the value looked at.  With ``map`` the VO is the entry of exactly
    that value; without it the value itself is the VO (of an FQAN its first part, of
    an accounting group its first name without ``group_``).  ``groups`` narrows a
    ``token_issuer`` rule to tokens that carry one of these groups.
    """

    source: VoSource
    map: dict[str, str] | None = None
    groups: tuple[str, ...] = ()


DEFAULT_VO_RULES = (
    VoRule(source="x509_vo_name"),
    VoRule(source="x509_fqan"),
    VoRule(source="accounting_group"),
    VoRule(source="project"),
)


class LedgerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``: where the Parquet files and the probe's state lie."""

    path: str = str(DEFAULT_LEDGER)


class ProbeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[probe]``: what the probe reads and how it names what it read."""

    schedd: str | None = None  # Name of the schedd; default: this host's full name
    site: str | None = None  # site name that stands in every record
    history: tuple[str, ...] = ("/var/lib/condor/spool/history",)
    epoch_history: tuple[str, ...] = ()  # live epoch histories: the runs of jobs
    per_job_dir: str | None = None  # a folder with one history file an ended job
    bill_routed_source: bool = False  # true where only the CE's history is read
    network_other: tuple[str, ...] = ()  # further Network... attributes to keep
    extra_attributes: tuple[str, ...] = ()  # kept as raw text in the column extra
    benchmark_attribute: str | None = None  # instead of MachineAttrApelScaling0


class VoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[vo]``: the ordered rules that name a job's VO."""

    rules: tuple[VoRule, ...] = DEFAULT_VO_RULES


class ReportConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[report]``: how usage is priced."""

    prices: str = "ec2-us-east-1-2026"  # a shipped book's name or a file's path
    vcpus_per_cpu: Annotated[int, msgspec.Meta(ge=1, le=2)] = 1
    engine: Literal["duckdb", "spark"] = "duckdb"  # what sums the ledger's rows
    own_resources: tuple[str, ...] = ()  # names of resources that are ours, too


# No "=?": a header's parser takes "=?utf-8?q?...?=" apart, also inside an address.
_WORD = r"[A-Za-z0-9._+~'#&/-]{1,64}"
_DOMAIN = r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,20}"

#: Only what can stand in a header and in an SMTP command as it is: no blank, no
#: quote, no line's end, nothing outside ASCII.
MailAddress = Annotated[str, msgspec.Meta(pattern=rf"\A{_WORD}@{_DOMAIN}\Z")]
Host = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.:-]{1,253}\Z")]
ListId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\Z")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]

#: How people's names reach a recipient.
Names = Literal["full", "pseudonym", "none"]
Security = Literal["starttls", "tls", "plain"]


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who gets a VO's statement, and how people's names stand in it."""

    to: MailAddress
    names: Names | None = None  # default: that of [mail]


class MailConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[mail]``: the monthly statements, each VO's to its own recipients."""

    sender: MailAddress | None = None  # From, and where bounces go
    sender_name: str = "poolmeter"
    reply_to: MailAddress | None = None
    list_id: ListId | None = None  # default: poolmeter. and the sender's domain
    host: Host = "localhost"
    port: Port | None = None  # default: 587 starttls, 465 tls, 25 plain
    security: Security | None = None  # default: plain to this machine, else starttls
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None  # certificates to trust instead of the system's
    timeout_s: Seconds = 300
    names: Names = "none"
    pseudonym_key_file: str | None = None
    recipients: dict[str, tuple[MailAddress | Recipient, ...]] = {}


#: Scheme, host, port and, where it is not Gratia's own, the path.
GratiaUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\Ahttps?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
        r"(/[!-~]*)?\Z"
    ),
]
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Hours = Annotated[int, msgspec.Meta(ge=0, le=24 * 31)]


#: Where the official probe's packages put their configuration.
OFFICIAL_PROBECONFIGS = (
    "/etc/gratia/condor-ap/ProbeConfig",
    "/etc/gratia/condor/ProbeConfig",
    "/etc/gratia/htcondor-ce/ProbeConfig",
)


class GratiaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[gratia]``: usage records of the ledger's jobs to a Gratia / GRACC server."""

    mode: Literal["off", "shadow", "live"] = "off"
    url: GratiaUrl | None = None
    ca_file: str | None = None  # certificates to trust instead of the system's
    certificate_file: str | None = None  # client certificate, PEM
    key_file: str | None = None  # its key; default: in certificate_file
    timeout_s: Seconds = 300
    cutover: Moment | None = None  # jobs that ended before it are not reported
    delay_hours: Hours = 0
    site_name: str | None = None  # default: [probe] site
    probe_name: str | None = None  # default: condor-ap: and the schedd's host
    grid: str = "OSG"
    resource_type: str = "Batch"
    vo: str | None = None  # the VO of every job, whatever the rules say
    per_run: bool = False  # one record a run instead of one a job
    extra_attributes: tuple[str, ...] = ()  # of [probe] extra_attributes, to be sent
    outbox: str = str(DEFAULT_OUTBOX)
    size_limit_mb: Annotated[int, msgspec.Meta(ge=1)] = 1000
    bundle_records: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    metrics_file: str | None = None  # for the textfile collector of Prometheus
    official_probeconfigs: tuple[str, ...] = OFFICIAL_PROBECONFIGS  # not to be enabled


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration; every section may be left out."""

    ledger: LedgerConfig = LedgerConfig()
    probe: ProbeConfig = ProbeConfig()
    vo: VoConfig = VoConfig()
    report: ReportConfig = ReportConfig()
    mail: MailConfig = MailConfig()
    node: NodeConfig = NodeConfig()
    gratia: GratiaConfig = GratiaConfig()


def load_config(path: Path | None = None) -> Config:
    """Return the configuration of *path*, ``$POOLMETER_CONFIG`` or the default path.

    A missing file at the default path gives the defaults; a file that was named
    must be there.

    Raises:
        ConfigError: The file is missing, unreadable, no TOML, or has a wrong key.
    """
    named = path or _path_of_environment()
    if named is None and not DEFAULT_PATH.exists():
        return Config()
    chosen = named or DEFAULT_PATH
    return parse_config(read_config_text(chosen), where=str(chosen))


def _path_of_environment() -> Path | None:
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(value) if value else None


def read_config_text(path: Path) -> str:
    """Return the text of *path*.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            str(path), found=error.strerror or str(error), mend="check --config"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), expected="UTF-8 text", found=str(error)) from error


def parse_config(text: str, *, where: str = "configuration") -> Config:
    r"""Return the configuration that the TOML *text* describes.

    >>> parse_config('[probe]\nschedd = "ap1.example.org"').probe.schedd
    'ap1.example.org'

    Raises:
        ConfigError: Not TOML, a wrong type, or an unknown key (with a suggestion).
    """
    try:
        return msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, expected="TOML", found=str(error)) from error
    except msgspec.ValidationError as error:
        raise ConfigError(
            where, found=str(error), mend=_suggestion(str(error))
        ) from error


def _suggestion(message: str) -> str | None:
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown is None:
        return None
    close = difflib.get_close_matches(unknown[1], known_keys(), n=1)
    return f"did you mean `{close[0]}`?" if close else "see docs/configuration.md"


def known_keys() -> tuple[str, ...]:
    """Return every key that the configuration file may hold, at any level."""
    sections = (
        LedgerConfig,
        ProbeConfig,
        VoConfig,
        ReportConfig,
        VoRule,
        MailConfig,
        Recipient,
        NodeConfig,
        SiteClassConfig,
        GratiaConfig,
    )
    names = [*Config.__struct_fields__]
    for section in sections:
        names.extend(section.__struct_fields__)
    return tuple(dict.fromkeys(names))
