"""Transactions of nftables: libnftables in this process, else the ``nft`` command.

Both take the same JSON (``libnftables-json(5)``) and apply a list of commands as one
transaction of the kernel: all of it or nothing.
"""

import ctypes
import functools
import json
import subprocess
from collections.abc import Sequence
from typing import Any, Protocol

from collectors.errors import RulesError

#: One command: ``{"add": {"table": {...}}}`` and the like.
Command = dict[str, Any]

LIBRARY = "libnftables.so.1"
JSON_OUTPUT = 1 << 4  # NFT_CTX_OUTPUT_JSON; also makes the input JSON
COMMAND_TIMEOUT_S = 30


class Transactions(Protocol):
    """What applies a list of commands to the caller's net namespace."""

    def apply(self, commands: Sequence[Command]) -> None:
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

    def apply(self, commands: Sequence[Command]) -> None:
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
        library.nft_ctx_output_set_flags(context, JSON_OUTPUT)
        if library.nft_run_cmd_from_buffer(context, text):
            raise refused(library.nft_ctx_get_error_buffer(context))


class NftCommand:
    """The ``nft`` command, for machines without the library."""

    def apply(self, commands: Sequence[Command]) -> None:
        """Apply all *commands* at once."""
        try:
            done = subprocess.run(
                ["nft", "--json", "--file", "-"],  # noqa: S607 - the unit sets PATH
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


def document(commands: Sequence[Command]) -> bytes:
    """Return the JSON text of *commands*."""
    return json.dumps({"nftables": commands}, separators=(",", ":")).encode("ascii")


def refused(said: bytes | None) -> RulesError:
    """Return the error for what nftables *said*, its first line."""
    lines = (said or b"").decode("utf-8", "replace").strip().splitlines()
    return RulesError("nftables", found=lines[0] if lines else "no reason")


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
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return Library(library)


def transactions() -> Transactions:
    """Return what this machine has: the library, else the command."""
    return load_library() or NftCommand()
