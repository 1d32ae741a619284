"""The daemon's client: one connection to ``root.sock``."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from collectors.daemon.protocol import (
    SILENCE_LIMIT_S,
    AnyReply,
    Queued,
    Request,
    decode_reply,
    encode,
)
from collectors.errors import NodeError


class NoDaemonError(NodeError):
    """Nobody answers at the daemon's socket."""


class Client:
    """One connection to ``root.sock``."""

    def __init__(self, path: Path) -> None:
        """Connect.

        Raises:
            NoDaemonError: There is no daemon, or it is not ours to ask.
        """
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._channel.settimeout(SILENCE_LIMIT_S)
        try:
            self._channel.connect(os.fspath(path))
        except OSError as error:
            self._channel.close()
            raise NoDaemonError(
                f"no daemon at {path}",
                found=error.strerror or str(error),
                mend="start `poolmeter node serve`",
            ) from error
        self._lines = self._channel.makefile("rb")

    def __enter__(self) -> "Client":
        """Return the client; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._lines.close()
        self._channel.close()

    def ask(self, request: Request) -> AnyReply:
        """Return the answer to *request*; acknowledgements only lengthen the wait.

        Raises:
            NoDaemonError: The daemon is silent for two seconds, or gone.
        """
        self.say(request)
        return self.answer()

    def say(self, request: Request) -> None:
        """Send *request*.

        Raises:
            NoDaemonError: The daemon is gone.
        """
        try:
            self._channel.sendall(encode(request))
        except OSError as error:
            raise NoDaemonError("the daemon is gone", found=error.strerror) from error

    def answer(self) -> AnyReply:
        """Return the next answer that is no acknowledgement.

        Raises:
            NoDaemonError: The daemon is silent for two seconds, or gone.
        """
        while True:
            try:
                line = self._lines.readline()
            except OSError as error:
                raise NoDaemonError("the daemon is silent", found=str(error)) from error
            if not line:
                raise NoDaemonError("the daemon ended the connection")
            reply = decode_reply(line)
            if not isinstance(reply, Queued):
                return reply

    @contextlib.contextmanager
    def patience(self, limit_s: float) -> Iterator[None]:
        """Wait so long for answers inside the block: work that is not acknowledged."""
        self._channel.settimeout(limit_s)
        try:
            yield
        finally:
            self._channel.settimeout(SILENCE_LIMIT_S)
