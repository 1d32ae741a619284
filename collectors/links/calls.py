"""System calls that Python 3.11 does not have: ``setns``, ``unshare``, ``mount``."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def unshare_net() -> None:
    """Give the calling thread a net namespace of its own (``unshare(2)``)."""
    _checked(_libc.unshare(CLONE_NEWNET), None)


def enter_net(descriptor: int) -> None:
    """Move the calling thread into the net namespace *descriptor* (``setns(2)``)."""
    _checked(_libc.setns(descriptor, CLONE_NEWNET), None)


def bind_mount(source: Path, target: Path) -> None:
    """Show *source* at *target* (``mount(2)``)."""
    done = _libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None)
    _checked(done, target)


def unmount(target: Path) -> None:
    """Take away what is mounted at *target*, busy or not (``umount2(2)``)."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def _checked(result: int, path: Path | None) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path and str(path))
