"""Runs of ``gratia send`` that are killed, and what has to be true after the last one.

An upgrade between two tries is a program that writes every record differently: what was
frozen by the one before must still go out as it was.
"""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from poolmeter.config import Config
from probe.gratia.outbox import due_bundles, quarantined_bundles
from probe.gratia.run import run_gratia
from probe.gratia.usage_record import UsageRecord
from probe.gratia.usage_record_xml import record_xml
from tests.ads import NOW
from tests.gratia_server.refusing import RefusingCollector
from tests.gratia_server.server import GratiaServer
from tests.unit.gratia_site import GratiaSite, make_site

#: What changes files, as Python's audit hooks tell of it, before it is done.
_CHANGES = frozenset(["open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"])

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["probe.gratia.run", "tests.ads"])

FIRST_JOBS = 20
ALL_JOBS = 24
REFUSED = 13
#: More changes than any run makes.
NEVER = 10**9


def begun_site(folder: Path, server: GratiaServer) -> GratiaSite:
    """Return a site with jobs to report, one of them a record that is refused."""
    folder.mkdir()
    server.collector = RefusingCollector({REFUSED})
    site = make_site(folder, server, bundle_records=8)
    site.read_jobs(FIRST_JOBS)
    return site


def go_on(site: GratiaSite) -> None:
    """Let further jobs end on the same day, as they do between two tries."""
    site.read_jobs(ALL_JOBS)


def run_until_change(site: GratiaSite, number: int, *, version: int) -> bool:
    """Run *version* of the program; kill it before its *number*th change of a file.

    Returns whether it was killed; it ended before otherwise.
    """
    arguments = (site.ledger, site.config, site.outbox.folder, number, version)
    process = _processes.Process(target=_run_until, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _run_until(
    ledger: Path, config: Config, outbox: Path, number: int, version: int
) -> None:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES and str(arguments[0]).startswith(str(outbox)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    _upgrade(version)
    sys.addaudithook(count)
    run_gratia(ledger, config, now=NOW, at_once=True)


def _upgrade(version: int) -> None:
    """Make this process the *version*th program, which writes other records."""

    def other_xml(record: UsageRecord) -> bytes:
        mark = f'<Resource urwg:description="Version">{version}</Resource></JobUsage'
        return record_xml(record).replace(b"</JobUsage", mark.encode())

    patch = pytest.MonkeyPatch()  # for the rest of this process's life
    patch.setattr("probe.gratia.freeze.record_xml", other_xml)
    patch.setattr("probe.gratia.scanned.__version__", f"9.{version}")


def assert_all_is_well(site: GratiaSite) -> None:
    """Assert that each job is at the server or set aside, under one text only."""
    delivered = set(site.delivered_jobs())
    assert delivered == set(range(1, ALL_JOBS + 1)) - {REFUSED}
    site.assert_repeats_are_identical()
    (bundle,) = quarantined_bundles(site.box)
    assert bundle.read_bytes().count(b"<JobUsageRecord") == 1
    assert f"<LocalJobId>{REFUSED}.0<".encode() in bundle.read_bytes()
    assert due_bundles(site.box) == []
    assert list(site.box.making.iterdir()) == []
    assert [p for p in site.outbox.folder.rglob("*.tmp") if p.is_file()] == []
