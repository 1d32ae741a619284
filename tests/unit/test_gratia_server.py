"""The stand-in collector answers as GRACC's was seen to answer, faults included."""

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.gratia_server.certificates import Certificates, make_certificates
from tests.gratia_server.downstream import documents
from tests.gratia_server.faults import Fault
from tests.gratia_server.form import FORM_LIMIT_BYTES, URLENCODED
from tests.gratia_server.replies import RMI_PATH
from tests.gratia_server.server import GratiaServer, running

TIME = "2026-11-22T08:54:33Z"


def record(
    number: int = 1, *, end: str = TIME, wall: str = "PT1H", more: str = ""
) -> str:
    return (
        f'<JobUsageRecord><RecordIdentity recordId="r{number}" createTime="{TIME}"/>'
        f"<JobIdentity><LocalJobId>{number}.0</LocalJobId></JobIdentity>"
        f"<WallDuration>{wall}</WallDuration><EndTime>{end}</EndTime>{more}"
        "</JobUsageRecord>"
    )


def envelope(*items: str) -> str:
    return f"<RecordEnvelope>{''.join(items)}</RecordEnvelope>"


def form(**fields: str) -> bytes:
    return urllib.parse.urlencode(fields).encode()


def multiupdate(*items: str) -> bytes:
    return form(command="multiupdate", arg1=envelope(*items), **{"from": "probe:ap"})


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


def ask(
    server: GratiaServer,
    body: bytes,
    *,
    content_type: str = URLENCODED,
    path: str = RMI_PATH,
    method: str = "POST",
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": content_type})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def refused(reason: str) -> tuple[int, str]:
    return 400, f"Error handling request: {reason}"


UNREADABLE = refused("error unmarshalling xml")

#: The table of replies, as it was observed.
REPLIES = {
    "a record": (multiupdate(record()), (200, "OK")),
    "an empty envelope": (multiupdate(), (200, "OK")),
    "a handshake": (multiupdate("<ProbeDetails/>"), (200, "OK")),
    "a ping": (form(command="update", arg1="xxx", **{"from": "p"}), (200, "OK")),
    "update with an envelope": (
        form(command="update", arg1=envelope(), bundlesize="1", **{"from": "p"}),
        refused("number of records in bundle (0) different than expected (1)"),
    ),
    "URLEncodedUpdate": (
        form(command="URLEncodedUpdate", arg1=record(), **{"from": "p"}),
        refused("unknown command"),
    ),
    "no from": (form(command="multiupdate", arg1="x"), refused('missing key "from"')),
    "no command": (form(arg1="x"), refused('missing key "command"')),
    "no envelope": (
        form(command="multiupdate", arg1=record(), **{"from": "p"}),
        UNREADABLE,
    ),
    "an empty time": (multiupdate(record(), record(end="")), UNREADABLE),
    "a blank for T": (multiupdate(record(end="2026-11-22 08:00:00")), UNREADABLE),
    "no zone": (multiupdate(record(end="2026-11-22T08:00:00")), UNREADABLE),
    "epoch seconds": (multiupdate(record(end="1795337647")), UNREADABLE),
    "year over 9999": (multiupdate(record(end="12026-11-22T08:00:00Z")), UNREADABLE),
    "no day": (multiupdate(record(end="2026-02-30T08:00:00Z")), UNREADABLE),
    "a control character": (multiupdate(record(more="<Q>\x01</Q>")), UNREADABLE),
    "the same by number": (multiupdate(record(more="<Q>&#1;</Q>")), UNREADABLE),
    "+00:00": (multiupdate(record(end="2026-11-22T08:00:00+00:00")), (200, "OK")),
    "a fraction": (multiupdate(record(end="2026-11-22T08:00:00.5Z")), (200, "OK")),
    "an unknown element": (multiupdate(record(more="<Odd>1</Odd>")), (200, "OK")),
    "undeclared prefixes": (
        multiupdate(record(more='<u:A u:b="1">1</u:A>')),
        (200, "OK"),
    ),
}


@pytest.mark.parametrize("case", REPLIES)
def test_a_reply_is_that_of_the_table(server: GratiaServer, case: str) -> None:
    body, expected = REPLIES[case]

    assert ask(server, body) == expected


def test_one_bad_record_refuses_its_whole_bundle(server: GratiaServer) -> None:
    ask(server, multiupdate(record(1), record(2, end="soon"), record(3)))

    assert server.collector.deliveries == []


@pytest.mark.parametrize("wall", ["3723", "PT62.05M", ""])
def test_an_unreadable_duration_is_ok_and_stored_as_zero(
    server: GratiaServer, wall: str
) -> None:
    assert ask(server, multiupdate(record(wall=wall))) == (200, "OK")
    assert server.collector.deliveries[0].json["WallDuration"] == 0


@pytest.mark.parametrize(
    ("wall", "stored_s"),
    [
        ("PT3723S", 3723),
        ("PT3723.0S", 3723),
        ("P0DT1H2M3S", 3723),
        ("PT1H2M3.25S", 3723.25),
        ("P1DT2H", 93600),
    ],
)
def test_a_readable_duration_is_stored(
    server: GratiaServer, wall: str, stored_s: float
) -> None:
    ask(server, multiupdate(record(wall=wall)))

    assert server.collector.deliveries[0].json["WallDuration"] == stored_s


def test_a_form_of_ten_mebibytes_is_read_and_a_larger_one_has_no_command(
    server: GratiaServer,
) -> None:
    short = len(multiupdate(record(more="<Odd></Odd>")))
    filled = "x" * (FORM_LIMIT_BYTES - short)
    whole = multiupdate(record(more=f"<Odd>{filled}</Odd>"))

    assert len(whole) == FORM_LIMIT_BYTES
    assert ask(server, whole) == (200, "OK")
    assert ask(server, whole + b"x") == refused('missing key "command"')


def test_multipart_is_no_form(server: GratiaServer) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="command"\r\n\r\nx\r\n--b--\r\n'
    )
    content_type = "multipart/form-data; boundary=b"

    reply = ask(server, body, content_type=content_type)
    assert reply == refused('missing key "command"')


