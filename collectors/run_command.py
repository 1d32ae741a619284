"""``poolmeter node run``: any command in a fresh measured namespace."""

import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from collectors.client import Client, NoDaemonError
from collectors.daemon.protocol import (
    Attach,
    Counted,
    Detach,
    Entered,
    Measured,
    NotMeasured,
    Ready,
)
from collectors.errors import NodeError
from collectors.journal.entries import Job
from collectors.links.calls import enter_net
from collectors.links.namespaces import enter_namespace

OWN_NAMESPACE = Path("/proc/self/ns/net")

#: How long the last reading and its journaling may take.
END_WAIT_S = 60

#: How often a daemon that is gone is looked for again.
RECONNECT_S = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class CommandRun:
    """How a command ended, and what was counted: ``None`` with the reason why not."""

    exit_code: int
    counted: Counted | None
    why_not: str | None = None


def run_command(root_socket: Path, command: Sequence[str]) -> CommandRun:
    """Run *command* and return its exit code and counts.

    A job must not wait for its accounting: where it cannot be measured the command
    runs in the caller's own network.

    Raises:
        NodeError: The command cannot be started.
    """
    try:
        client = Client(root_socket)
    except NoDaemonError as error:
        return CommandRun(_started(command), None, f"daemon: {error}")
    with client:
        with _node_network():
            attached = _attach(client, command)
            exit_code = _started(command) if isinstance(attached, Measured) else None
        if exit_code is None or not isinstance(attached, Measured):
            return CommandRun(_started(command), None, str(attached))
    return _finish(root_socket, attached.attach_id, exit_code)


@contextlib.contextmanager
def _node_network() -> Iterator[None]:
    """Come back into the node's network after the block."""
    own = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        enter_net(own)
        os.close(own)


def _attach(client: Client, command: Sequence[str]) -> Measured | str:
    """Enter a measured namespace, or return why there is none."""
    try:
        reply = client.ask(Attach(job=Job(command=" ".join(command)[:200])))
        if isinstance(reply, Ready):
            enter_namespace(Path(reply.namespace))
            reply = client.ask(Entered())
    except NodeError as error:
        return f"daemon: {error}"
    if isinstance(reply, Measured):
        return reply
    if isinstance(reply, NotMeasured):
        return f"{reply.reason}: {reply.detail}"
    return f"daemon: {reply}"


def _started(command: Sequence[str]) -> int:
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - asked for
    except OSError as error:
        raise NodeError(command[0], found=error.strerror) from error


def _finish(root_socket: Path, attach_id: str, exit_code: int) -> CommandRun:
    """Return the counts; a daemon that is being restarted meanwhile is waited for."""
    end_s = time.monotonic() + END_WAIT_S
    while True:
        try:
            with Client(root_socket) as client, client.patience(END_WAIT_S):
                reply = client.ask(Detach(attach_id))
        except NoDaemonError as error:
            if time.monotonic() > end_s:
                return CommandRun(exit_code, None, f"daemon: {error}; see the journal")
            time.sleep(RECONNECT_S)
        else:
            break
    if isinstance(reply, Counted):
        return CommandRun(exit_code, reply)
    return CommandRun(exit_code, None, f"daemon: {reply}; see the journal")
