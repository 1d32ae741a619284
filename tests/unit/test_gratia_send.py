"""What is due reaches the server whatever it answers: once, as the same bytes."""

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolmeter.errors import ExitCode, LedgerBusyError
from poolmeter.locks import locked
from probe.gratia.bundle import envelope, records_in
from probe.gratia.outbox import due_bundles, quarantined_bundles
from probe.gratia.run import GratiaReport
from probe.gratia.server_state import read_state
from probe.gratia.status import status_of
from tests.ads import NOW
from tests.gratia_server.faults import Fault
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.replies import Collector
from tests.gratia_server.server import GratiaServer, running
from tests.unit.gratia_site import GratiaSite, make_site

HOUR = dt.timedelta(hours=1)
#: Of 100 jobs that ended on two days, ten a bundle.
BUNDLES = 11


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, server: GratiaServer) -> GratiaSite:
    made = make_site(tmp_path, server, bundle_records=10)
    made.read_jobs(100)
    return made


def send_until_done(site: GratiaSite) -> list[GratiaReport]:
    """Run until nothing is due."""
    reports = [site.send()]
    while due_bundles(site.box):
        assert len(reports) < 50
        reports.append(site.send())
    return reports


def test_one_connection_serves_a_run(site: GratiaSite, server: GratiaServer) -> None:
    site.send()

    assert len(server.requests) == BUNDLES
    assert server.connections == 1


