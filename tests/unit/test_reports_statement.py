"""Statements of small ledgers, by hand."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from poolmeter.errors import LedgerError, UsageError
from reports.charge_sums import sum_charges
from reports.engine import engine_over
from reports.lines import statement_lines
from reports.months import parse_month
from reports.price_book_file import find_book
from reports.price_periods import price_periods, tariffs
from reports.reach import files_of
from reports.statement import statement
from reports.statement_data import By, Statement
from tests.unit.reports_ledger import GB, GIB, book, job, utc, write_ledger


def _statement(
    ledger: Path, month: str = "2026-10", by: By = "vo", vo: str | None = None
) -> Statement:
    result = statement(ledger, month, by=by, vo=vo, book=book())
    assert result.reconciliation.difference == 0
    return result


def _costs(result: Statement) -> dict[str, str]:
    return {line.key: str(line.total_cost) for line in result.lines}


def test_an_hour_of_a_core_with_3_gib_costs_what_the_book_says(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, *[job() for _ in range(10)])

    result = _statement(ledger)

    assert _costs(result) == {"cms": "0.48"}
    assert (result.lines[0].jobs, result.lines[0].wall_s) == (10, 36_000)


def test_a_million_short_jobs_are_not_rounded_away(tmp_path: Path) -> None:
    """10^6 jobs of 90 s at 0.048 an hour."""
    terms, month = book().terms, parse_month("2026-10")
    periods = price_periods(terms, month)
    ledger = write_ledger(tmp_path, *[job(wall_s=90, last_run_wall_s=90)] * 1000)

    with engine_over("duckdb", files_of(ledger, month) * 1000) as engine:
        (line,) = statement_lines(
            sum_charges(engine, month, periods, 1),
            by="vo", vo=None, periods=periods, tariffs=tariffs(terms, month),
        )  # fmt: skip

    assert (line.jobs, line.compute_cost) == (1_000_000, Decimal("1200.00"))


def test_a_job_run_in_october_and_removed_in_december_is_charged_in_october(
    tmp_path: Path,
) -> None:
    held = job(
        last_started_at=utc("2026-10-05 10:00"),
        ended_at=utc("2026-12-24 12:00"),
        wall_s=360_000,
        last_run_wall_s=360_000,
        job_status="removed",
        network_outgoing_external_bytes=200 * GB,
    )
    ledger = write_ledger(tmp_path, held)

    october, november, december = (
        _statement(ledger, month) for month in ("2026-10", "2026-11", "2026-12")
    )

    assert _costs(october) == {"cms": "13.80"}  # 100 h of 0.048, 100 GB of 0.09
    assert (october.lines[0].jobs, october.lines[0].wall_s) == (0, 360_000)
    assert november.is_empty
    assert (december.lines[0].jobs, december.lines[0].wall_s) == (1, 0)
    assert _costs(december) == {"cms": "0.00"}


def test_a_job_over_midnight_at_a_months_end_is_divided(tmp_path: Path) -> None:
    over = job(
        last_started_at=utc("2026-10-31 14:00"),
        ended_at=utc("2026-11-01 06:00"),
        wall_s=16 * 3600,
        last_run_wall_s=16 * 3600,
        core_ms=16 * 3_600_000,
        cpu_user_ms=1001,
        network_outgoing_external_bytes=GB,
    )
    ledger = write_ledger(tmp_path, over)

    (october,) = _statement(ledger).lines
    (november,) = _statement(ledger, "2026-11").lines

    assert (october.wall_s, november.wall_s) == (10 * 3600, 6 * 3600)
    assert (october.core_s, november.core_s) == (10 * 3600, 6 * 3600)
    assert (str(october.compute_cost), str(november.compute_cost)) == ("0.48", "0.29")
    assert (october.jobs, november.jobs) == (0, 1)
    assert (october.network[1], november.network[1]) == (None, GB)


def test_the_billing_minimum_counts_once_for_every_run(tmp_path: Path) -> None:
    """4 runs of which 3 are a residual: 60 s each; 240 s of 0.048 an hour."""
    short = job(wall_s=8, last_run_wall_s=2, runs=4)
    ledger = write_ledger(tmp_path, *[short] * 1000)

    (line,) = _statement(ledger).lines

    assert (line.wall_s, line.compute_cost) == (8000, Decimal("3.20"))


def test_the_top_up_belongs_to_the_month_of_the_runs_start(tmp_path: Path) -> None:
    """10 s before midnight and 10 s after: 40 s more are charged in October."""
    short = job(
        last_started_at=utc("2026-10-31 23:59:50"),
        ended_at=utc("2026-11-01 00:00:10"),
        wall_s=20,
        last_run_wall_s=20,
    )
    ledger = write_ledger(tmp_path, *[short] * 7500)

    (october,), (november,) = (
        _statement(ledger, month).lines for month in ("2026-10", "2026-11")
    )

    assert (october.compute_cost, november.compute_cost) == (
        Decimal("5.00"), Decimal("1.00")
    )  # fmt: skip


def test_a_change_of_rates_inside_the_month_divides_the_job(tmp_path: Path) -> None:
    one = 'rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]'
    two = (
        'rates = [{ from = 2020-01-01, to = 2026-10-15, per_hour = "0.096", source = '
        '"s" }, { from = 2026-10-15, per_hour = "0.096001", source = "s" }]'
    )
    over = job(
        last_started_at=utc("2026-10-14 00:00"),
        ended_at=utc("2026-10-16 00:00"),
        wall_s=48 * 3600,
        last_run_wall_s=48 * 3600,
    )
    ledger = write_ledger(tmp_path, *[over] * 1000)

    result = statement(ledger, "2026-10", book=book((one, two)))

    # 24 h at 0.048 and 24 h at 0.0480005, a thousand times: 2,304.012
    assert _costs(result) == {"cms": "2304.01"}
    assert (result.lines[0].jobs, result.interval_source["job"]) == (1000, 1000)
    assert result.reconciliation.difference == 0


def test_users_share_the_tiered_cost_of_their_vo_by_bytes(tmp_path: Path) -> None:
    """10,340 GB together cost 921.10, the allowance once."""
    rows = [
        job(owner="ann", network_outgoing_external_bytes=5_170 * GB),
        job(owner="bob", network_outgoing_external_bytes=2_585 * GB),
        job(owner="cid", network_outgoing_external_bytes=2_585 * GB),
    ]
    ledger = write_ledger(tmp_path, *rows)

    by_owner, by_vo = _statement(ledger, by="owner"), _statement(ledger)

    assert [str(line.network_cost) for line in by_owner.lines] == [
        "460.55", "230.28", "230.27"
    ]  # fmt: skip
    assert str(by_vo.totals.network_cost) == "921.10"
    assert by_owner.totals == by_vo.totals


def test_lines_rounded_by_largest_remainder_add_up(tmp_path: Path) -> None:
    """Three owners of 1/3 of 5 cents."""
    rows = [job(owner=name, wall_s=1250, last_run_wall_s=1250) for name in "abc"]
    ledger = write_ledger(tmp_path, *rows)

    result = _statement(ledger, by="owner")

    assert sorted(_costs(result).values()) == ["0.01", "0.02", "0.02"]
    assert str(result.totals.total_cost) == "0.05"


def test_a_payload_user_gets_the_whole_pilot_and_the_statement_says_so(
    tmp_path: Path,
) -> None:
    ledger = write_ledger(tmp_path, job(payload_user="carol"), job())

    result = _statement(ledger, by="payload-user")

    assert [line.key for line in result.lines] == ["alice", "carol"]
    assert "last payload user" in result.notes[0]


def test_one_vos_statement_is_its_part_of_the_statement_of_all(tmp_path: Path) -> None:
    """Also of those whose VO is not known, under the name that is shown."""
    rows = [
        job(vo="cms", owner="ann", network_outgoing_external_bytes=200 * GB),
        job(vo="atlas", owner="ann"),
        job(vo="unknown", owner="bob", cpus_milli=64_000),
    ]
    ledger = write_ledger(tmp_path, *rows)

    cms = _statement(ledger, by="owner", vo="cms")
    nobody = _statement(ledger, vo="(unknown)")

    assert _costs(cms) == {"ann": "9.05"}
    assert _costs(_statement(ledger, by="owner")) == {"ann": "9.10"}
    assert cms.to_json()["reconciliation"]["jobs_in_ledger"] == 1
    assert [a.jobs for a in nobody.unpriced] == [1]
    assert nobody.unpriced == _statement(ledger, vo="unknown").unpriced


def test_jobs_without_known_memory_are_counted(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(memory_provisioned_bytes=None),
        job(memory_provisioned_bytes=None, memory_requested_bytes=8 * GIB),
    )

    result = _statement(ledger)

    assert result.memory_unknown.jobs == 1
    assert "cpus alone: 1 jobs" in result.notes[0]
    assert str(result.totals.compute_cost) == "0.11"  # 0.0425 by cpus, 0.063 by memory


def test_absurd_times_are_charged_inside_the_month_only(tmp_path: Path) -> None:
    absurd = [
        job(wall_s=10**9, last_run_wall_s=10**9),
        job(wall_s=2**62, last_run_wall_s=-5, runs=10**6),
        job(wall_s=3600, last_run_wall_s=2**62),
        job(wall_s=3600, last_started_at=utc("1970-01-01") - dt.timedelta(days=9)),
    ]
    ledger = write_ledger(tmp_path, *absurd)

    (line,) = _statement(ledger).lines

    until_end = 86_400 + 11 * 3600
    assert line.wall_s == 2 * until_end + 3600


def test_a_month_without_jobs_is_an_empty_statement(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())

    result = _statement(ledger, "2026-09")

    assert result.is_empty
    assert str(result.totals.total_cost) == "0.00"


def test_a_ledger_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check --ledger"):
        statement(tmp_path / "no", "2026-10", book=book())


@pytest.mark.parametrize("damage", [slice(200, 1200), slice(-3000, None)])
def test_a_damaged_ledger_is_one_clear_error(tmp_path: Path, damage: slice) -> None:
    """Although the file is read in the middle of DuckDB's query."""
    ledger = write_ledger(tmp_path, job())
    (path,) = ledger.glob("jobs/*/*.parquet")
    content = bytearray(path.read_bytes())
    content[damage] = bytes(len(content[damage]))
    path.write_bytes(content)

    with pytest.raises(LedgerError):
        statement(ledger, "2026-10", book=book())


