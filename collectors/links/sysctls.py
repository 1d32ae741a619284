"""Kernel settings below ``/proc/sys``: read, changed, and each change remembered.

What is below ``net`` is that of the calling thread's net namespace.
"""

import dataclasses
from pathlib import Path

from collectors.errors import LinkError

PROC_SYS = Path("/proc/sys")


@dataclasses.dataclass(frozen=True, slots=True)
class SysctlChange:
    """A setting that was changed, for ``node status``."""

    name: str
    before: str
    after: str


def read_sysctl(name: str) -> str | None:
    """Return a setting's value, or ``None`` where the kernel does not have it.

    >>> read_sysctl("kernel/ostype")
    'Linux'
    """
    try:
        return (PROC_SYS / name).read_text("ascii").strip()
    except FileNotFoundError:
        return None


def read_limit(name: str) -> int | None:
    """Return a setting that is a number, or ``None`` where there is none."""
    value = read_sysctl(name)
    return int(value) if value is not None and value.lstrip("-").isdigit() else None


def write_sysctl(name: str, value: str) -> SysctlChange | None:
    """Give a setting this *value*; return the change, ``None`` when there was none.

    Raises:
        LinkError: The kernel refused it, or does not have it.
    """
    before = read_sysctl(name)
    if before == value:
        return None
    try:
        (PROC_SYS / name).write_text(value, "ascii")
    except OSError as error:
        raise LinkError(
            f"sysctl {name.replace('/', '.')}",
            expected=value,
            found=f"{before}, {error.strerror}",
            mend="set it in /etc/sysctl.d",
        ) from error
    return SysctlChange(name.replace("/", "."), before or "", value)


def write_where_present(name: str, value: str) -> None:
    """Give a setting this *value* where the kernel has it at all."""
    if read_sysctl(name) is not None:
        write_sysctl(name, value)
