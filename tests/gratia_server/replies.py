"""The table of replies: what the collector stores and answers for each request.

Pure but for the store: no socket, no clock.  The words of each reply are those that
the real collector was seen to send.
"""

import dataclasses
import threading

from tests.gratia_server.envelope import Element, XmlRefusedError, parse
from tests.gratia_server.flatten import Json, flatten, is_known
from tests.gratia_server.form import parse_form
from tests.gratia_server.replication import replicated_records

RMI_PATH = "/gratia-servlets/rmi"
OK = 200
BAD_REQUEST = 400
NOT_FOUND = 404
UNAVAILABLE = 503


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply."""

    status: int
    body: str


SUCCESS = Reply(OK, "OK")
NOT_NOW = Reply(UNAVAILABLE, "Service unavailable right now")


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """One record as it went downstream; the same record twice is two of these."""

    record_id: str
    raw: bytes
    json: Json


@dataclasses.dataclass(slots=True)
class Counts:
    """What ``GET /stats`` shows."""

    Records: int = 0
    RecordErrors: int = 0
    Requests: int = 0
    RequestErrors: int = 0


class RefusedError(Exception):
    """A request that is answered with 400."""


class Collector:
    """What was delivered, and how the next request is answered."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.counts = Counts()
        #: Whether a queue is bound; without one every bundle with a record is 503.
        self.is_bound = True
        self._lock = threading.Lock()

    def answer(self, request: Request, *, stored_share: float = 1) -> Reply:
        """Store what *request* brings and return the reply.

        A *stored_share* below 1 is a broker that fails on the way: so much of the
        bundle is stored, and the reply is 503.
        """
        with self._lock:
            self.counts.Requests += 1
            reply = self._reply(request, stored_share)
            self.counts.RequestErrors += reply.status != OK
            return reply

    def _reply(self, request: Request, stored_share: float) -> Reply:
        try:
            records = self._records(request)
        except RefusedError as error:
            return Reply(BAD_REQUEST, str(error))
        return self._store(records, stored_share)

    def _records(self, request: Request) -> list[Element]:
        """Return the items that *request* brings; a ping brings none."""
        form = parse_form(request.query, request.content_type, request.body)
        _require(form, "command")
        match form["command"]:
            case "multiupdate":
                _require(form, "arg1", "from")
                return _bundle(form["arg1"])
            case "update":
                _require(form, "arg1", "from")
                return [] if form["arg1"] == "xxx" else _replication(form)
            case _:
                raise _refused("unknown command")

    def _store(self, items: list[Element], stored_share: float) -> Reply:
        known = [item for item in items if is_known(item)]
        self.counts.Records += len(items)
        self.counts.RecordErrors += len(items) - len(known)
        # All are read before any is stored: one that cannot be refuses its bundle.
        try:
            deliveries = [delivery_of(item) for item in known]
        except ValueError:
            return Reply(BAD_REQUEST, str(_refused("error unmarshalling xml")))
        if known and not self.is_bound:
            return NOT_NOW
        stored = deliveries[: int(len(deliveries) * stored_share)]
        self.deliveries += stored
        return SUCCESS if len(stored) == len(known) else NOT_NOW


def delivery_of(item: Element) -> Delivery:
    """Return what goes downstream for the record *item*.

    Raises:
        ValueError: As :func:`~tests.gratia_server.flatten.flatten`.
    """
    json = flatten(item)
    identity = json.get("RecordId", json.get("UniqueID", ""))
    return Delivery(str(identity), item.raw, json)


def _bundle(text: str) -> list[Element]:
    try:
        root = parse(text.encode("utf-8", "surrogateescape"))
    except XmlRefusedError as error:
        raise _refused("error unmarshalling xml") from error
    if root.name != "RecordEnvelope":
        raise _refused("error unmarshalling xml")
    return root.children


def _replication(form: dict[str, str]) -> list[Element]:
    """Return the records of the old form, by which collectors copied each other."""
    _require(form, "bundlesize")
    try:
        expected = int(form["bundlesize"])
    except ValueError as error:
        raise _refused("error interpreting bundlesize") from error
    try:
        texts = replicated_records(form["arg1"])
        records = [parse(text.encode("utf-8", "surrogateescape")) for text in texts]
    except XmlRefusedError as error:
        text = "Error processing record: error processing replicated record"
        raise RefusedError(text) from error
    if len(records) != expected:
        raise _refused(
            f"number of records in bundle ({len(records)}) different than expected "
            f"({expected})"
        )
    return records


def _require(form: dict[str, str], *keys: str) -> None:
    for key in keys:
        if not form.get(key):
            raise _refused(f'missing key "{key}"')


def _refused(reason: str) -> RefusedError:
    return RefusedError(f"Error handling request: {reason}")
