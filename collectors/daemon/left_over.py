"""Processes that are still in a job's namespace when its run ends."""

import contextlib
import os
import signal
from collections.abc import Collection

from collectors.daemon.processes import (
    PROC,
    ProcessGoneError,
    identify,
    net_namespace,
    open_process,
)
from collectors.journal.entries import LeftOver, Process


def left_over_processes(
    namespace_inodes: Collection[int], *, kill: bool
) -> dict[int, tuple[LeftOver, ...]]:
    """Return who is left in each of these net namespaces; kill them if that is asked.

    Processes whose real user id is root's are named and left alone: they are the
    site's or HTCondor's own.
    """
    found: dict[int, list[LeftOver]] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        inode = net_namespace(int(entry.name))
        if inode is None or inode not in namespace_inodes:
            continue
        with contextlib.suppress(ProcessGoneError, OSError):
            process = identify(int(entry.name))
            found.setdefault(inode, []).append(_left_over(process, inode, kill=kill))
    return {inode: tuple(processes) for inode, processes in found.items()}


def _left_over(process: Process, inode: int, *, kill: bool) -> LeftOver:
    name = (PROC / str(process.pid) / "comm").read_text("utf-8", "replace").strip()
    killed = kill and process.uid != 0 and _killed(process, inode)
    return LeftOver(process.pid, process.uid, name, killed)


def _killed(process: Process, inode: int) -> bool:
    """Kill exactly that process, if it is still in that namespace."""
    try:
        pidfd = open_process(process)
    except ProcessGoneError:
        return False
    try:
        if net_namespace(process.pid) != inode:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except OSError:  # gone, or not ours to kill
        return False
    finally:
        os.close(pidfd)
    return True
