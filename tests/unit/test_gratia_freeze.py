"""What is frozen: the ledger's rows less the register's names, each once for ever."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from poolmeter.errors import ExitCode, LedgerError, LedgerMismatchError
from poolmeter.ledger.layout import day_files
from probe.gratia.corrections import corrections
from probe.gratia.outbox import due_bundles, outbox_at
from probe.gratia.run import run_gratia
from probe.gratia.status import status_of
from probe.run import run_probe
from tests.ads import END_S, NOW, SCHEDD, banner, job, jobs, removed
from tests.gratia_server.server import GratiaServer, running
from tests.unit.gratia_site import GratiaSite, make_site

DAY = dt.timedelta(days=1)


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, server: GratiaServer) -> GratiaSite:
    return make_site(tmp_path, server)


def rewrite(site: GratiaSite, **columns: object) -> None:
    """Rewrite every day file with each column set, as remap and reconcile do."""
    for path in day_files(site.ledger, "jobs"):
        table = pq.read_table(path)
        for name, value in columns.items():
            place = table.schema.get_field_index(name)
            field = table.schema.field(place)
            values = pa.array([value] * table.num_rows, field.type)
            table = table.set_column(place, field, values)
        pq.write_table(table, path)


def test_each_row_is_sent_once(site: GratiaSite) -> None:
    site.read_jobs(30)
    first = site.send()
    site.read_jobs(50)
    second = site.send()
    third = site.send()

    assert (first.frozen.records, second.frozen.records) == (30, 20)
    assert third.frozen.records == 0
    assert site.delivered_jobs() == list(range(1, 51))
    assert [r.exit_code for r in (first, second, third)] == [ExitCode.DONE] * 3
    assert status_of(site.config, now=NOW).due_bundles == 0


def test_a_job_that_ended_before_the_cut_over_is_not_reported(site: GratiaSite) -> None:
    cutover = dt.datetime.fromtimestamp(END_S + 600 * 11, dt.UTC)
    site.read_jobs(20)
    site.send(cutover=cutover)

    assert site.delivered_jobs() == list(range(11, 21))


def test_a_cut_over_that_is_moved_back_reports_what_is_in_the_ledger(
    site: GratiaSite,
) -> None:
    site.read_jobs(20)
    late = dt.datetime.fromtimestamp(END_S + 600 * 11, dt.UTC)
    site.send(cutover=late)
    site.send(cutover=late - DAY)

    assert site.delivered_jobs() == list(range(1, 21))


def test_a_job_is_reported_only_after_the_delay(site: GratiaSite) -> None:
    site.read_jobs(20)
    site.configure(delay_hours=24)
    end_of = {n: dt.datetime.fromtimestamp(END_S + 600 * n, dt.UTC) for n in (10, 20)}

    site.send(now=end_of[10] + DAY)
    assert site.delivered_jobs() == list(range(1, 11))

    site.send(now=end_of[20] + DAY)
    assert site.delivered_jobs() == list(range(1, 21))


def test_a_job_that_never_started_is_no_usage(site: GratiaSite) -> None:
    never = removed(
        RemoteWallClockTime=0, LastRemoteWallClockTime=None, JobStartDate=None,
        JobCurrentStartDate=None, NumJobStarts=0, NumShadowStarts=None,
    )  # fmt: skip
    site.read(never + banner() + job(9))
    site.send()

    assert site.delivered_jobs() == [9]


@pytest.mark.parametrize("version", ["0.0.1-before", "99.0-after"])
def test_an_upgrade_and_a_remap_report_nothing_again(
    site: GratiaSite, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Also while the records are still due: they go out as they were frozen."""
    site.read_jobs(20)
    site.server.collector.is_bound = False
    site.send()
    rewrite(site, revision=1, vo="another", wall_s=7)
    monkeypatch.setattr("probe.gratia.scanned.__version__", version)
    site.server.collector.is_bound = True
    site.send(site_name="RENAMED", probe_name="renamed")
    site.send()

    assert site.delivered_jobs() == list(range(1, 21))
    assert {(r["VOName"], r["SiteName"]) for r in site.delivered()} == {
        ("cms", "EXAMPLE")
    }


