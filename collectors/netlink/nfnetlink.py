"""Requests to netfilter: listings that are retried when they were interrupted.

A listing of many objects takes several reads; when the kernel's tables change in
between, the kernel marks it with ``NLM_F_DUMP_INTR`` or answers EINTR
(``linux/netlink.h``).  What came then may lack objects or hold some twice, so the
listing is made again.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator

from collectors.errors import RulesError
from collectors.netlink.messages import MESSAGE_HEADER, NETFILTER_HEADER

NETLINK_NETFILTER = 12
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_MULTI, NLM_F_DUMP_INTR = 0x2, 0x10
ERROR_CODE = struct.Struct("=i")
RECEIVE_BYTES = 1 << 18
RECEIVE_TIMEOUT_S = 10
ATTEMPTS = 20
FIRST_PAUSE_S = 0.001


class InterruptedListingError(RulesError):
    """The tables changed while they were listed, more often than it was tried."""


def listing(
    subsystem: int, message: int, family: int, attributes: bytes
) -> list[bytes]:
    """Return the attributes of each object that the kernel lists, as bytes.

    The kernel's own filters may stand in *attributes*.  An absent table is no objects.

    Raises:
        RulesError: The kernel refused, or the listing was interrupted each time.
    """
    for attempt in range(ATTEMPTS):
        found, whole = _try_listing(subsystem, message, family, attributes)
        if whole:
            return found
        time.sleep(FIRST_PAUSE_S * attempt)
    raise InterruptedListingError(
        "netfilter", expected="a listing", found=f"{ATTEMPTS} interrupted ones"
    )


def _try_listing(
    subsystem: int, message: int, family: int, attributes: bytes
) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    whole = True
    with _socket() as channel:
        channel.send(_request(subsystem, message, family, NLM_F_DUMP, attributes))
        for kind, flags, payload in _answers(channel):
            if flags & NLM_F_DUMP_INTR:
                whole = False
            if kind == NLMSG_DONE:
                break
            if kind == NLMSG_ERROR:
                code = _error_code(payload)
                if code == errno.ENOENT:
                    break
                if code == errno.EINTR:
                    return found, False
                raise kernel_error(code)
            found.append(payload[NETFILTER_HEADER.size :])
    return found, whole


def command(subsystem: int, message: int, family: int, attributes: bytes) -> int:
    """Send one command and return the kernel's error number, 0 for done."""
    with _socket() as channel:
        channel.send(_request(subsystem, message, family, NLM_F_ACK, attributes))
        for kind, _, payload in _answers(channel):
            if kind == NLMSG_ERROR:
                return _error_code(payload)
    return 0


def kernel_error(code: int) -> RulesError:
    """Return the error that says what the kernel answered."""
    return RulesError("netfilter", found=os.strerror(code))


def _socket() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    channel.settimeout(RECEIVE_TIMEOUT_S)
    return channel


def _request(
    subsystem: int, message: int, family: int, flags: int, attributes: bytes
) -> bytes:
    body = NETFILTER_HEADER.pack(family, 0, 0) + attributes
    kind = subsystem << 8 | message
    length_bytes = MESSAGE_HEADER.size + len(body)
    return MESSAGE_HEADER.pack(length_bytes, kind, NLM_F_REQUEST | flags, 1, 0) + body


def _answers(channel: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, flags and payload of each message; the caller ends the reading."""
    while True:
        data = channel.recv(RECEIVE_BYTES)
        offset = 0
        while offset + MESSAGE_HEADER.size <= len(data):
            length_bytes, kind, flags, _, _ = MESSAGE_HEADER.unpack_from(data, offset)
            payload = data[offset + MESSAGE_HEADER.size : offset + length_bytes]
            yield kind, flags, payload
            offset += (length_bytes + 3) & ~3


def _error_code(payload: bytes) -> int:
    return -int(ERROR_CODE.unpack_from(payload)[0])
