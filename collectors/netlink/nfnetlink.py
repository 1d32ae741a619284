"""Requests to netfilter: listings that are retried when they were interrupted.

A listing of many objects takes several reads; when the kernel's tables change in
between, the kernel marks it with ``NLM_F_DUMP_INTR`` or answers EINTR
(``linux/netlink.h``).  What came then may lack objects or hold some twice, so the
listing is made again.
"""

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence

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
BATCH = 64
FIRST_PAUSE_S = 0.001


class InterruptedListingError(RulesError):
    """The tables changed while they were listed, more often than it was tried."""


def listing(
    subsystem: int,
    message: int,
    family: int,
    attributes: bytes,
    *,
    holding: Sequence[bytes] = (),
) -> list[bytes]:
    """Return the attributes of each object that the kernel lists, as bytes.

    The kernel's own filters may stand in *attributes*.  Of a long list only those are
    kept that hold one of the values *holding* somewhere; the caller looks where.  An
    absent table is no objects.

    Raises:
        RulesError: The kernel refused, or the listing was interrupted each time.
    """
    request = _request(subsystem, message, family, NLM_F_DUMP, attributes)
    for attempt in range(ATTEMPTS):
        found, whole = _try_listing(request, holding)
        if whole:
            return found
        time.sleep(FIRST_PAUSE_S * attempt)
    raise InterruptedListingError(
        "netfilter", expected="a listing", found=f"{ATTEMPTS} interrupted ones"
    )


def _try_listing(request: bytes, holding: Sequence[bytes]) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    whole = True
    with _opened() as channel:
        channel.send(request)
        for kind, flags, payload in _answers(channel):
            if flags & NLM_F_DUMP_INTR:
                whole = False
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                code = _error_code(payload)
                if code not in (0, errno.ENOENT, errno.EINTR):
                    raise kernel_error(code)
                return found, whole and code != errno.EINTR
            if not holding or any(value in payload for value in holding):
                found.append(payload[NETFILTER_HEADER.size :])
    return found, whole


def command(subsystem: int, message: int, family: int, attributes: bytes) -> int:
    """Send one command and return the kernel's error number, 0 for done."""
    return commands(subsystem, message, family, [attributes])[0]


def commands(
    subsystem: int, message: int, family: int, each: Sequence[bytes]
) -> list[int]:
    """Send many commands and return the kernel's error number of each, 0 for done.

    Raises:
        RulesError: The kernel gave no answer.
    """
    codes: list[int] = []
    with _opened() as channel:
        for start in range(0, len(each), BATCH):
            batch = each[start : start + BATCH]
            requests = [
                _request(subsystem, message, family, NLM_F_ACK, attributes)
                for attributes in batch
            ]
            channel.send(b"".join(requests))
            codes += _acknowledged(channel, len(batch))
    return codes


def _acknowledged(channel: socket.socket, number: int) -> list[int]:
    codes: list[int] = []
    for kind, _, payload in _answers(channel):
        if kind == NLMSG_ERROR:
            codes.append(_error_code(payload))
        if len(codes) == number:
            break
    return codes


@contextlib.contextmanager
def _opened() -> Iterator[socket.socket]:
    try:
        with _socket() as channel:
            yield channel
    except OSError as error:
        raise RulesError("netfilter", found=str(error)) from error


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