def test_a_correction_after_the_record_is_listed_and_not_sent(
    site: GratiaSite,
) -> None:
    site.read_jobs(3)
    site.send()
    rewrite(site, revision=2)

    found = list(corrections(site.ledger, site.outbox))

    assert [(c.job_id, c.frozen_revision, c.revision) for c in found] == [
        ("1.0", 0, 2), ("2.0", 0, 2), ("3.0", 0, 2)
    ]  # fmt: skip
    assert site.send().frozen.records == 0
    assert len(status_of(site.config, now=NOW).corrections) == 3


def test_a_correction_before_the_delay_is_over_is_what_is_sent(
    site: GratiaSite,
) -> None:
    site.read_jobs(3)
    ended_at = dt.datetime.fromtimestamp(END_S + 1800, dt.UTC)
    site.configure(delay_hours=1)
    site.send(now=ended_at)
    rewrite(site, revision=1, network_outgoing_external_bytes=42)
    site.send(now=ended_at + DAY)

    assert {r["Resource_NetworkOutgoingExternal"] for r in site.delivered()} == {"42"}
    assert list(corrections(site.ledger, site.outbox)) == []


def test_a_row_that_a_correction_moves_to_another_day_is_not_reported_again(
    site: GratiaSite,
) -> None:
    site.read_jobs(3)
    site.send()
    (path,) = day_files(site.ledger, "jobs")
    moved = path.parents[1] / "date=2025-11-20" / path.name
    moved.parent.mkdir()
    table = pq.read_table(path)
    place = table.schema.get_field_index("revision")
    ones = pa.array([1] * table.num_rows, pa.int32())
    table = table.set_column(place, table.schema.field(place), ones)
    pq.write_table(table, moved)
    path.unlink()
    site.send()

    assert site.delivered_jobs() == [1, 2, 3]


def test_a_ledger_that_is_made_anew_is_not_reported_again(site: GratiaSite) -> None:
    site.read_jobs(20)
    site.send()
    site.ledger.rename(site.folder / "lost")
    site.read_jobs(25)
    site.send()

    assert site.delivered_jobs() == list(range(1, 26))


def test_another_ledger_is_refused(site: GratiaSite, tmp_path: Path) -> None:
    site.read_jobs(3)
    site.send()
    copy = tmp_path / "copy"
    site.ledger.rename(copy)

    with pytest.raises(LedgerMismatchError, match=r"delete .*ledger\.json"):
        run_gratia(copy, site.config, now=NOW)


def test_what_does_not_fit_in_the_outbox_waits_in_the_ledger(site: GratiaSite) -> None:
    site.read_jobs(900)
    site.server.collector.is_bound = False
    full = site.send(size_limit_mb=1, bundle_records=100)

    assert full.frozen.is_full
    assert full.exit_code == ExitCode.SET_ASIDE
    assert 0 < full.frozen.records < 900
    assert site.outbox.size_bytes <= 10**6

    site.server.collector.is_bound = True
    while site.send().frozen.is_full:
        pass
    assert site.delivered_jobs() == list(range(1, 901))


def test_names_are_kept_45_days_and_what_comes_later_is_said(site: GratiaSite) -> None:
    site.read_jobs(20)
    site.send()
    age(site, days=44)
    site.send()
    assert list(site.box.names.iterdir())

    age(site, days=46)
    site.send()
    assert not list(site.box.names.iterdir())

    site.read_jobs(25)
    late = site.send()
    again = site.send()

    assert dict(late.frozen.late) == {dt.date(2025, 11, 10): 5}
    assert (late.exit_code, again.exit_code) == (ExitCode.SET_ASIDE, ExitCode.DONE)
    assert status_of(site.config, now=NOW).late_rows == 5
    assert site.delivered_jobs() == list(range(1, 21))


