"""A record that looks right is right; whatever a job says, its record can be sent."""

import dataclasses
import datetime as dt
import urllib.parse

from hypothesis import example, given
from hypothesis import strategies as st

from probe.gratia.bundle import (
    BODY_LIMIT_BYTES,
    FRAME_BYTES,
    encoded,
    encoded_bytes,
    envelope,
    form_body,
    records_in,
)
from probe.gratia.record_grammar import times_of_right
from probe.gratia.reporting import Reporting
from probe.gratia.usage_record import usage_record
from probe.gratia.usage_record_xml import record_xml
from probe.gratia.validation import _faults_by_parsing, faults_of
from tests.ads import record_of, restarted
from tests.gratia_server.replies import Collector, Request

REPORTING = Reporting(
    site_name="EXAMPLE",
    cutover=dt.datetime(2025, 11, 1, tzinfo=dt.UTC),
    extra_attributes=("Extra",),
)
RECORD = record_of(
    restarted(NetworkOutgoingExternal=7, glexec_user='"bob"', ExitSignal=9)
)
GOOD = record_xml(usage_record(RECORD, REPORTING))
#: What stands in records, and what must not, to make edits of.
PIECES = (
    *(b"<", b">", b"&", b'"', b"&amp;", b"&lt;", b"&#7;", b"\x00", b"\x85", b"\xff"),
    *(b"\xef\xbf\xbf", b"PT1M", b"-1", b"", b"9999", b"13", b"1970-01-01", b"]]>"),
    *(b"</Grid>", b"<Grid>", b"<Njobs>1</Njobs>", b"<!--", b"\n", "é".encode()),
)


@st.composite
def edits(draw: st.DrawFn) -> bytes:
    """Return the good record with a few pieces of it replaced."""
    record = GOOD
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(record)))
        end = start + draw(st.integers(0, 12))
        record = record[:start] + draw(st.sampled_from(PIECES)) + record[end:]
    return record


@given(edits())
@example(GOOD)
def test_what_looks_right_has_no_fault(record: bytes) -> None:
    if times_of_right(record) is not None:
        assert set(_faults_by_parsing(record)) <= {
            "StartTime is after EndTime",
            "StartTime is before 1970-01-02, which GRACC does not account for",
        }


@given(st.lists(edits(), min_size=1, max_size=3))
def test_what_has_no_fault_is_taken_by_the_server(records: list[bytes]) -> None:
    good = [record for record in records if not faults_of(record)]
    body = form_body(envelope(good))
    kind = "application/x-www-form-urlencoded"
    request = Request("POST", "/gratia-servlets/rmi", "", kind, body)

    assert Collector().answer(request).status == 200
    assert records_in(envelope(good)) == good


@given(st.text(max_size=60), st.text(max_size=60))
@example("\ud800\uffff\u202e\x00\n<&>\"'", "\x85\u2028")
def test_whatever_users_write_their_record_can_be_sent(name: str, other: str) -> None:
    job = dataclasses.replace(
        RECORD,
        project=name,
        owner=other,
        global_job_id=name,
        execute_site=other,
        x509_subject=name,
        accounting_group=other,
        payload_user=name,
        last_remote_host=f"slot1@{other}",
        vo=other,
        extra={"Extra": name},
    )
    record = record_xml(usage_record(job, REPORTING))

    assert faults_of(record) == []
    assert times_of_right(record) is not None


@given(st.binary(max_size=300))
@example(bytes(range(256)))
def test_a_form_is_encoded_as_urllib_does(raw: bytes) -> None:
    assert encoded(raw) == urllib.parse.quote_plus(raw).encode()
    assert encoded_bytes(raw) == len(encoded(raw + b"\n"))


def test_the_frame_of_a_request_is_within_what_is_reckoned() -> None:
    assert len(form_body(envelope([]))) < FRAME_BYTES < BODY_LIMIT_BYTES / 50
