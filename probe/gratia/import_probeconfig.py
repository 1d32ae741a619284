"""The official probe's configuration as ours: TOML text, and what was left out.

Every key of a ProbeConfig is taken over, known to have no counterpart, or named as
unknown; none is dropped without a word.  The text is in mode ``shadow``, so that it
sends nothing before somebody has compared, and :func:`poolmeter.config.parse_config`
accepts it.
"""

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator

from poolmeter.config import parse_config
from poolmeter.errors import ConfigError, one_line
from probe.gratia.probeconfig import ProbeConfig
from probe.gratia.user_vo_map import UserVoMap

RMI_PATH = "/gratia-servlets/rmi"
TEMPLATE_SITE = "generic site"

#: Keys that ask for something which is not done here, and what is done instead; a line
#: is written where the official probe was told to do it.
NOT_DONE = {
    "SuppressUnknownVORecords": "records of VO `unknown` are sent",
    "QuarantineUnknownVORecords": "records of VO `unknown` are sent",
    "SuppressNoDNRecords": "records without a DN are sent",
    "SuppressGridLocalRecords": "records of Grid Local are sent",
    "MapUnknownToGroup": "a job is not mapped by its unix group; write rules for [vo]",
    "MapGroupToRole": "a job is not mapped by its unix group; write rules for [vo]",
}
#: Keys without a counterpart, because nothing here needs them.
NOT_NEEDED = {
    *("BundleSize", "CertInfoLogPattern", "CondorCEHistoryFolder", "CondorLocation"),
    *("DataFileExpiration", "DataFolder", "DataLengthMax", "DebugLevel"),
    *("GratiaCertificateFile", "GratiaExtension", "GratiaKeyFile", "Lockfile"),
    *("LogFileName", "LogFolder", "LogLevel", "LogRotate", "MaxPendingFiles"),
    *("MaxStagedArchives", "NoCertinfoBatchRecordsAreLocal", "QuarantineSize"),
    *("RegistrationService", "SSLRegistrationHost", "UseGratiaCertificates"),
    *("UseSoapProtocol", "UseSyslog", "WorkingFolder"),
}
#: Keys that :func:`import_probeconfig` reads.
TAKEN = {
    *("CertificateFile", "CollectorHost", "CollectorService", "CondorScheddName"),
    *("ConnectionTimeout", "EnableProbe", "ExtraAttributes", "Grid", "KeyFile"),
    *("MeterName", "ProbeName", "SOAPHost", "SSLCollectorService", "SSLHost"),
    *("SiteName", "UseSSL", "UserVOMapFile", "VOOverride"),
}
_DECORATION = re.compile(r"(Title|Comments?)[0-9]*\Z")
_PLACEHOLDER = re.compile(r"@[A-Z_]+@")

#: A TOML key's value: text, a number, or a list of texts.
Value = str | int | list[str]


@dataclasses.dataclass(slots=True)
class Imported:
    """Our configuration as text, and a line for each thing a person must look at."""

    toml: str = ""
    attention: list[str] = dataclasses.field(default_factory=list)


def import_probeconfig(
    official: ProbeConfig, vo_map: UserVoMap | None, *, now: dt.datetime
) -> Imported:
    """Return our configuration for what *official* and *vo_map* say.

    The cut-over time is set to the beginning of the day of *now*, for a person to
    change.
    """
    imported = Imported(attention=list(_attention(official, vo_map)))
    official = _without_placeholders(official)
    gratia: dict[str, Value] = {"mode": "shadow", **_gratia_values(official)}
    lines = [
        "# From the official probe's ProbeConfig.  Nothing is sent in mode shadow:",
        "# compare first, then set cutover to the time when the official probe stops.",
        "[gratia]",
        *_key_lines("gratia", gratia, imported),
        f"cutover = {now:%Y-%m-%d}T00:00:00Z",
        *_probe_lines(official, imported),
        *_rule_lines(vo_map),
        "",
        *(f"# {line}" for line in _left_out(official)),
    ]
    imported.toml = "\n".join(lines) + "\n"
    parse_config(imported.toml, where="the imported configuration")
    return imported


def _without_placeholders(official: ProbeConfig) -> ProbeConfig:
    """Return *official* without the values that nobody has set yet."""
    values = {
        name: value
        for name, value in official.values.items()
        if not _PLACEHOLDER.search(value)
    }
    return dataclasses.replace(official, values=values)


