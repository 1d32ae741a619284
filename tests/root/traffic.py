"""What jobs and servers send to each other in tests; each returns when it is done."""

import contextlib
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Iterator

from collectors.traffic import Direction
from tests.root.hosts import Host

CHUNK_BYTES = 1 << 16
ICMP_ECHO, ICMP_ECHO_REPLY = 8, 0
ICMPV6_ECHO, ICMPV6_ECHO_REPLY = 128, 129
BURST, BURST_PAUSE_S = 10, 0.001


def family_of(address: str) -> int:
    """Return the socket family of *address*."""
    is_v4 = ipaddress.ip_address(address).version == 4
    return socket.AF_INET if is_v4 else socket.AF_INET6


Connection = tuple[socket.socket, socket.socket]


def tcp_connection(client: Host, server: Host, address: str) -> Connection:
    """Return both ends of a connection from *client* to *address* of *server*."""
    family = family_of(address)
    with server.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        near = client.socket(family, socket.SOCK_STREAM)
        near.connect(listener.getsockname()[:2])
        far, _ = listener.accept()
        far.settimeout(10)
    return near, far


def tcp_transfer(
    client: Host, server: Host, address: str, size: int, way: Direction
) -> int:
    """Send *size* bytes from *client* to *server* or back; return how many arrived."""
    ends = tcp_connection(client, server, address)
    sender, receiver = ends if way is Direction.OUTGOING else ends[::-1]
    arrived = 0

    def receive() -> None:
        nonlocal arrived
        while piece := receiver.recv(CHUNK_BYTES):
            arrived += len(piece)

    thread = threading.Thread(target=receive)
    thread.start()
    sender.sendall(bytes(size))
    sender.shutdown(socket.SHUT_WR)
    thread.join()
    # The other way is closed first, so that no packet comes after this.
    receiver.shutdown(socket.SHUT_WR)
    while sender.recv(CHUNK_BYTES):
        pass
    sender.close()
    receiver.close()
    return arrived


def send_datagrams(
    client: Host, address: str, count: int, size: int, port: int = 9
) -> None:
    """Send *count* datagrams of *size* bytes; nobody needs to receive them."""
    with client.socket(family_of(address)) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if family_of(address) == socket.AF_INET6:
            index = client.run(socket.if_nametoindex, "eth0")
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        for _ in range(count):
            with contextlib.suppress(ConnectionRefusedError):
                sender.sendto(bytes(size), (address, port))


def exchange_datagrams(
    client: Host, server: Host, address: str, count: int, size: int
) -> int:
    """Send datagrams to *server*, which sends each back; return how many came back."""
    family = family_of(address)
    back = 0
    with server.socket(family) as echo, client.socket(family) as sender:
        for each in (echo, sender):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        echo.bind((address, 0))
        port = echo.getsockname()[1]
        for _ in range(count):
            sender.sendto(os.urandom(size), (address, port))
            echo.sendto(*echo.recvfrom(CHUNK_BYTES))
            back += len(sender.recv(CHUNK_BYTES)) == size
    return back


def ping(client: Host, address: str, count: int, size: int = 56) -> int:
    """Send echo requests as ping does; return how many answers came back."""
    version = ipaddress.ip_address(address).version
    family = family_of(address)
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    request = ICMP_ECHO if version == 4 else ICMPV6_ECHO
    reply = ICMP_ECHO_REPLY if version == 4 else ICMPV6_ECHO_REPLY
    answers = 0
    with client.socket(family, socket.SOCK_RAW, protocol) as raw:
        for number in range(count):
            message = echo_message(request, number, bytes(size))
            raw.sendto(message, (address, 0))
            while True:
                packet = raw.recv(CHUNK_BYTES)
                content = packet[(packet[0] & 15) * 4 :] if version == 4 else packet
                if content[0] == reply:
                    break
            answers += bytes(content[6:8]) == number.to_bytes(2, "big")
    return answers


def echo_message(kind: int, number: int, content: bytes) -> bytes:
    """Return an ICMP echo message; the kernel sums it up for IPv6 itself."""
    identifier = os.getpid() & 0xFFFF
    blank = struct.pack("!BBHHH", kind, 0, 0, identifier, number) + content
    return blank[:2] + struct.pack("!H", internet_checksum(blank)) + blank[4:]


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071.

    >>> internet_checksum(bytes([0x45, 0, 0, 0x1C]))
    47843
    """
    padded = data + b"\0" * (len(data) % 2)
    total = sum(map(int, struct.unpack(f"!{len(padded) // 2}H", padded)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Flood:
    """Small datagrams from *client* in bursts, from now on: ten thousand a second.

    A gap of a millisecond in the counting would miss some; more would only keep the
    capture busy.
    """

    def __init__(self, client: Host, address: str, size: int = 100) -> None:
        self._sender = client.socket(family_of(address))
        self._target = (address, 9)
        self._size = size
        self._stopping = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        content = bytes(self._size)
        while not self._stopping.wait(BURST_PAUSE_S):
            for _ in range(BURST):
                # Before the link is open there is no way out.
                with contextlib.suppress(OSError):
                    self._sender.sendto(content, self._target)
                    self.sent += 1

    def stop(self) -> None:
        """End it and wait for its last packet."""
        self._stopping.set()
        self._thread.join()
        self._sender.close()


@contextlib.contextmanager
def flood(client: Host, address: str, size: int = 100) -> Iterator[Flood]:
    """Yield a flood that runs until the block ends."""
    running = Flood(client, address, size)
    try:
        yield running
    finally:
        running.stop()
