"""A site with three VOs, its configuration, and the command run in it."""

import contextlib
import dataclasses
import datetime as dt
import io
import json
import subprocess
import sys
from email.message import EmailMessage, MIMEPart
from pathlib import Path

import pytest

from poolmeter.cli import main
from tests.unit.mail_server import PASSWORD, USER, MailServer
from tests.unit.reports_ledger import BOOK_TOML, GB, job, write_ledger

VOS = ("cms", "atlas", "lhcb")
EVERYBODY = sorted(f"{vo}@vo.example" for vo in VOS)
NOW = dt.datetime(2026, 11, 3, 6, 17, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """A ledger and a configuration file."""

    folder: Path

    @property
    def ledger(self) -> Path:
        """The ledger of October 2026."""
        return self.folder / "ledger"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "poolmeter.toml"

    @property
    def command(self) -> list[str]:
        """The command line of a plain run, without the program."""
        return ["report", "mail", "--month=2026-10", "--config", str(self.config)]

    def mail(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``report mail``; return its exit code, output and errors."""
        return self.poolmeter(*self.command, *arguments)

    def poolmeter(self, *arguments: str) -> tuple[int, str, str]:
        """Run any command in this process."""
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        err = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as stop,
        ):
            main(list(arguments))
        assert isinstance(stop.value.code, int)
        out.seek(0)
        return stop.value.code, out.read(), err.getvalue()

    def start_mail(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start ``report mail`` in a process of its own."""
        command = [sys.executable, "-m", "poolmeter", *self.command, *arguments]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def total_cost(self, vo: str) -> str:
        """Return what the statement of *vo* says in JSON."""
        arguments = ["--month=2026-10", "--vo", vo, "--format=json"]
        code, out, err = self.poolmeter(
            "report", "statement", "--config", str(self.config), *arguments
        )
        assert (code, err) == (0, "")
        total: str = json.loads(out)["totals"]["total_cost"]
        return total

    def replace_in_config(self, old: str, new: str) -> None:
        """Change the configuration file."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def add_jobs(self, *rows: dict[str, object]) -> None:
        """Add late records to the ledger."""
        late = [row | {"cluster_id": 1000} for row in rows]
        write_ledger(self.ledger, *late)


def make_site(folder: Path, server: MailServer, certificate: Path | None) -> Site:
    """Return a site whose three VOs have one recipient each."""
    traffic: dict[str, object] = {"network_outgoing_external_bytes": 300 * GB}
    write_ledger(
        folder / "ledger",
        job(owner="alice", vo="cms", payload_user="uscms01", **traffic),
        job(owner="bob", vo="cms"),
        job(owner="carol", vo="atlas"),
        job(owner="dave", vo="lhcb", cpus_milli=2000),
    )
    (folder / "book.toml").write_text(BOOK_TOML)
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o640)
    login = f"""
user = "{USER}"
password_file = "{password}"
ca_file = "{certificate}"
security = "starttls"
"""
    site = Site(folder)
    site.config.write_text(f"""
[ledger]
path = "{site.ledger}"
[report]
prices = "{folder / "book.toml"}"
[mail]
sender = "showback@pool.example.org"
sender_name = "Example Tier-2"
host = "127.0.0.1"
port = {server.port}
timeout_s = 20
names = "full"
{login if certificate else ""}
[mail.recipients]
cms = ["cms@vo.example"]
atlas = ["atlas@vo.example"]
lhcb = ["lhcb@vo.example"]
""")
    return site


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """A message taken apart."""

    text: str
    html: str
    csv: str
    images: dict[str, bytes]


def parts_of(message: EmailMessage) -> Parts:
    """Return the parts of *message*, which must be of the agreed structure."""
    assert message.get_content_type() == "multipart/mixed"
    alternative, attachment = message.iter_parts()
    assert alternative.get_content_type() == "multipart/alternative"
    text, html = alternative.iter_parts()
    images: dict[str, bytes] = {}
    if html.get_content_type() == "multipart/related":
        assert html.get_param("type") == "text/html"
        html, *inline = html.iter_parts()
        images = {part["Content-ID"][1:-1]: part.get_content() for part in inline}
    assert attachment.get_content_disposition() == "attachment"
    return Parts(
        _content(text, "text/plain"),
        _content(html, "text/html"),
        _content(attachment, "text/csv"),
        images,
    )


def _content(part: EmailMessage | MIMEPart, kind: str) -> str:
    assert part.get_content_type() == kind
    content = part.get_content()
    assert isinstance(content, str)
    return content
