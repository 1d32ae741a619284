"""Waiting for files to change, told by the kernel (inotify) and not by the clock."""

import ctypes
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.pool.errors import AwaitedError

T = TypeVar("T")

# From linux/inotify.h: modified, closed after writing, moved in, made, deleted.
CHANGES = 0x2 | 0x8 | 0x80 | 0x100 | 0x200


class FolderWatch:
    """Tells of changes in one folder, from the moment it is made; a context manager."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if libc.inotify_add_watch(self._fd, bytes(folder), CHANGES) < 0:
            os.close(self._fd)
            raise OSError(ctypes.get_errno(), f"cannot watch {folder}")

    def __enter__(self) -> "FolderWatch":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def wait(self, timeout_s: float) -> bool:
        """Return whether something changed within *timeout_s*; forgets the change."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, timeout_s))
        if ready:
            os.read(self._fd, 1 << 16)
        return bool(ready)


def await_change(
    folder: Path, look: Callable[[], T | None], *, timeout_s: float, what: str
) -> T:
    """Return what *look* finds, looking again whenever *folder* changes.

    *look* returns ``None`` for "not yet".

    Raises:
        AwaitedError: It found nothing within *timeout_s*; *what* says what it sought.
    """
    end = time.monotonic() + timeout_s
    with FolderWatch(folder) as watch:
        while (found := look()) is None:
            if not watch.wait(end - time.monotonic()):
                raise AwaitedError(f"{what}: not within {timeout_s:g} s")
    return found