def test_a_ping_by_get_is_answered(server: GratiaServer) -> None:
    path = f"{RMI_PATH}?command=update&arg1=xxx&from=p"

    assert ask(server, b"", path=path, method="GET") == (200, "OK")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_not_found(server: GratiaServer, method: str) -> None:
    assert ask(server, b"", path="/elsewhere", method=method)[0] == 404


def test_a_repeated_record_is_stored_twice_and_is_one_document(
    server: GratiaServer,
) -> None:
    for _ in range(2):
        ask(server, multiupdate(record()))

    assert len(server.collector.deliveries) == 2
    assert len(documents(server.collector.deliveries)) == 1


def test_a_changed_field_is_a_second_document(server: GratiaServer) -> None:
    ask(server, multiupdate(record()))
    ask(server, multiupdate(record(more="<ProbeName>other</ProbeName>")))

    assert len(documents(server.collector.deliveries)) == 2


def test_without_a_bound_queue_a_bundle_is_503_and_a_ping_is_ok(
    server: GratiaServer,
) -> None:
    server.collector.is_bound = False

    assert ask(server, multiupdate(record())) == (503, "Service unavailable right now")
    assert ask(server, multiupdate()) == (200, "OK")
    assert server.collector.deliveries == []


def test_half_of_a_bundle_may_be_stored_before_a_503(server: GratiaServer) -> None:
    server.faults.next = [Fault.STORES_HALF]

    assert ask(server, multiupdate(*map(record, range(4))))[0] == 503
    assert [d.record_id for d in server.collector.deliveries] == ["r0", "r1"]


def test_a_bundle_may_be_stored_after_the_client_gave_up(server: GratiaServer) -> None:
    server.faults.next = [Fault.STORES_AFTER_TIMEOUT]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=0.2)
    connection.request(
        "POST", RMI_PATH, multiupdate(record()), {"Content-Type": URLENCODED}
    )
    with pytest.raises(TimeoutError):
        connection.getresponse()
    assert server.collector.deliveries == []
    connection.close()
    server.stop()

    assert len(server.collector.deliveries) == 1


@pytest.mark.parametrize(
    ("fault", "stored"),
    [(Fault.BREAKS_WHILE_READING, 0), (Fault.BREAKS_AFTER_STORING, 1)],
)
def test_a_connection_breaks_before_or_after_the_storing(
    server: GratiaServer, fault: Fault, stored: int
) -> None:
    server.faults.next = [fault]

    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        ask(server, multiupdate(record(more="x" * 2_000_000)))
    server.stop()
    assert len(server.collector.deliveries) == stored


def test_a_stopped_server_refuses_and_comes_back_at_its_port(
    server: GratiaServer,
) -> None:
    port = server.port
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(server, multiupdate(record()))
    server.start()

    assert server.port == port
    assert ask(server, multiupdate(record())) == (200, "OK")


def test_a_connection_serves_many_requests(server: GratiaServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for number in range(3):
        connection.request(
            "POST", RMI_PATH, multiupdate(record(number)), {"Content-Type": URLENCODED}
        )
        assert connection.getresponse().read() == b"OK"
    connection.close()

    assert server.connections == 1


def test_statistics_count_what_came(server: GratiaServer) -> None:
    ask(server, multiupdate(record(), "<ProbeDetails/>"))
    ask(server, b"")
    _, stats = ask(server, b"", path="/stats", method="GET")
    _, metrics = ask(server, b"", path="/metrics", method="GET")

    expected = {"Records": 2, "RecordErrors": 1, "Requests": 2, "RequestErrors": 1}
    assert json.loads(stats) == expected
    assert "gracc_records_total 2\n" in metrics


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("has_certificate", [True, False])
def test_tls_can_ask_for_a_clients_certificate(
    certificates: Certificates, *, has_certificate: bool
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    if has_certificate:
        context.load_cert_chain(certificates.client, certificates.client_key)
    with running(certificates.server_context(asks_client=True)) as server:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, timeout=20, context=context
        )
        headers = {"Content-Type": URLENCODED}
        try:
            connection.request("POST", RMI_PATH, multiupdate(record()), headers)
            is_ok = connection.getresponse().read() == b"OK"
        except (ssl.SSLError, OSError):
            is_ok = False
        finally:
            connection.close()

    assert is_ok == has_certificate


@pytest.mark.parametrize("has_resource", [True, False])
def test_other_resources_are_read_beside_a_resource_only(
    server: GratiaServer, *, has_resource: bool
) -> None:
    other = '<ConsumableResource description="seats">4</ConsumableResource>'
    one = '<Resource description="ExitCode">0</Resource>' if has_resource else ""
    ask(server, multiupdate(record(more=one + other)))

    assert ("Resource_seats" in server.collector.deliveries[0].json) == has_resource


def test_records_keep_their_bytes(server: GratiaServer) -> None:
    first, second = record(1), record(2, more="<A>\u00fc &amp; </A>")
    ask(server, multiupdate(first, second))

    raws = [d.raw.decode() for d in server.collector.deliveries]
    assert raws == [first, second]
