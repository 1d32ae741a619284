"""Transactions of nftables: libnftables in this process, else the ``nft`` command.

Both take the same text (``nft(8)``) and apply it as one transaction of the kernel: all
of it or nothing.  JSON would do as well (``libnftables-json(5)``), but takes two to
three times as long for the rules of many jobs.

No value reaches the text but addresses, numbers, and names made of letters, digits and
underscores.
"""

import ctypes
import functools
import subprocess
from collections.abc import Iterable
from typing import Protocol

from collectors.errors import RulesError

LIBRARY = "libnftables.so.1"
COMMAND_TIMEOUT_S = 30


class Transactions(Protocol):
    """What applies commands to the caller's net namespace."""

    def apply(self, commands: Iterable[str]) -> None:
        """Apply all *commands* at once.

        Raises:
            RulesError: Nothing was applied; the text says why.
        """


class Library:
    """libnftables through ctypes; a fresh context for each transaction.

    A context opens its socket in the net namespace of the moment and keeps a cache, so
    none is kept.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def apply(self, commands: Iterable[str]) -> None:
        """Apply all *commands* at once."""
        context = self._library.nft_ctx_new(0)
        if not context:
            raise RulesError("libnftables", expected="a context", found="none")
        try:
            self._run(context, document(commands))
        finally:
            self._library.nft_ctx_free(context)

    def _run(self, context: int, text: bytes) -> None:
        library = self._library
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        if library.nft_run_cmd_from_buffer(context, text):
            raise refused(library.nft_ctx_get_error_buffer(context))


class NftCommand:
    """The ``nft`` command, for machines without the library."""

    def apply(self, commands: Iterable[str]) -> None:
        """Apply all *commands* at once."""
        try:
            done = subprocess.run(
                ["nft", "--file", "-"],  # noqa: S607 - the unit sets PATH
                input=document(commands),
                capture_output=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RulesError(
                "nft", found=str(error), mend="install nftables"
            ) from error
        if done.returncode:
            raise refused(done.stderr)


def document(commands: Iterable[str]) -> bytes:
    r"""Return the text of *commands*, a line each.

    >>> document(["add table inet t", "delete table inet t"])
    b'add table inet t\ndelete table inet t\n'
    """
    return "".join(f"{command}\n" for command in commands).encode("ascii")


def refused(said: bytes | None) -> RulesError:
    r"""Return the error for what nftables *said*: its first line and what it is about.

    >>> str(refused(b"/dev/stdin:1:5-9: Error: No such file\nadd x\n    ^^^\n"))
    'nftables: found Error: No such file: add x'
    """
    lines = (said or b"").decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return RulesError("nftables", found="no reason")
    reason = lines[0].partition(": ")[2] or lines[0]
    return RulesError("nftables", found=": ".join((reason, *lines[1:2])))


@functools.cache
def load_library() -> Library | None:
    """Return the library, or ``None`` where there is none."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    for name in ("buffer_output", "buffer_error", "get_error_buffer", "free"):
        getattr(library, f"nft_ctx_{name}").argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return Library(library)


def transactions() -> Transactions:
    """Return what this machine has: the library, else the command."""
    return load_library() or NftCommand()
