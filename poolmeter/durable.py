"""Files that survive a crash: written beside, made durable, then renamed into place.

A reader sees the old content or the new one, never a part.  A kill at any point
leaves at most a temporary file, which the next writer overwrites: writers of one
file hold a lock, so the temporary name is fixed.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from poolmeter.errors import LedgerError

FOLDER_MODE = 0o750
FILE_MODE = 0o640
SECRET_FILE_MODE = 0o600


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = FILE_MODE) -> Iterator[Path]:
    """Yield a temporary path; on success its content durably becomes *path*'s.

    The temporary name begins with "." and does not end in the file's own suffix, so
    that no reader of the folder takes it for data.  It is created by us, never
    opened through a link.

    Raises:
        LedgerError: The content could not be written (disk full, no permission);
            *path* is as it was.
    """
    temporary = temporary_path(path)
    try:
        _create_empty(temporary, mode)
        yield temporary
        _fsync(temporary, os.O_RDWR)
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        _discard(temporary)
        raise write_error(path, error) from error
    except BaseException:
        _discard(temporary)
        raise


def temporary_path(path: Path) -> Path:
    """Return the name under which the new content of *path* is written."""
    return path.with_name(f".{path.name}.tmp")


def write_error(path: Path, error: OSError) -> LedgerError:
    """Return the error that says why *path* could not be written, with the mend."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return LedgerError(
        f"cannot write {path}",
        found=error.strerror or str(error),
        mend="free space and run again, nothing was lost"
        if full
        else "check the folder's owner and mode",
    )


def write_text(path: Path, text: str, *, mode: int = FILE_MODE) -> None:
    """Durably replace the content of *path* by *text* (UTF-8).

    Raises:
        LedgerError: As :func:`replacing`.
    """
    with replacing(path, mode=mode) as temporary:
        temporary.write_text(text, "utf-8")


def make_folder(path: Path) -> None:
    """Make *path* and what is missing above it, durably; an existing one is left.

    Raises:
        LedgerError: It cannot be made, or something else has its name.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            fsync_folder(folder.parent)
    except OSError as error:
        raise write_error(path, error) from error
    if not path.is_dir():
        raise LedgerError(str(path), expected="a folder", found="a file")


def fsync_folder(folder: Path) -> None:
    """Make durable which names stand in *folder*.

    Raises:
        OSError: The kernel could not.
    """
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _create_empty(path: Path, mode: int) -> None:
    _discard(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    os.close(os.open(path, flags, mode))


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
