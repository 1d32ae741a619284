"""The servers of one net: HTTP, UDP echo and discard, DNS. They count what they see.

    servers.py NAME V4 V6 ZONE=V4,V6...

Whoever connects to the socket ``/pool/.net/NAME`` is told the counts as JSON. Octets
are payload: bodies of HTTP, data of UDP; the headers below are the wire's business.
"""

import json
import socket
import socketserver
import struct
import sys
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

HTTP_PORT, ECHO_PORT, DISCARD_PORT, DNS_PORT = 80, 7, 9, 53
BLOCK = bytes(64 * 1024)
A, PTR, AAAA = 1, 12, 28


class Counts:
    """What one net's servers have seen, by name; safe to add to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counter: Counter[str] = Counter()

    def add(self, **counts: int) -> None:
        """Add each of *counts* to the number of its name."""
        with self._lock:
            self._counter.update(counts)

    def as_json(self) -> bytes:
        """Return all numbers as one JSON object."""
        with self._lock:
            return json.dumps(self._counter).encode()


COUNTS = Counts()


class HttpHandler(BaseHTTPRequestHandler):
    """``GET /bytes/N`` sends N zero bytes, else 404; PUT and POST swallow any body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send as many bytes as the path says, counting as they go out."""
        COUNTS.add(http_requests=1)
        kind, _, number = self.path.lstrip("/").partition("/")
        if kind != "bytes" or not number.isdigit():
            self._head(HTTPStatus.NOT_FOUND, 0)
            return
        left = int(number)
        self._head(HTTPStatus.OK, left)
        while left:
            sent = self.wfile.write(BLOCK[: min(left, len(BLOCK))])
            COUNTS.add(http_octets_sent=sent)
            left -= sent

    def do_PUT(self) -> None:
        """Read the body to its end, counting as it comes in."""
        COUNTS.add(http_requests=1)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self._swallow(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self._swallow(int(self.headers.get("Content-Length", "0")))
        self._head(HTTPStatus.CREATED, 0)

    do_POST = do_PUT  # noqa: N815  the name is http.server's

    def _swallow(self, left: int) -> None:
        while left and (data := self.rfile.read(min(left, len(BLOCK)))):
            COUNTS.add(http_octets_received=len(data))
            left -= len(data)

    def _head(self, status: HTTPStatus, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: a request is a number here."""


class EchoHandler(socketserver.BaseRequestHandler):
    """Counts a datagram and sends it back."""

    def handle(self) -> None:
        """Count both ways."""
        data, sock = self.request
        sent = sock.sendto(data, self.client_address)
        COUNTS.add(udp_datagrams=1, udp_octets_received=len(data), udp_octets_sent=sent)


class DiscardHandler(socketserver.BaseRequestHandler):
    """Counts a datagram."""

    def handle(self) -> None:
        """Count one way."""
        COUNTS.add(udp_datagrams=1, udp_octets_received=len(self.request[0]))


class DnsHandler(socketserver.BaseRequestHandler):
    """Answers A and AAAA for every name in a zone that it knows, else NXDOMAIN."""

    zones: ClassVar[dict[str, dict[int, bytes]]] = {}

    def handle(self) -> None:
        """Answer one question over UDP."""
        query, sock = self.request
        COUNTS.add(dns_queries=1)
        sock.sendto(dns_answer(query, self.zones), self.client_address)


def dns_answer(query: bytes, zones: dict[str, dict[int, bytes]]) -> bytes:
    """Return the reply to the one question in *query* (RFC 1035, section 4)."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    question = query[12 : at + 5]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    name = ".".join(labels).lower()
    known = next((zones[z] for z in zones if f".{name}".endswith(f".{z}")), None)
    data = (known or {}).get(kind, b"")
    # Response, recursion desired and available; 3 is NXDOMAIN.
    flags = 0x8180 if known else 0x8183
    head = query[:2] + struct.pack("!5H", flags, 1, 1 if data else 0, 0, 0)
    # 0xc00c points at the question's name.
    answer = struct.pack("!3HIH", 0xC00C, kind, 1, 60, len(data)) + data
    return head + question + (answer if data else b"")


class CountsHandler(socketserver.BaseRequestHandler):
    """Tells the counts to whoever connects."""

    def handle(self) -> None:
        """Write them and hang up."""
        self.request.sendall(COUNTS.as_json())


class Udp4(socketserver.ThreadingUDPServer):
    """UDP over IPv4; the largest datagram is taken whole."""

    max_packet_size = 65535
    daemon_threads = True


class Udp6(Udp4):
    """The same over IPv6."""

    address_family = socket.AF_INET6


class Http4(ThreadingHTTPServer):
    """HTTP over IPv4, with room for a whole farm's jobs at once."""

    request_queue_size = 512
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking DNS for our name, as http.server would: 10 s long."""
        socketserver.TCPServer.server_bind(self)


class Http6(Http4):
    """The same over IPv6."""

    address_family = socket.AF_INET6


class CountsServer(socketserver.ThreadingUnixStreamServer):
    """The counts' socket."""

    daemon_threads = True


def parse_zones(words: list[str]) -> dict[str, dict[int, bytes]]:
    r"""Return what to answer, from words like ``wan.example=203.0.113.1,2001:db8::1``.

    >>> parse_zones(["x.example=10.0.0.1,::1"])["x.example"][1]
    b'\n\x00\x00\x01'
    """
    zones = {}
    for word in words:
        zone, _, addresses = word.partition("=")
        v4, v6 = addresses.split(",")
        zones[zone] = {
            A: socket.inet_pton(socket.AF_INET, v4),
            AAAA: socket.inet_pton(socket.AF_INET6, v6),
        }
    return zones


def main() -> None:
    """Serve until killed."""
    name, v4, v6, *zones = sys.argv[1:]
    DnsHandler.zones = parse_zones(zones)
    servers: list[socketserver.BaseServer] = []
    for address, udp, http in ((v4, Udp4, Http4), (v6, Udp6, Http6)):
        servers.append(http((address, HTTP_PORT), HttpHandler))
        servers.append(udp((address, ECHO_PORT), EchoHandler))
        servers.append(udp((address, DISCARD_PORT), DiscardHandler))
        servers.append(udp((address, DNS_PORT), DnsHandler))
    # The last to come up, so that who can read the counts can use the others.
    servers.append(CountsServer(f"/pool/.net/{name}", CountsHandler))
    threads = [threading.Thread(target=each.serve_forever) for each in servers]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
