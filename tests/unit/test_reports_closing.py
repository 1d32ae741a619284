"""A closed month stays as it was said; what comes later is a correction."""

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from poolmeter.cli import main
from poolmeter.errors import LedgerError, UsageError
from poolmeter.ledger.merge import merge_jobs
from reports.closed_month import closed_path, read_closed
from reports.closing import close_month
from reports.monthly import monthly_statement
from reports.months import parse_month
from reports.question import By, Pricing
from reports.statement_data import Statement
from reports.trend_data import Closing
from tests.unit.reports_ledger import BOOK_TOML, GB, book, job, table, utc, write_ledger

_OCTOBER = parse_month("2026-10")
_AFTER = dt.datetime(2026, 11, 3, 4, 5, 6, tzinfo=dt.UTC)
_PRICING = Pricing(book=book())


def _statement(ledger: Path, by: By = "vo", vo: str | None = None) -> Statement:
    return monthly_statement(ledger, _OCTOBER, _PRICING, by=by, vo=vo, months=1)


def _closing(ledger: Path, by: By = "vo", vo: str | None = None) -> Closing:
    closing = _statement(ledger, by, vo).closing
    assert closing is not None
    return closing


def _come_late(ledger: Path) -> None:
    """Add ten hours of alice's and the first of bob's."""
    late = [job(cluster_id=7, wall_s=36_000, last_run_wall_s=36_000,
                last_started_at=utc("2026-10-02 00:00"),
                network_outgoing_external_bytes=300 * GB),
            job(cluster_id=8, owner="bob", vo="atlas")]  # fmt: skip
    merge_jobs(ledger, "ap1", table(*late))


def test_what_comes_late_is_a_correction(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job(network_outgoing_external_bytes=200 * GB))
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    _come_late(ledger)

    now = _statement(ledger)

    assert now.closing is not None
    assert now.closing.totals.total_cost == Decimal("9.05")
    assert now.closing.corrections is not None
    assert [(x.key, x.jobs, str(x.total_cost)) for x in now.closing.corrections] == [
        ("atlas", 1, "0.05"), ("cms", 1, "27.48")
    ]  # fmt: skip
    more = sum((x.total_cost for x in now.closing.corrections), Decimal(0))
    assert now.totals.total_cost == now.closing.totals.total_cost + more


@pytest.mark.parametrize("by", ["vo", "owner", "project", "site", "payload-user"])
def test_closed_lines_and_corrections_are_the_lines_of_now(
    tmp_path: Path, by: By
) -> None:
    rows = [job(owner=name, project=name * 2, execute_site=name) for name in "abc"]
    ledger = write_ledger(tmp_path, *rows, job(vo="atlas", owner="a"))
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    _come_late(ledger)

    now = _statement(ledger, by, "cms")

    closed = read_closed(ledger, _OCTOBER)
    assert closed is not None
    assert now.closing is not None
    together = {line.key: line for line in closed.lines_of(by, "cms")}
    for line in now.closing.corrections or ():
        together[line.key] = together[line.key] + line if line.key in together else line
    assert together == {line.key: line for line in now.lines}


def test_nothing_late_is_no_correction(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)

    assert _closing(ledger).corrections == ()
    assert _closing(ledger, "owner", "cms").corrections == ()