def test_the_json_has_the_agreed_names(tmp_path: Path) -> None:
    data = _statement(write_ledger(tmp_path, job())).to_json()

    assert {"month", "currency", "book", "lines", "totals", "interval_source", "trust",
            "coverage", "reconciliation"} <= data.keys()  # fmt: skip
    assert list(data["lines"][0]) == [
        "key", "jobs", "wall_s", "core_s", "cpu_s", "gpu_s",
        "network_outgoing_internal_bytes", "network_outgoing_external_bytes",
        "network_outgoing_local_bytes", "network_incoming_internal_bytes",
        "network_incoming_external_bytes", "network_incoming_local_bytes",
        "compute_cost", "network_cost", "total_cost",
    ]  # fmt: skip
    assert data["book"] == {"id": "three-types", "sha256": book().sha256}
    assert data["interval_source"] == {"runs": 0, "job": 1}
    assert data["lines"][0]["compute_cost"] == "0.05"


def test_the_largest_machine_for_long_is_priced_exactly(tmp_path: Path) -> None:
    """Its seconds x share need more than 64 bits; 35 h of 12.7008."""
    whole = job(
        cpus_milli=192_000,
        memory_provisioned_bytes=1536 * GIB,
        wall_s=35 * 3600,
        last_run_wall_s=35 * 3600,
    )
    ledger = write_ledger(tmp_path, whole)

    result = statement(ledger, "2026-10", book=find_book("ec2-us-east-1-2026"))

    assert _costs(result) == {"cms": "444.53"}


def test_sums_hold_more_than_64_bits(tmp_path: Path) -> None:
    """Twenty jobs of 2^62 bytes."""
    terms, month = book().terms, parse_month("2026-10")
    rows = [job(network_outgoing_external_bytes=2**62)] * 20
    ledger = write_ledger(tmp_path, *rows)

    with engine_over("duckdb", files_of(ledger, month)) as engine:
        sums = sum_charges(engine, month, price_periods(terms, month), 1)

    assert [charge.network[1] for charge in sums] == [20 * 2**62]
