"""The stand-in collector in a process of its own: ``python -m tests.gratia_server``.

Prints its URL, serves until its input ends, then prints what it got as JSON.
"""

import json
import sys

from tests.gratia_server.downstream import documents, texts_by_record
from tests.gratia_server.server import GratiaServer, running


def summary(server: GratiaServer) -> dict[str, int]:
    """Return what *server* got, as counts."""
    deliveries = server.collector.deliveries
    return {
        "requests": len(server.requests),
        "connections": server.connections,
        "delivered": len(deliveries),
        "records": len(texts_by_record(deliveries)),
        "documents": len(documents(deliveries)),
    }


def main() -> None:
    """Serve until the input ends."""
    with running() as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.stdout.write(f"{json.dumps(summary(server))}\n")


if __name__ == "__main__":
    main()
