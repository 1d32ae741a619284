"""Net namespaces of jobs, each pinned as a file ``RUNTIME/netns/ATTACH_ID``.

A namespace lives as long as a process is in it or its file is bound to it, so a pinned
one outlives the daemon.
"""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from collectors.errors import LinkError
from collectors.links.calls import bind_mount, enter_net, unmount, unshare_net

Result = TypeVar("Result")

FOLDER = "netns"
FOLDER_MODE = 0o755  # starters enter without being root
FILE_MODE = 0o444
THIS_THREAD = Path("/proc/thread-self/ns/net")
THREAD_LIMIT_S = 60


def namespace_path(runtime: Path, attach_id: str) -> Path:
    """Return the file that pins an attach's namespace.

    >>> namespace_path(Path("/run/poolmeter"), "0123456789").as_posix()
    '/run/poolmeter/netns/0123456789'
    """
    return runtime / FOLDER / attach_id


def create_namespace(runtime: Path, attach_id: str) -> Path:
    """Make a net namespace and pin it; return its file.  One that exists is kept.

    Raises:
        LinkError: It could not be made; nothing of it is left.
    """
    path = namespace_path(runtime, attach_id)
    if is_pinned(path):
        return path
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        os.close(os.open(path, flags, FILE_MODE))
        in_thread(lambda: _pin_new(path))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise LinkError(f"net namespace {path}", found=str(error.strerror)) from error
    return path


def _pin_new(path: Path) -> None:
    unshare_net()
    bind_mount(THIS_THREAD, path)


def delete_namespace(runtime: Path, attach_id: str) -> None:
    """Unpin a namespace; it ends with its last process.  An absent one is fine.

    Raises:
        LinkError: It is still pinned.
    """
    path = namespace_path(runtime, attach_id)
    try:
        while is_pinned(path):
            unmount(path)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise LinkError(f"net namespace {path}", found=str(error.strerror)) from error


def list_namespaces(runtime: Path) -> list[str]:
    """Return the attach ids of which a file is there, pinned or left half made."""
    folder = runtime / FOLDER
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def is_pinned(path: Path) -> bool:
    """Whether a namespace is bound to the file *path*.

    It is then on the file system of all namespaces (``nsfs``).  Comparing with the
    folder's would not do: on overlayfs every file has a device of its own.
    """
    try:
        return path.lstat().st_dev == THIS_THREAD.stat().st_dev
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise


def same_namespace(one: Path, other: Path) -> bool:
    """Whether two files are the same namespace, such as a pin and ``/proc/PID/ns/net``.

    False when one of them is gone.
    """
    try:
        return one.stat().st_ino == other.stat().st_ino and (
            one.stat().st_dev == other.stat().st_dev
        )
    except FileNotFoundError:
        return False


def enter_namespace(path: Path) -> None:
    """Move the calling thread into the namespace that *path* pins.

    Raises:
        LinkError: There is no such namespace, or it may not be entered.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            enter_net(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LinkError(f"net namespace {path}", found=str(error.strerror)) from error


def in_namespace(path: Path, work: Callable[[], Result]) -> Result:
    """Return what *work* returns, done by a short-lived thread within the namespace."""

    def inside() -> Result:
        enter_namespace(path)
        return work()

    return in_thread(inside)


def in_thread(work: Callable[[], Result]) -> Result:
    """Return what *work* returns in a thread of its own; raise what it raises."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller
            errors.append(error)

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join(THREAD_LIMIT_S)
    if thread.is_alive():
        raise LinkError("net namespace", found=f"no answer in {THREAD_LIMIT_S} s")
    if errors:
        raise errors[0]
    return results[0]
