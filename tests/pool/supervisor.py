"""The one process of the machine that outlives a test: it clears a pool away.

    python -m tests.pool.supervisor LOCK ROOTFS STATE NAME [BIND...]

It makes the namespaces, prints the number of the pool's process 1, and waits. When
its standard input ends, and a kill -9 of the test ends it too, it kills process 1,
with which the kernel takes down everything inside, and removes what lay outside: the
folder STATE and the cgroups. LOCK is the number of STATE's open and locked lock file,
which it holds to its end: by that others know that the pool lives. If it is killed
itself, process 1 sees that and ends; then only the folder stays, and the next pool
sweeps it away.
"""

import ctypes
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

from tests.pool.cgroups import Cgroups, plan_cgroups, remove_noted

CLONE_NEWPID = 0x20000000
LOCK = "lock"
# Puts the shell into cgroups ($1: their folders) before it becomes the command.
JOIN = 'for folder in $1; do echo $$ > "$folder/cgroup.procs"; done; shift; exec "$@"'
UNSHARE = ("unshare", "--mount", "--net", "--uts", "--ipc", "--cgroup")


def enter_command(
    rootfs: str, state: Path, binds: list[str], own: Cgroups
) -> list[str]:
    """Return the command that becomes process 1 of the pool."""
    folders = " ".join(map(str, own.folders))
    join = ["sh", "-c", JOIN, "join", folders]
    script = str(state / "pool" / ".code" / "enter.sh")
    enter = ["sh", script, rootfs, str(state), " ".join(own.controllers), *binds]
    return [*join, *UNSHARE, "--propagation", "private", *enter]


def _unshare_children() -> None:
    """Let the next child be process 1 of a process namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWPID):
        errno = ctypes.get_errno()
        raise OSError(errno, f"unshare: {os.strerror(errno)}")


def _serve(init: subprocess.Popen[bytes]) -> None:
    """Pass on that process 1 is ready, then wait for our end or for its."""
    if init.stdout is None or not init.stdout.readline():
        return
    print(init.pid, flush=True)  # noqa: T201  this is the answer to who started us
    select.select([sys.stdin, init.stdout], [], [])


def main() -> None:
    """Run one pool's namespaces until standard input ends."""
    lock, rootfs, folder, name, *binds = sys.argv[1:]
    # Ours alone: no process inside may keep the pool alive.
    os.set_inheritable(int(lock), False)
    state = Path(folder)
    own = plan_cgroups(name)
    own.make(state)
    command = enter_command(rootfs, state, binds, own)
    _unshare_children()
    init = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _serve(init)
    finally:
        init.kill()
        # The namespace's last process is gone when process 1 can be waited for.
        init.wait()
        remove_noted(state)
        shutil.rmtree(state)


if __name__ == "__main__":
    main()