def age(site: GratiaSite, *, days: int) -> None:
    """Let the last change of every day file be *days* ago."""
    then_s = (NOW - days * DAY).timestamp()
    for path in day_files(site.ledger, "jobs"):
        os.utime(path, (then_s, then_s))


def test_a_lost_list_of_days_stops_the_run(site: GratiaSite) -> None:
    """Without it closed days, whose names are forgotten, would look unreported."""
    site.read_jobs(3)
    site.send()
    (site.box.folder / "scanned.json").unlink()

    with pytest.raises(LedgerError, match="put it back from a backup"):
        site.send()


def test_a_damaged_register_stops_the_run(site: GratiaSite) -> None:
    site.read_jobs(3)
    site.send()
    for path in site.box.names.rglob("*.json"):
        path.write_text("{")
    site.read_jobs(4)

    with pytest.raises(LedgerError, match="put it back from a backup"):
        site.send()


def test_a_record_that_must_not_be_sent_is_set_aside_alone(site: GratiaSite) -> None:
    """A start in 1970 is no start for GRACC, and the wall time reaches before it."""
    site.read(jobs(1, 5))
    (path,) = day_files(site.ledger, "jobs")
    table = pq.read_table(path)
    is_third = pc.equal(table["cluster_id"], pa.scalar(3))
    for name in ("wall_s", "started_at", "last_started_at"):
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place).type
        values = pc.if_else(is_third, pa.scalar(None, kind), table[name])
        table = table.set_column(place, table.schema.field(place), values)
    pq.write_table(table, path)
    report = site.send()

    assert site.delivered_jobs() == [1, 2, 4, 5]
    assert dict(report.frozen.set_aside) == {"no StartTime; no WallDuration": 1}
    assert report.exit_code == ExitCode.SET_ASIDE
    (bundle,) = status_of(site.config, now=NOW).quarantined
    assert bundle.reason == "no StartTime; no WallDuration"
    assert site.send().exit_code == ExitCode.DONE


def test_a_bundle_keeps_below_the_limit_of_a_request(site: GratiaSite) -> None:
    site.read(jobs(1, 300).replace('"cms"', f'"{"&" * 1500}"'))
    site.send(bundle_records=10_000)

    assert len(site.server.requests) > 1
    assert max(len(request.body) for request in site.server.requests) < 1_800_000
    assert site.delivered_jobs() == list(range(1, 301))


def test_shadow_builds_and_sends_nothing(site: GratiaSite) -> None:
    site.read_jobs(20)
    report = site.send(mode="shadow")

    assert (report.frozen.records, report.sent) == (20, None)
    assert site.server.requests == []
    boxes = outbox_at(site.folder / "outbox", "shadow").boxes()
    assert [len(due_bundles(box)) for box in boxes] == [1]


def test_after_shadow_what_ended_since_the_cut_over_is_sent(site: GratiaSite) -> None:
    site.read_jobs(20)
    site.send(mode="shadow")
    cutover = dt.datetime.fromtimestamp(END_S + 600 * 11, dt.UTC)
    site.send(mode="live", cutover=cutover)

    assert site.delivered_jobs() == list(range(11, 21))


def test_two_schedds_have_their_own_folders(site: GratiaSite) -> None:
    site.read_jobs(3)
    other = site.folder / "other-history"
    other.write_text(jobs(5, 6))
    run_probe(site.ledger, "ce@ap.example.org", [other], site.config, now=NOW)
    site.send()

    assert sorted(site.delivered_ids()) == sorted(
        [f"{SCHEDD}:{n}.0#{END_S + 600 * n - 7200}" for n in (1, 2, 3)]
        + [f"ce@ap.example.org:{n}.0#{END_S + 600 * n - 7200}" for n in (5, 6)]
    )
