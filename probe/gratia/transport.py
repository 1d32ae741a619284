"""The connection to the server: HTTP/1.1 with keep-alive, by the standard library.

One POST at a time over one connection.  TLS is that of ``ssl``: the system's trust
store or the configured file, the server's name checked, and a client certificate where
one is configured.  A proxy of the environment is not used: a server is named exactly.
"""

import contextlib
import http.client
import ssl
import urllib.parse
from collections.abc import Iterator

from poolmeter.config import GratiaConfig
from poolmeter.errors import ConfigError
from probe.gratia.reply import Reply

RMI_PATH = "/gratia-servlets/rmi"
_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "text/plain",
    "User-Agent": "poolmeter",
}
#: More of a reply than anybody reads; the right one is two bytes.
_REPLY_LIMIT_BYTES = 10_000


class Server:
    """A Gratia server; :meth:`post` never raises, for every failure is an answer."""

    def __init__(self, connection: http.client.HTTPConnection, path: str) -> None:
        self._connection = connection
        self._path = path

    @property
    def name(self) -> str:
        """The server's host and port, for messages."""
        return f"{self._connection.host}:{self._connection.port}"

    def post(self, body: bytes) -> Reply:
        """Return what the server answers to *body*.

        When the connection breaks nobody knows whether the server has the body; what
        is sent again is the same, so that two copies are one downstream.
        """
        try:
            return self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            said = str(error) or type(error).__name__
            return Reply(None, f"no answer from {self.name}: {said}")

    def close(self) -> None:
        """End the connection; the next POST makes a new one."""
        self._connection.close()

    def _exchange(self, body: bytes) -> Reply:
        self._connection.request("POST", self._path, body, _HEADERS)
        with self._connection.getresponse() as response:
            content = response.read(_REPLY_LIMIT_BYTES)
            is_whole = not response.read(1)
        if not is_whole or response.will_close:
            self.close()
        return Reply(response.status, content.decode("utf-8", "replace"))


@contextlib.contextmanager
def connected(config: GratiaConfig) -> Iterator[Server]:
    """Yield the server that *config* names; it is connected to when it is used.

    Raises:
        ConfigError: There is no URL, or a certificate cannot be used.
    """
    if config.url is None:
        raise ConfigError(
            "[gratia] url", found="nothing", mend="set it, for example https://HOST"
        )
    url = urllib.parse.urlsplit(config.url)
    server = Server(_connection(url, config), url.path or RMI_PATH)
    try:
        yield server
    finally:
        server.close()


def _connection(
    url: urllib.parse.SplitResult, config: GratiaConfig
) -> http.client.HTTPConnection:
    try:
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise ConfigError("[gratia] url", found=str(error)) from error
    if url.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=config.timeout_s)
    return http.client.HTTPSConnection(
        host, port, timeout=config.timeout_s, context=_tls(config)
    )


def _tls(config: GratiaConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate_file is not None:
            # With a password it would ask on the terminal, and cron has none.
            context.load_cert_chain(
                config.certificate_file, config.key_file, password=_no_password
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            "[gratia] ca_file, certificate_file, key_file",
            expected="certificates and a key without a password, in PEM form",
            found=str(error),
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")
