"""Machines of a small test network, each a net namespace within this process.

A ``Host`` is a thread with a net namespace and a mount namespace of its own: what the
thread does happens there, sockets that it opens belong there for good, and everything
is gone when the process is, also after a kill.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute

from collectors.links.calls import enter_net, unshare_net

Result = TypeVar("Result")

CLONE_NEWNS = 0x20000
#: An address that is still being looked for twins cannot be bound to.
NO_TWIN_DETECTION = 0x02
MS_REC_PRIVATE = 0x4000 | (1 << 18)
SIOCETHTOOL = 0x8946
#: ``ETHTOOL_STSO``, ``ETHTOOL_SGSO``, ``ETHTOOL_SGRO`` of ``linux/ethtool.h``.
OFFLOADS = (0x1F, 0x24, 0x2C)
COMMAND_LIMIT_S = 60


class Host:
    """One machine; a context manager.

    It is a new one, or the inside of the net namespace *existing*, a descriptor.
    """

    def __init__(self, name: str, existing: int | None = None) -> None:
        self.name = name
        self._thread = ThreadPoolExecutor(
            1, name, initializer=_leave_the_machine, initargs=(existing,)
        )
        self.descriptor = self.run(os.open, "/proc/thread-self/ns/net", os.O_RDONLY)
        if existing is None:
            self.run(_set_up, "lo")

    def run(self, work: Callable[..., Result], *args: object, **kw: object) -> Result:
        """Return what *work* returns, done on this machine."""
        return self._thread.submit(work, *args, **kw).result()

    def close(self) -> None:
        """End the machine and all its links."""
        self._thread.shutdown()
        os.close(self.descriptor)

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def socket(
        self, family: int, kind: int = socket.SOCK_DGRAM, protocol: int = 0
    ) -> socket.socket:
        """Return a socket of this machine; it never blocks for long."""
        opened = self.run(socket.socket, family, kind, protocol)
        opened.settimeout(10)
        return opened

    def add_address(self, device: str, *addresses: str) -> None:
        """Give *device* these addresses with their prefix lengths."""
        self.run(_add_addresses, device, [ip_interface(text) for text in addresses])

    def add_route(self, destination: str, gateway: str, **kw: object) -> None:
        """Reach *destination* through *gateway*."""

        def add() -> None:
            with IPRoute() as netlink:
                netlink.route("add", dst=destination, gateway=gateway, **kw)

        self.run(add)

    def command(
        self, argv: Sequence[str], *, user: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine and return what became of it."""

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*argv],
                check=False,
                capture_output=True,
                text=True,
                timeout=COMMAND_LIMIT_S,
                user=user,
                group=user,
                extra_groups=[],
            )

        return self.run(run)

    def sysctl(self, name: str, value: str) -> None:
        """Write a setting."""
        self.run((Path("/proc/sys") / name).write_text, value)


def _leave_the_machine(existing: int | None) -> None:
    if existing is None:
        unshare_net()
    else:
        enter_net(existing)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"", b"/", None, MS_REC_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mount namespace")


def connect(one: Host, device: str, other: Host, other_device: str) -> None:
    """Put a cable between two machines; both ends are up."""

    def make() -> None:
        with IPRoute() as netlink:
            peer = {"ifname": other_device, "net_ns_fd": other.descriptor}
            netlink.link("add", ifname=device, kind="veth", peer=peer)

    one.run(make)
    for host, name in ((one, device), (other, other_device)):
        host.run(_set_up, name)


def _set_up(device: str) -> None:
    with IPRoute() as netlink:
        netlink.link("set", index=device_index(device), state="up")


def _add_addresses(device: str, found: list[IPv4Interface | IPv6Interface]) -> None:
    with IPRoute() as netlink:
        for address in found:
            netlink.addr(
                "add",
                index=device_index(device),
                address=str(address.ip),
                prefixlen=address.network.prefixlen,
                flags=NO_TWIN_DETECTION,
            )


def device_index(device: str) -> int:
    """Return the index of a device of the calling thread's machine."""
    return socket.if_nametoindex(device)


def set_offloads(device: str, *, on: bool) -> None:
    """Turn segmentation and merging of packets on or off, in the calling thread.

    Off, the stack also builds no packet of more than one segment: else what the node
    itself sends would pass the hooks before it is cut.
    """
    for command in OFFLOADS:
        value = struct.pack("II", command, int(on))
        buffer = ctypes.create_string_buffer(value, len(value))
        request = struct.pack("16sP", device.encode(), ctypes.addressof(buffer))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            fcntl.ioctl(channel, SIOCETHTOOL, request)
    with IPRoute() as netlink:
        segments = 65535 if on else 1
        netlink.link("set", index=device_index(device), gso_max_segs=segments)


def device_statistics(device: str) -> dict[str, int]:
    """Return the kernel's counters of a device of the calling thread's machine."""
    with IPRoute() as netlink:
        (found,) = netlink.link("get", index=device_index(device))
    return dict(found.get("stats64"))


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Yield machines of these names."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Host(name)) for name in names]
