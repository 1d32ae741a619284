"""The daemon's side of the process of one family: start it, ask it, start it again."""

import dataclasses
import socket
import subprocess
import sys

import msgspec

from collectors.errors import RulesError
from collectors.rules.iptables_messages import Done, Refused, Reply, Request
from collectors.rules.xtables_rule import Family

#: Longer than the process waits for the xtables lock.
REPLY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 5.0
MODULE = "collectors.rules.iptables_process"
_DECODER: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


@dataclasses.dataclass(slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    channel: socket.socket


class FamilyProcess:
    """A process that changes the legacy tables of one family.

    It starts with the first question, in the caller's net namespace, and again after
    it was lost.  Use it from one thread at a time.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._running: _Running | None = None

    def ask(self, request: Request) -> Done:
        """Return the answer to *request*.

        Raises:
            RulesError: It was refused, or there was no answer; then nobody knows
                whether it was done, but the next question finds the tables whole.
        """
        try:
            reply = _DECODER.decode(self._exchange(msgspec.json.encode(request)))
        except OSError as error:
            self.close()
            raise RulesError(
                f"iptables process for {self._family}", found=str(error)
            ) from error
        match reply:
            case Refused(where, expected, found, mend):
                raise RulesError(where, expected=expected, found=found, mend=mend)
            case Done():
                return reply

    def close(self) -> None:
        """End the process."""
        running, self._running = self._running, None
        if running is None:
            return
        running.channel.close()
        try:
            running.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()

    def _exchange(self, request: bytes) -> bytes:
        channel = self._started().channel
        channel.sendall(request + b"\n")
        with channel.makefile("rb") as replies:
            line = replies.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("it ended")
        return line

    def _started(self) -> _Running:
        if self._running is not None and self._running.process.poll() is not None:
            self.close()
        if self._running is None:
            ours, theirs = socket.socketpair()
            ours.settimeout(REPLY_TIMEOUT_S)
            command = (sys.executable, "-I", "-m", MODULE, self._family.value)
            with theirs:
                process = subprocess.Popen(  # noqa: S603 - no word of it is input
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL
                )
            self._running = _Running(process, ours)
        return self._running
