"""Links, addresses and routes through pyroute2, in the calling thread's namespace.

Since pyroute2 0.9 a socket belongs to the namespace of the thread that uses it, so
none is kept: each use opens its own, which takes a millisecond.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from collectors.errors import LinkError

ATTEMPTS = 20
FIRST_PAUSE_S = 0.001


@contextlib.contextmanager
def route_netlink(what: str) -> Iterator[IPRoute]:
    """Yield a netlink socket of the caller's net namespace; *what* names the work.

    Raises:
        LinkError: The kernel refused something in the block.
    """
    try:
        with IPRoute() as netlink:
            yield netlink
    except (NetlinkError, OSError) as error:
        raise LinkError(what, found=reason_of(error)) from error


def listed(dump: Callable[[], Any]) -> list[Any]:
    """Return what *dump* lists; made again when the kernel marks it as interrupted.

    Raises:
        LinkError: It was interrupted each time.
    """
    for attempt in range(ATTEMPTS):
        try:
            return [*dump()]
        except NetlinkDumpInterrupted:
            time.sleep(FIRST_PAUSE_S * attempt)
    raise LinkError(
        "netlink", expected="a listing", found=f"{ATTEMPTS} interrupted ones"
    )


def reason_of(error: OSError | NetlinkError) -> str:
    """Return what the kernel said."""
    return str(error.args[-1]) if error.args else str(error)


def link_index(netlink: IPRoute, device: str) -> int | None:
    """Return the index of *device*, or ``None`` where there is no such device."""
    try:
        found = [*netlink.link("get", ifname=device)]
    except NetlinkError:
        return None
    return int(found[0]["index"]) if found else None
