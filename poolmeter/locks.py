"""Locks between processes: ``flock(2)`` on a file that is never deleted.

The kernel drops a lock with its process, so a kill leaves nothing to clean up.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from poolmeter.durable import FILE_MODE, make_folder, write_error
from poolmeter.errors import LedgerBusyError


@contextlib.contextmanager
def locked(path: Path, *, what: str, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on *path* inside the block.

    Args:
        path: The lock's file, made if it is missing.
        what: What is locked, for the message.
        wait: Wait for the holder instead of refusing at once.

    Raises:
        LedgerBusyError: Somebody else holds it and *wait* is false.
        LedgerError: The lock's file cannot be made.
    """
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        _take(descriptor, what, wait=wait)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, what: str, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise LedgerBusyError(
            f"{what} is locked by another run", mend="it will be done by that run"
        ) from error