@pytest.mark.parametrize(
    ("fault", "is_stored"),
    [
        (Fault.UNAVAILABLE, False),
        (Fault.BREAKS_WHILE_READING, False),
        (Fault.BREAKS_AFTER_STORING, True),
        (Fault.STORES_HALF, True),
        (Fault.PROXY_PAGE, False),
        (Fault.STORES_AFTER_TIMEOUT, True),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_after_the_server_has_recovered_it_has_every_record(
    site: GratiaSite, server: GratiaServer, fault: Fault, *, is_stored: bool
) -> None:
    """What a fault may have stored comes twice, byte for byte the same."""
    server.faults.always = fault
    timeout_s = 1 if fault is Fault.STORES_AFTER_TIMEOUT else 30
    failed = site.send(timeout_s=timeout_s)
    server.faults.always = Fault.NONE
    recovered = site.send()

    assert failed.exit_code == ExitCode.FAILED
    assert failed.sent is not None
    assert failed.sent.failure
    assert recovered.exit_code == ExitCode.DONE
    assert set(site.delivered_jobs()) == set(range(1, 101))
    repeated = [n for n, count in Counter(site.delivered_jobs()).items() if count > 1]
    assert bool(repeated) == is_stored
    site.assert_repeats_are_identical()


def test_a_server_that_fails_every_second_time_gets_everything(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.faults.next = [Fault.NONE, Fault.UNAVAILABLE] * 10
    reports = send_until_done(site)

    assert len(reports) <= 5
    assert site.delivered_jobs() == list(range(1, 101))


def test_a_server_that_is_down_gets_everything_when_it_is_up(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.stop()
    failed = site.send()
    server.start()
    recovered = site.send()

    assert failed.sent is not None
    assert "no answer from 127.0.0.1" in str(failed.sent.failure)
    assert (failed.exit_code, recovered.exit_code) == (ExitCode.FAILED, ExitCode.DONE)
    assert site.delivered_jobs() == list(range(1, 101))


def test_a_slow_server_gets_everything_once(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.faults.wait_s = 0.1
    site.send()

    assert site.delivered_jobs() == list(range(1, 101))


def test_what_is_repeated_is_the_same_request(
    site: GratiaSite, server: GratiaServer
) -> None:
    """Not only the records: the whole body, whatever was configured since."""
    server.collector.is_bound = False
    site.send()
    first = server.requests[0].body
    site.send(probe_name="another", site_name="ANOTHER", bundle_records=3)

    assert server.requests[2].body == first


def test_after_failures_the_next_try_waits_longer_and_longer(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.collector.is_bound = False
    tries = []
    for minute in range(0, 300, 5):
        report = site.send(now=NOW + dt.timedelta(minutes=minute), at_once=False)
        if report.sent is not None:
            tries.append(minute)
        else:
            # Nothing to tell: the run that failed has told.
            assert report.exit_code == ExitCode.DONE

    assert tries == [0, 10, 30, 70, 130, 190, 250]

    server.collector.is_bound = True
    assert site.send(now=NOW + 9 * HOUR, at_once=False).exit_code == ExitCode.DONE
    assert read_state(site.outbox).failures == 0


def test_one_bad_record_does_not_hold_up_the_others(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.collector = RefusingCollector({17, 64})
    report = site.send()

    assert report.exit_code == ExitCode.SET_ASIDE
    assert report.sent is not None
    assert dict(report.sent.set_aside) == {
        "refused by the server: HTTP 400: error unmarshalling xml": 2
    }
    expected = [number for number in range(1, 101) if number not in (17, 64)]
    assert site.delivered_jobs() == expected
    assert len(quarantined_bundles(site.box)) == 2
    assert status_of(site.config, now=NOW).quarantined_records == 2
    assert site.send().exit_code == ExitCode.DONE


def test_a_record_is_sent_from_the_quarantine_by_moving_its_file_back(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.collector = RefusingCollector({17})
    site.send()
    server.collector = Collector()
    (bundle,) = quarantined_bundles(site.box)
    bundle.rename(site.box.due / bundle.name)
    site.send()

    assert site.delivered_jobs() == [17]


@pytest.mark.parametrize("status", [404, 400])
def test_a_server_that_refuses_everything_quarantines_nothing(
    site: GratiaSite, server: GratiaServer, status: int
) -> None:
    """Such as a proxy that speaks TLS at this port: no fault of any record."""
    if status == 400:
        server.collector = RefusingCollector(set(), refuses_all=True)
    url = server.url
    report = site.send(url=url if status == 400 else f"{url}/elsewhere")

    assert report.exit_code == ExitCode.FAILED
    assert report.sent is not None
    assert f"HTTP {status}" in str(report.sent.failure)
    assert quarantined_bundles(site.box) == []
    assert len(due_bundles(site.box)) == BUNDLES

    server.collector = Collector()
    site.send(url=url)
    assert site.delivered_jobs() == list(range(1, 101))


def test_a_split_that_was_cut_short_is_done_again(
    site: GratiaSite, server: GratiaServer
) -> None:
    """Killed between the halves and the end of their whole: nothing goes twice."""
    server.collector.is_bound = False
    site.send()
    whole = due_bundles(site.box)[3]
    half = whole.with_stem(f"{whole.stem}a")
    half.write_bytes(envelope(records_in(whole.read_bytes())[:5]))
    server.collector.is_bound = True
    site.send()

    assert site.delivered_jobs() == list(range(1, 101))


def test_two_runs_at_once_send_nothing_twice(
    site: GratiaSite, server: GratiaServer
) -> None:
    server.faults.wait_s = 0.2
    thread = threading.Thread(target=site.send)
    thread.start()
    while not server.requests:
        thread.join(0.01)
    with pytest.raises(LedgerBusyError, match="locked by another run"):
        site.send()
    thread.join()

    assert site.delivered_jobs() == list(range(1, 101))


def test_the_probe_and_sending_do_not_wait_for_each_other(site: GratiaSite) -> None:
    """A ledger that is being written is read as it was at one moment."""
    with locked(site.ledger / ".state" / "locks" / "any.lock", what="the ledger"):
        assert site.send().exit_code == ExitCode.DONE


def test_what_was_delivered_is_noted(site: GratiaSite) -> None:
    site.send()
    state = read_state(site.outbox)
    (notes,) = (site.outbox.folder / "delivered").iterdir()

    assert (state.delivered_records, state.delivered_bundles) == (100, BUNDLES)
    assert state.last_success_at == NOW
    assert notes.name == f"{NOW.date()}.jsonl"
    assert len(notes.read_text().splitlines()) == BUNDLES
    assert not list((site.outbox.folder / "delivered").glob("2025*"))