def test_another_book_is_not_compared(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    other = Pricing(book=book(('per_hour = "0.096"', 'per_hour = "0.5"')))
    close_month(ledger, _OCTOBER, other, now=_AFTER)

    assert _closing(ledger).corrections is None


def test_the_inputs_and_the_book_are_kept(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    made = close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    assert made is not None

    kept = read_closed(ledger, _OCTOBER)

    assert kept is not None
    assert kept == made
    assert kept.price_book() == book()
    assert [item.path for item in kept.inputs] == ["jobs/date=2026-10-02/ap1.parquet"]
    assert kept.closed_at == dt.datetime(2026, 11, 3, 4, 5, 6, tzinfo=dt.UTC)
    assert closed_path(ledger, _OCTOBER).stat().st_mode & 0o777 == 0o640
    assert kept.statement["totals"]["jobs"] == 1


def test_a_month_is_closed_once(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    before = closed_path(ledger, _OCTOBER).read_bytes()
    _come_late(ledger)

    assert close_month(ledger, _OCTOBER, _PRICING, now=_AFTER) is None
    assert closed_path(ledger, _OCTOBER).read_bytes() == before


def test_a_month_that_is_not_over_is_not_closed(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    too_early = dt.datetime(2026, 10, 31, 23, 59, 59, tzinfo=dt.UTC)

    with pytest.raises(UsageError, match="close it from 2026-11-01 on"):
        close_month(ledger, _OCTOBER, _PRICING, now=too_early)
    assert read_closed(ledger, _OCTOBER) is None


@pytest.mark.parametrize(
    "other",
    [
        {"queued_at": utc("2026-09-30 00:00")},
        {"ended_at": utc("2026-09-02 11:00"), "last_started_at": utc("2026-09-02")},
        {"ended_at": utc("2026-12-02 11:00"), "last_started_at": utc("2026-10-03")},
    ],
)
def test_a_job_under_two_keys_stops_the_closing(
    tmp_path: Path, other: dict[str, object]
) -> None:
    """Wherever its other row lies: it would be charged twice."""
    twice = job(global_job_id="ap1#1.0#1790812800")
    ledger = write_ledger(tmp_path, twice, twice | other)

    with pytest.raises(LedgerError, match=r"more than one key for ap1#1\.0"):
        close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    assert read_closed(ledger, _OCTOBER) is None


def test_doubles_of_other_months_do_not_matter(tmp_path: Path) -> None:
    then = {"ended_at": utc("2026-09-02 11:00"), "last_started_at": utc("2026-09-02")}
    twice = job(global_job_id="x", **then)
    ledger = write_ledger(tmp_path, twice, twice, job(global_job_id=None), job())

    assert close_month(ledger, _OCTOBER, _PRICING, now=_AFTER) is not None


@pytest.mark.parametrize("damage", [b"{}", b"\xff", b'{"format": 2}'])
def test_a_damaged_file_is_an_error_and_not_an_open_month(
    tmp_path: Path, damage: bytes
) -> None:
    ledger = write_ledger(tmp_path, job())
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    closed_path(ledger, _OCTOBER).write_bytes(damage)

    with pytest.raises(LedgerError, match="a closed month"):
        read_closed(ledger, _OCTOBER)


def test_another_months_file_is_refused(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    closed_path(ledger, _OCTOBER).rename(closed_path(ledger, _OCTOBER.next()))

    with pytest.raises(LedgerError, match="2026-10"):
        read_closed(ledger, _OCTOBER.next())


def test_the_trend_tells_closed_months_as_they_were_closed(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    close_month(ledger, _OCTOBER, _PRICING, now=_AFTER)
    _come_late(ledger)

    november = monthly_statement(ledger, "2026-11", _PRICING, months=3)

    assert november.trend is not None
    assert november.trend.months == ("2026-09", "2026-10", "2026-11")
    before = november.trend.previous()
    assert before is not None
    assert before.total_cost == Decimal("0.05")


def test_the_trend_knows_nothing_before_the_ledger_and_the_book(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job(), job(vo="atlas", ended_at=utc("2026-09-09"),
                                               last_started_at=None))  # fmt: skip

    made = monthly_statement(ledger, _OCTOBER, _PRICING, months=4)

    assert made.trend is not None
    assert [point is None for point in made.trend.totals] == [True, True, False, False]
    (september,) = [p for p in made.trend.lines["cms"][2:3] if p is not None]
    assert september.total_cost == Decimal("0.00")
    late_book = book(("2020-01-01", "2026-10-01"))
    other = dataclasses.replace(_PRICING, book=late_book)
    trend = monthly_statement(ledger, _OCTOBER, other, months=2).trend
    assert trend is not None
    assert trend.totals[0] is None


def _run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out + err


def test_the_command_closes_and_says_so_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = write_ledger(tmp_path / "ledger", job(ended_at=utc("2025-10-02 11:00"),
                                        last_started_at=None))  # fmt: skip
    prices = tmp_path / "b.toml"
    prices.write_text(BOOK_TOML)
    close = ("report", "close", "2025-10", "--ledger", ledger)

    first = _run(capsys, *close, "--prices", prices)
    second = _run(capsys, *close, "--prices", prices)
    shown = _run(capsys, "report", "statement", "--month=2025-10", "--ledger", ledger,
                 "--format=json", "--trend=1")  # fmt: skip

    assert first[0] == second[0] == shown[0] == 0
    assert "2025-10 closed at 0.05 USD" in first[1]
    assert "was closed on" in second[1]
    # Priced by the book that it was closed with, not by the site's.
    data = json.loads(shown[1])
    assert data["book"]["id"] == "three-types"
    assert data["closing"]["corrections"] == []


def test_the_command_refuses_a_month_that_is_not_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = write_ledger(tmp_path, job())

    code, said = _run(capsys, "report", "close", "9000-01", "--ledger", ledger)

    assert code == 2
    assert len(said.splitlines()) == 1