def _gratia_values(official: ProbeConfig) -> dict[str, Value]:
    """Return the keys of ``[gratia]`` that *official* gives; empty values are none."""
    values = official.values
    site = values.get("SiteName", "")
    timeout = values.get("ConnectionTimeout", "")
    found: dict[str, Value] = {
        "url": _url(official),
        "site_name": "" if site.lower() == TEMPLATE_SITE else site,
        "probe_name": values.get("ProbeName") or values.get("MeterName", ""),
        "grid": values.get("Grid", ""),
        "vo": values.get("VOOverride", ""),
        "timeout_s": int(timeout) if timeout.isdecimal() else timeout,
        "extra_attributes": _extra_attributes(official),
    }
    if official.is_on("UseSSL"):
        found["certificate_file"] = values.get("CertificateFile", "")
        found["key_file"] = values.get("KeyFile", "")
    return {key: value for key, value in found.items() if value not in ("", [])}


def _url(official: ProbeConfig) -> str:
    values = official.values
    if official.is_on("UseSSL"):
        scheme, host = "https", values.get("SSLHost", "")
        path = values.get("SSLCollectorService", "")
    else:
        scheme, host = "http", values.get("CollectorHost") or values.get("SOAPHost", "")
        path = values.get("CollectorService", "")
    own_path = "" if path in ("", RMI_PATH) else path
    return f"{scheme}://{host}{own_path}" if host else ""


def _extra_attributes(official: ProbeConfig) -> list[str]:
    names = re.split(r"[,\s]+", official.values.get("ExtraAttributes", ""))
    return [name for name in names if name]


def _probe_lines(official: ProbeConfig, imported: Imported) -> list[str]:
    found: dict[str, Value] = {
        "schedd": official.values.get("CondorScheddName", ""),
        "extra_attributes": _extra_attributes(official),
    }
    values = {key: value for key, value in found.items() if value not in ("", [])}
    lines = list(_key_lines("probe", values, imported))
    return ["", "[probe]", *lines] if lines else []


def _key_lines(
    section: str, values: dict[str, Value], imported: Imported
) -> Iterator[str]:
    """Yield a line for each value that the configuration takes; name the others."""
    for key, value in values.items():
        line = f"{key} = {toml_value(value)}"
        try:
            parse_config(f"[{section}]\n{line}\n")
        except ConfigError:
            imported.attention.append(
                f"left out: {section}.{key}: not usable: {one_line(repr(value))}"
            )
        else:
            yield line


def _rule_lines(vo_map: UserVoMap | None) -> Iterator[str]:
    """Yield the official probe's order: proxy, token, then the map of accounts."""
    for source in ("x509_vo_name", "x509_fqan", "token_issuer"):
        yield from ("", "[[vo.rules]]", f'source = "{source}"')
    if vo_map is not None and vo_map.vo_of:
        yield from ("", "[[vo.rules]]", 'source = "owner"', "", "[vo.rules.map]")
        for account, vo in sorted(vo_map.vo_of.items()):
            yield f"{toml_value(account)} = {toml_value(vo)}"


def toml_value(value: Value) -> str:
    r"""Return *value* as TOML writes it.

    >>> toml_value('a "b"\n'), toml_value(["x"]), toml_value(7)
    ('"a \\"b\\"\\n"', '["x"]', '7')
    """
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON's escapes are TOML's; but JSON lets DEL stand as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _left_out(official: ProbeConfig) -> Iterator[str]:
    """Yield a line for each known key without a counterpart, for the file's end."""
    yield "Left out, because nothing here needs it:"
    for name, value in sorted(official.values.items()):
        if name in NOT_NEEDED:
            yield f"  {name} = {one_line(value)}".rstrip()


def _attention(official: ProbeConfig, vo_map: UserVoMap | None) -> Iterator[str]:
    """Yield what a person must know: unknown, odd or missing things."""
    for name, value in official.values.items():
        if name not in TAKEN | NOT_NEEDED | NOT_DONE.keys():
            if not _DECORATION.match(name):
                yield f"unknown key: {name} = {one_line(repr(value))}; left out"
        elif _PLACEHOLDER.search(value):
            yield f"left out: {name} is still the template's: {one_line(value)}"
    for name, instead in NOT_DONE.items():
        if official.is_on(name):
            yield f"{name} is set, and not done here: {instead}"
    for name in official.contradictory:
        yield f"{name} is given with two values; the last one was taken"
    if official.values.get("SiteName", "").lower() in ("", TEMPLATE_SITE):
        yield "SiteName is not set: set gratia.site_name"
    if official.is_on("EnableProbe"):
        yield "the official probe is enabled: it must not send while we are live"
    yield from vo_map.faults if vo_map is not None else ()
    if vo_map is None and official.values.get("UserVOMapFile"):
        yield f"UserVOMapFile {one_line(official.values['UserVOMapFile'])} was not read"
