"""Certificates of an authority, of the collector and of a client, by ``openssl``."""

import dataclasses
import ssl
import subprocess
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM form; each key has no password."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def server_context(self, *, asks_client: bool) -> ssl.SSLContext:
        """Return the collector's side; *asks_client*: none without a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.server, self.server_key)
        context.load_verify_locations(self.authority)
        context.verify_mode = ssl.CERT_REQUIRED if asks_client else ssl.CERT_NONE
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority in *folder* and what it signs."""
    authority, key = folder / "authority.pem", folder / "authority.key"
    _openssl(
        *("req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=Example Authority"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-addext", "keyUsage=critical,keyCertSign"),
        *("-keyout", str(key), "-out", str(authority)),
    )
    server = _signed(folder, "server", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    client = _signed(folder, "client", "extendedKeyUsage=clientAuth")
    return Certificates(authority, *server, *client)


def _signed(folder: Path, name: str, extension: str) -> tuple[Path, Path]:
    """Make the certificate *name*, signed by the authority; return it and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    _openssl(
        *("req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *(
            "-CA",
            str(folder / "authority.pem"),
            "-CAkey",
            str(folder / "authority.key"),
        ),
        *("-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    return certificate, key


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
