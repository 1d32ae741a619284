"""What passes a device, frame by frame: the oracle of the counters.

A packet socket sees a frame when it has left the sender's queue or before the
receiver's netfilter hooks (``packet(7)``), and gives the length that the kernel has.
"""

import dataclasses
import ipaddress
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from tests.root.hosts import Host

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 1 << 28
SNAPPED_BYTES = 128
DRAIN_LIMIT_S = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    """One IP packet as it passed; ``outgoing`` as the machine that listens sees it."""

    outgoing: bool
    ip_bytes: int
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    head: bytes

    @property
    def protocol(self) -> int:
        """The protocol, or the first extension header, that the IP header names."""
        return self.head[9] if self.source.version == 4 else self.head[6]


class Capture:
    """The packets of one device, from now on; a context manager.

    It listens to all devices and chooses: one that is bound to a device which is still
    down hears its first packets too late.
    """

    def __init__(self, host: Host, device: str) -> None:
        self._device = device
        self._socket = host.run(_packet_socket)
        self._found: list[Packet] = []
        #: Frames that are no IP, such as ARP's, and did not leave from here.
        self.other_incoming_frames = 0

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def packets(self) -> list[Packet]:
        """Return all packets so far, in order.

        Raises:
            AssertionError: The kernel had to leave some out.
        """
        while self._take():
            pass
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        assert struct.unpack("II", statistics)[1] == 0, "the capture has holes"
        return self._found

    def await_packet(self, is_it: Callable[[Packet], bool]) -> Packet:
        """Return the first packet for which *is_it* holds, once it has passed."""
        deadline = time.monotonic() + DRAIN_LIMIT_S
        seen = 0
        while time.monotonic() < deadline:
            packets = self.packets()
            for packet in packets[seen:]:
                if is_it(packet):
                    return packet
            seen = len(packets)
            time.sleep(0.001)
        raise AssertionError("no such packet passed")

    def _take(self) -> bool:
        buffer = bytearray(SNAPPED_BYTES)
        try:
            # MSG_TRUNC: the length is the packet's own, however short the buffer.
            length, address = self._socket.recvfrom_into(
                buffer, SNAPPED_BYTES, socket.MSG_TRUNC
            )
        except BlockingIOError:
            return False
        device, protocol, kind, *_ = address
        if device != self._device:
            return True
        if protocol in (ETH_P_IP, ETH_P_IPV6):
            outgoing = kind == socket.PACKET_OUTGOING
            self._found.append(_packet(outgoing, length, bytes(buffer[:length])))
        elif kind != socket.PACKET_OUTGOING:
            self.other_incoming_frames += 1
        return True


def _packet(outgoing: bool, length: int, head: bytes) -> Packet:
    start, size = (12, 4) if head[0] >> 4 == 4 else (8, 16)
    ends = head[start : start + size], head[start + size : start + 2 * size]
    source, destination = (ipaddress.ip_address(end) for end in ends)
    return Packet(outgoing, length, source, destination, head)


def _packet_socket() -> socket.socket:
    listener = socket.socket(
        socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)
    )
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    listener.setblocking(False)
    return listener
