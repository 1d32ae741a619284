"""The lock of the legacy tables, which python-iptables does not take itself.

A legacy table is read whole, changed and written back whole, so two writers without
the lock lose each other's rules, and neither learns of it.  ``iptables`` takes the same
file (iptables(8), ``-w`` and ``XTABLES_LOCKFILE``).
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from collectors.errors import RulesError

DEFAULT_PATH = Path("/run/xtables.lock")
LOCK_MODE = 0o600


def lock_path() -> Path:
    """Return the lock's file, as ``iptables`` itself finds it."""
    return Path(os.environ.get("XTABLES_LOCKFILE") or DEFAULT_PATH)


@contextlib.contextmanager
def xtables_lock(timeout_s: float) -> Iterator[None]:
    """Hold the lock inside the block; the main thread of a process only.

    It waits in the kernel's queue: who asks again and again would never get it between
    two others that wait.

    Raises:
        RulesError: Others held it for *timeout_s*, or the file cannot be opened.
    """
    path = lock_path()
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, LOCK_MODE)
    except OSError as error:
        raise RulesError(f"xtables lock {path}", found=error.strerror) from error
    try:
        _wait(descriptor, path, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, timeout_s: float) -> None:
    previous = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError as error:
        raise RulesError(
            f"xtables lock {path}",
            expected=f"to get it within {timeout_s:g} s",
            found="another program holds it",
            mend=f"see who does: fuser -v {path}",
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _give_up(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise TimeoutError
