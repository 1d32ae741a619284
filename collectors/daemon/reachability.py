"""Whether a target answers: by TCP, or by an echo (RFC 792, RFC 4443).

Everything happens in the calling thread's net namespace.
"""

import contextlib
import dataclasses
import enum
import ipaddress
import os
import socket
import struct
import time

#: How long an answer may take; an echo is sent twice within it.
ANSWER_S = 2.0
ECHO_PERIOD_S = 1.0

ECHO = struct.Struct("!BBHHH")
ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
#: A router's word that a packet died on its way there.
TIME_EXCEEDED_V6 = 3
#: An ICMPv6 error holds the packet that it is about: behind its own head of 8 bytes
#: come 40 of the IPv6 header and 4 of the echo's before its identifier.
IDENTIFIER_IN_ERROR = 8 + 40 + 4
RECEIVE_BYTES = 2048


class Answer(enum.IntEnum):
    """How well a target answers; more is better."""

    NONE = 0
    REFUSED = 1
    YES = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What is connected to; with ``port`` ``None`` it is sent an echo.

    ``hops``: the echo dies at that many hops, and the router's word about it counts as
    an answer: it is how a gateway is asked that has only a link-local address.
    """

    name: str
    address: str
    port: int | None
    hops: int | None = None

    @property
    def version(self) -> int:
        """The IP version of the address."""
        return ipaddress.ip_address(self.address).version


def ask(target: Target) -> Answer:
    """Return how *target* answers."""
    try:
        if target.port is None:
            return _echo(target)
        return _connect(target.address, target.port)
    except OSError:
        return Answer.NONE


def _connect(address: str, port: int) -> Answer:
    try:
        with socket.create_connection((address, port), timeout=ANSWER_S):
            return Answer.YES
    except ConnectionRefusedError:
        return Answer.REFUSED


def _echo(target: Target) -> Answer:
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6  # noqa: PLR2004
    protocol = (
        socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    )
    identifier = int.from_bytes(os.urandom(2))
    end_s = time.monotonic() + ANSWER_S
    with socket.socket(family, socket.SOCK_RAW, protocol) as channel:
        if target.hops is not None:
            channel.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, target.hops
            )
        while (left_s := end_s - time.monotonic()) > 0:
            channel.sendto(_request(family, identifier), (target.address, 0))
            if _is_answered(channel, family, identifier, min(left_s, ECHO_PERIOD_S)):
                return Answer.YES
    return Answer.NONE


def _request(family: int, identifier: int) -> bytes:
    """Return an echo request; the kernel fills in the checksum of ICMPv6 only."""
    kind = ECHO_REQUEST[socket.AddressFamily(family)]
    packed = ECHO.pack(kind, 0, 0, identifier, 1)
    return ECHO.pack(kind, 0, internet_checksum(packed), identifier, 1)


def internet_checksum(packet: bytes) -> int:
    """Return the checksum of RFC 1071 over an even number of bytes.

    >>> hex(internet_checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _is_answered(
    channel: socket.socket, family: int, identifier: int, limit_s: float
) -> bool:
    end_s = time.monotonic() + limit_s
    with contextlib.suppress(TimeoutError):
        while (left_s := end_s - time.monotonic()) > 0:
            channel.settimeout(left_s)
            packet = channel.recv(RECEIVE_BYTES)
            if _is_about(packet, family, identifier):
                return True
    return False


def _is_about(packet: bytes, family: int, identifier: int) -> bool:
    """Return whether *packet* answers our echo; a raw IPv4 one has its IP header."""
    if family == socket.AF_INET:
        packet = packet[(packet[0] & 0x0F) * 4 :]
    if len(packet) < ECHO.size:
        return False
    kind, _, _, answered, _ = ECHO.unpack_from(packet)
    if kind == ECHO_REPLY[socket.AddressFamily(family)]:
        return bool(answered == identifier)
    if family == socket.AF_INET6 and kind == TIME_EXCEEDED_V6:
        place = slice(IDENTIFIER_IN_ERROR, IDENTIFIER_IN_ERROR + 2)
        return packet[place] == identifier.to_bytes(2)
    return False
