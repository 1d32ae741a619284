"""The collector behind a real HTTP(S) server on loopback, with faults on demand."""

import contextlib
import dataclasses
import http.server
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator

from tests.gratia_server.faults import Fault, FaultPlan
from tests.gratia_server.replies import (
    NOT_FOUND,
    NOT_NOW,
    OK,
    RMI_PATH,
    Collector,
    Reply,
    Request,
)

#: How much of a body is read before a connection breaks in the middle of it.
_PART_BYTES = 512


@dataclasses.dataclass(slots=True)
class GratiaServer:
    """A running collector: where it listens, what it was sent, what goes wrong."""

    tls: ssl.SSLContext | None = None
    collector: Collector = dataclasses.field(default_factory=Collector)
    faults: FaultPlan = dataclasses.field(default_factory=FaultPlan)
    #: Every request that was read whole, in order.
    requests: list[Request] = dataclasses.field(default_factory=list)
    port: int = 0
    connections: int = 0
    _http: "_HttpServer | None" = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where records are posted to."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}{RMI_PATH}"

    def start(self) -> None:
        """Listen; after a stop at the same port as before."""
        self._http = _HttpServer(self)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections; connecting is refused from now on."""
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.hang_up()
            self._http.server_close()
            self._http = self._thread = None


@contextlib.contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[GratiaServer]:
    """Yield a running server; none of its threads or sockets outlives the block."""
    server = GratiaServer(tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _HttpServer(http.server.ThreadingHTTPServer):
    """Knows its open connections, so that it can hang up on them."""

    daemon_threads = False
    # The same port again after a stop, while old connections linger.
    allow_reuse_address = True

    def __init__(self, gratia: GratiaServer) -> None:
        self.gratia = gratia
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", gratia.port), _Handler)

    def hang_up(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve one connection; its handshake does not hold up the others."""
        assert isinstance(request, socket.socket)
        self.gratia.connections += 1
        connection = request
        try:
            if self.gratia.tls is not None:
                connection = self.gratia.tls.wrap_socket(request, server_side=True)
            self.open.add(connection)
            super().process_request_thread(connection, client_address)
        except OSError:
            # A client without the certificate that is asked for, or one that left.
            connection.close()
        finally:
            self.open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep silent: a client that hangs up is what these tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Reads a request, has the collector answer it, and applies the fault."""

    protocol_version = "HTTP/1.1"
    # A reply in one segment: else Nagle and delayed ACK cost 40 ms a request.
    wbufsize = -1

    @property
    def _gratia(self) -> GratiaServer:
        assert isinstance(self.server, _HttpServer)
        return self.server.gratia

    def do_GET(self) -> None:
        """Answer statistics, metrics and pings."""
        collector = self._gratia.collector
        counts = dataclasses.asdict(collector.counts)
        path, _, query = self.path.partition("?")
        match path:
            case "/stats":
                self._send(Reply(OK, json.dumps(counts)))
            case "/metrics":
                self._send(Reply(OK, _metrics(counts)))
            case str() if path == RMI_PATH:
                self._send(collector.answer(Request("GET", path, query)))
            case _:
                self._send(Reply(NOT_FOUND, "404 page not found\n"))

    def do_POST(self) -> None:
        """Answer a bundle, or do what the plan of faults says instead."""
        gratia = self._gratia
        fault = gratia.faults.take()
        length = int(self.headers.get("Content-Length", "0"))
        if fault is Fault.BREAKS_WHILE_READING:
            self.rfile.read(min(length // 2, _PART_BYTES))
            self._reset()
            return
        request = self._request(self.rfile.read(length))
        if len(request.body) < length:
            self.close_connection = True
            return
        gratia.requests.append(request)
        time.sleep(gratia.faults.wait_s)
        self._answer(request, fault)

    def _request(self, body: bytes) -> Request:
        path, _, query = self.path.partition("?")
        content_type = self.headers.get("Content-Type", "")
        return Request("POST", path, query, content_type, body)

    def _answer(self, request: Request, fault: Fault) -> None:
        collector = self._gratia.collector
        if request.path != RMI_PATH:
            self._send(Reply(NOT_FOUND, "404 page not found\n"))
            return
        match fault:
            case Fault.UNAVAILABLE:
                self._send(NOT_NOW)
            case Fault.PROXY_PAGE:
                self._send(Reply(OK, "<html><body>Sign in, please</body></html>"))
            case Fault.STORES_HALF:
                self._send(collector.answer(request, stored_share=0.5))
            case Fault.BREAKS_AFTER_STORING:
                collector.answer(request)
                self._reset()
            case Fault.STORES_AFTER_TIMEOUT:
                self._wait_for_hang_up()
                collector.answer(request)
            case _:
                self._send(collector.answer(request))

    def _wait_for_hang_up(self) -> None:
        """Return when the client has closed its side; it gets no reply."""
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def _reset(self) -> None:
        """Break the connection at once (RST), as a proxy that dies does."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def _send(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def _metrics(counts: dict[str, int]) -> str:
    names = {
        "Records": "records",
        "RecordErrors": "record_errors",
        "Requests": "requests",
        "RequestErrors": "request_errors",
    }
    return "".join(f"gracc_{names[n]}_total {count}\n" for n, count in counts.items())
