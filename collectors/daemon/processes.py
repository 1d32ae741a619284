"""Processes as the kernel shows them: identity, namespace, and who is at a socket."""

import contextlib
import fcntl
import os
import socket
import struct
from pathlib import Path

from collectors.errors import NodeError
from collectors.journal.entries import Process

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"

#: ``FD_SETSIZE`` of the C library.
SELECT_LIMIT = 1024

_UCRED = struct.Struct("3i")


class ProcessGoneError(NodeError):
    """A process has ended, or its number belongs to another one now."""


def boot_id() -> str:
    """Return the kernel's identity of this boot (random(4))."""
    return BOOT_ID.read_text("ascii").strip()


def identify(pid: int) -> Process:
    """Return who *pid* is: its start (proc_pid_stat(5), field 22) and real user id.

    Raises:
        ProcessGoneError: There is no such process.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
        status = (PROC / str(pid) / "status").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessGoneError(f"process {pid} is gone") from error
    # The name, in brackets, may hold blanks and brackets itself.
    start_ticks = int(stat.rpartition(b")")[2].split()[19])
    return Process(pid, start_ticks, _real_uid(status))


def _real_uid(status: str) -> int:
    for line in status.splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[1])
    raise ProcessGoneError("a process without a user id")


def open_process(process: Process) -> int:
    """Return a pidfd of exactly that process.

    Raises:
        ProcessGoneError: It is gone, and its number may be another's.
    """
    try:
        descriptor = _moved_up(os.pidfd_open(process.pid))
    except ProcessLookupError as error:
        raise ProcessGoneError(f"process {process.pid} is gone") from error
    # With the pidfd open the number cannot pass to another process unseen.
    with contextlib.suppress(ProcessGoneError):
        if identify(process.pid).start_ticks == process.start_ticks:
            return descriptor
    os.close(descriptor)
    raise ProcessGoneError(f"process {process.pid} is gone")


def _moved_up(descriptor: int) -> int:
    """Return *descriptor* under a number that leaves the low ones free.

    libnftables waits by select(2), which ends a process at a number above 1023; one
    descriptor a job is kept, and would fill them.
    """
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, SELECT_LIMIT)
    except OSError:
        return descriptor  # so many are not allowed to this process
    os.close(descriptor)
    return moved


def net_namespace(pid: int) -> int | None:
    """Return the inode of the net namespace of *pid*; ``None`` if it is gone."""
    try:
        return (PROC / str(pid) / "ns/net").stat().st_ino
    except OSError:
        return None


def peer_of(connection: socket.socket) -> Process:
    """Return who connected (``SO_PEERCRED``, unix(7)); it must still be there.

    The user id is the one that the kernel noted at ``connect``.

    Raises:
        ProcessGoneError: It has ended already.
    """
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(packed)
    process = identify(pid)
    return Process(process.pid, process.start_ticks, uid)
