"""A private apt: this machine's mirror, proxy and keys, and nothing else of its.

It has its own lists, its own empty dpkg status and its own cache, so the machine's
packages are neither consulted nor changed. Signatures are verified as ever.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.pool.errors import RootfsError

OS_RELEASE = Path("/etc/os-release")
SOURCES = Path("/etc/apt")
# Suites that a Debian machine may name instead of its codename.
ALIASES = frozenset({"stable", "testing", "unstable", "sid", "oldstable"})
# What of the machine's apt configuration reaches ours. The rest stays out because
# it holds hooks (Post-Invoke) that would run on the machine's own caches.
KEPT_SETTINGS = re.compile(
    r"(Acquire::(?!Languages|GzipIndexes)|Dir::Etc::(trusted|netrc))"
)

CONFIGURATION = """\
Dir::State "{root}/state/";
Dir::State::status "{root}/state/status";
Dir::Cache "{root}/cache/";
Dir::Cache::archives "{archives}/";
Dir::Etc::main "{root}/none";
Dir::Etc::parts "{root}/none.d/";
Dir::Etc::sourcelist "{root}/pool.sources";
Dir::Etc::sourceparts "{root}/none.d/";
Dir::Etc::preferences "{root}/none";
Dir::Etc::preferencesparts "{root}/none.d/";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
"""


@dataclass(frozen=True)
class Source:
    """One archive of the machine: where it is and which keys speak for it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    def stanza(self, suite: str) -> str:
        """Return the deb822 text that names *suite* of the same archive."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}"]
        lines.append("Components: main")
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


class PrivateApt:
    """apt with the folder *root* for its state and *archives* for its downloads."""

    def __init__(self, root: Path, *, archives: Path, suite: str) -> None:
        self._configuration = root / "apt.conf"
        self._archives = archives
        source = main_archive(SOURCES)
        for folder in (root / "state/lists/partial", root / "cache", root / "none.d"):
            folder.mkdir(parents=True)
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        (root / "state/status").touch()
        (root / "pool.sources").write_text(source.stanza(suite))
        own = CONFIGURATION.format(root=root, archives=archives)
        self._configuration.write_text(_machine_settings() + own)

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Return the package files of *packages* and of all that they need.

        Raises:
            RootfsError: The archive is not reached, or not trusted, or lacks one.
        """
        install = ["install", "--yes", "--no-install-recommends"]
        # Without this a failed fetch of the lists is only a warning, exit 0.
        self._apt_get(["update", "--error-on=any"])
        self._apt_get([*install, "--download-only", *packages])
        plan = self._apt_get([*install, "--simulate", *packages])
        return [self._archives / name for name in package_files(plan)]

    def _apt_get(self, arguments: Sequence[str]) -> str:
        done = subprocess.run(
            ["apt-get", "--quiet", *arguments],
            env={"APT_CONFIG": str(self._configuration), "PATH": "/usr/sbin:/usr/bin"},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RootfsError(
                f"apt-get {arguments[0]} failed: {_last_errors(done.stderr)}",
                "the first build needs the machine's Debian mirror, and a "
                "debian-archive-keyring that knows the suite",
            )
        return done.stdout


def _last_errors(stderr: str) -> str:
    lines = [ln for ln in stderr.splitlines() if ln.startswith(("E:", "W:"))]
    return " ".join(lines[-3:]) or stderr.strip()[-300:]


def package_files(plan: str) -> list[str]:
    r"""Return the names under which apt keeps what a simulated *plan* installs.

    >>> package_files("Inst ucf (3:1.2~3 Debian:13.1/stable [all])\nConf ucf (1)")
    ['ucf_3%3a1.2~3_all.deb']
    """
    found = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", plan, re.MULTILINE)
    return [f"{name}_{ver.replace(':', '%3a')}_{arch}.deb" for name, ver, arch in found]


def host_is_debian() -> bool:
    """Return whether this machine's apt speaks to a Debian archive."""
    return _os_release().get("ID") == "debian"


def _os_release() -> dict[str, str]:
    if not OS_RELEASE.exists():
        return {}
    pairs = (ln.partition("=") for ln in OS_RELEASE.read_text().splitlines())
    return {name: "".join(shlex.split(value)) for name, _, value in pairs if value}


def _machine_settings() -> str:
    dump = subprocess.run(
        ["apt-config", "dump"], check=True, capture_output=True, text=True
    ).stdout
    kept = [line for line in dump.splitlines() if KEPT_SETTINGS.match(line)]
    return 'Dir "/";\n' + "\n".join(kept) + "\n"


def main_archive(folder: Path) -> Source:
    """Return the archive from which this machine's own release comes.

    Raises:
        RootfsError: Neither style of sources names it.
    """
    wanted = ALIASES | {_os_release().get("VERSION_CODENAME", "")}
    for source in _sources(folder):
        if "main" in source.components and wanted & set(source.suites):
            return source
    raise RootfsError(
        f"no source under {folder} has the component main of {sorted(wanted)}",
        "name a Debian mirror in the machine's apt sources",
    )


def _sources(folder: Path) -> Iterator[Source]:
    parts = folder / "sources.list.d"
    for file in sorted(parts.glob("*.sources")):
        yield from parse_stanzas(file.read_text())
    for file in (folder / "sources.list", *sorted(parts.glob("*.list"))):
        if file.exists():
            yield from parse_lines(file.read_text())


def parse_stanzas(text: str) -> Iterator[Source]:
    r"""Yield the archives of binary packages in a deb822 *text*.

    >>> next(parse_stanzas("Types: deb deb-src\nURIs: http://a/d\nSuites: x\n"
    ...     "Components: main\nSigned-By: /k.gpg")).signed_by
    '/k.gpg'
    """
    for stanza in re.split(r"\n\s*\n", text):
        lines = [ln for ln in stanza.splitlines() if not ln.startswith("#")]
        # A continued line belongs to its field: a key may stand there in full.
        joined = "\n".join(lines).replace("\n ", "\0 ")
        pairs = (line.partition(":") for line in joined.splitlines())
        field = {name.strip().lower(): value.strip() for name, _, value in pairs}
        off = field.get("enabled", "yes").lower() in {"no", "false", "0"}
        if "deb" not in field.get("types", "").split() or off:
            continue
        yield Source(
            uri=field["uris"].replace("\0", " ").split()[0],
            suites=tuple(field["suites"].replace("\0", " ").split()),
            components=tuple(field.get("components", "").split()),
            signed_by=field.get("signed-by", "").replace("\0", "\n"),
        )


def parse_lines(text: str) -> Iterator[Source]:
    """Yield the archives of binary packages in a one-line-style *text*.

    >>> next(parse_lines("deb [arch=amd64 signed-by=/k.gpg] http://a/d x main # us"))
    Source(uri='http://a/d', suites=('x',), components=('main',), signed_by='/k.gpg')
    """
    pattern = r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)"
    for options, uri, suite, components in re.findall(
        rf"^\s*{pattern}", text, re.MULTILINE
    ):
        keys = re.findall(r"signed-by=(\S+)", options)
        yield Source(uri, (suite,), tuple(components.split()), "".join(keys))
