"""What tests need of the machine, and what happens where it is not met.

The folder of a test is its marker, and some markers have needs.  A need that is not
met skips its tests with the reason; where ``REQUIRE`` names it, they fail instead, and
so does the run, also when no test needs it yet.  Nothing here is on the network.
"""

import dataclasses
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.browser import why_no_browser
from tests.pool import rootfs

#: The folders below ``tests/``; each is a marker.
FOLDERS = {
    "unit": "pure functions and commands; needs nothing",
    "property": "generated input (hypothesis); needs nothing",
    "golden": "real data against stored output; needs nothing",
    "root": "real namespaces, links and rules; needs root",
    "pool": "a real HTCondor pool; needs root and Debian's archive",
    "soak": "the full numbers; runs with `make soak` only",
}

#: A probe of the machine that takes longer than this is not met.
PROBE_LIMIT_S = 20


class UnknownNeedError(ValueError):
    """``REQUIRE`` names something that is no need."""


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """Something that a machine has or has not."""

    name: str
    why_missing: Callable[[], str | None]


def why_no_root() -> str | None:
    """Return why no private net namespace can be made here, or ``None``."""
    if os.geteuid() != 0:
        return "not root"
    return _failure(("unshare", "--net", "true"))


def why_no_iptables() -> str | None:
    """Return why legacy iptables cannot be used in a namespace, or ``None``.

    The nft variant is no substitute: python-iptables sees legacy tables only.
    """
    library = (sys.executable, "-I", "-c", "import iptc")
    return (
        why_no_root()
        or _failure(("unshare", "--net", "iptables-legacy", "-L"))
        or _failure(library)
    )


def _failure(command: Sequence[str]) -> str | None:
    """Return why *command* did not succeed, in one line, or ``None`` when it did."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}"
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    return f"{' '.join(command)}: {said}"


#: Every need; ``REQUIRE`` may name these.
NEEDS: Mapping[str, Need] = {
    need.name: need
    for need in (
        Need("root", why_no_root),
        Need("pool", rootfs.why_impossible),
        Need("iptables", why_no_iptables),
        Need("chromium", why_no_browser),
    )
}

#: What all tests of a folder need.
NEEDS_OF_FOLDER: Mapping[str, tuple[str, ...]] = {
    "root": ("root",),
    "pool": ("pool",),
}


@functools.cache
def why_missing(name: str) -> str | None:
    """Return why the need called *name* is not met, or ``None``; asked once a run."""
    return NEEDS[name].why_missing()


def folder_of(path: Path, tests: Path) -> str:
    """Return the marker of the test file *path*; doctests of the parts are ``unit``.

    >>> folder_of(Path("/r/tests/root/test_veth.py"), Path("/r/tests"))
    'root'
    >>> folder_of(Path("/r/poolmeter/units.py"), Path("/r/tests"))
    'unit'
    """
    if not path.is_relative_to(tests):
        return "unit"
    first = path.relative_to(tests).parts[0]
    return first if first in FOLDERS else "unit"


def required_needs(text: str) -> tuple[str, ...]:
    """Return the needs that *text*, the value of ``REQUIRE``, names.

    >>> required_needs(" root,pool ")
    ('root', 'pool')

    Raises:
        UnknownNeedError: One of the names is no need.
    """
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    unknown = [name for name in names if name not in NEEDS]
    if unknown:
        raise UnknownNeedError(
            f"REQUIRE: expected names of {', '.join(NEEDS)}, found {', '.join(unknown)}"
        )
    return names
