"""What a pool could leave behind on the machine, to compare before and after."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.pool import rootfs
from tests.pool.namespaces import PREFIX

NAMESPACES = ("mnt", "pid", "net", "uts", "ipc", "cgroup")


def footprint() -> dict[str, frozenset[str]]:
    """Return, by kind, what of the machine a pool could change for others.

    Mounts, links and rules are those of the caller's own namespaces.
    """
    return {
        "mounts": frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        "links": frozenset(name for _, name in socket.if_nameindex()),
        "named net namespaces": _names(Path("/run/netns").glob("*")),
        "netfilter rules": _rules(),
        "folders": _names(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")),
        "cgroups": _names(Path("/sys/fs/cgroup").rglob(f"{PREFIX}*")),
    }


def namespaces_of(pid: int) -> frozenset[str]:
    """Return the namespaces of process *pid*; empty when it has ended."""
    folder = Path(f"/proc/{pid}/ns")
    try:
        return frozenset(str((folder / kind).readlink()) for kind in NAMESPACES)
    except OSError:
        return frozenset()


def foreign_namespaces(pid: int) -> frozenset[str]:
    """Return the namespaces of process *pid* that are not also the caller's."""
    return namespaces_of(pid) - namespaces_of(os.getpid())


def processes_in(namespaces: frozenset[str]) -> list[int]:
    """Return the processes of this machine that are in any of *namespaces*."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if namespaces & namespaces_of(pid)]


def _names(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(path.name for path in paths)


def _rules() -> frozenset[str]:
    """Return the machine's rules; the rootfs has the tool if the machine has not."""
    done = subprocess.run(
        ["chroot", str(rootfs.build()), "nft", "--stateless", "list", "ruleset"],
        check=True,
        capture_output=True,
        text=True,
    )
    return frozenset(done.stdout.splitlines())
