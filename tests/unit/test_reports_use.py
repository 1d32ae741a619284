"""What came of the slots' hours, by hand."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from reports.statement import statement
from reports.statement_data import By
from reports.use_data import Use
from tests.unit.reports_ledger import GB, GIB, book, job, utc, write_ledger

_HOUR = 3600


def _use(ledger: Path, month: str = "2026-10", by: By = "vo", **more: Any) -> Use:  # noqa: ANN401
    result = statement(ledger, month, by=by, book=book(), **more)
    assert result.use is not None
    assert result.difference == 0
    return result.use


def _hours(use: Use) -> dict[str, float]:
    return {kind.kind: kind.wall_s / _HOUR for kind in use.kinds if kind.wall_s}


def test_every_second_is_of_one_kind(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(exit_code=0),
        job(exit_code=3),
        job(exit_signal=9),
        job(job_status="removed", exit_signal=15),
        job(job_status="removed", holds=1, hold_reason_code=34, hold_reason="memory"),
        job(wall_s=5 * _HOUR, last_run_wall_s=2 * _HOUR, runs=3, exit_code=0),
        job(wall_s=5 * _HOUR, last_run_wall_s=2 * _HOUR, runs=3, exit_code=1, holds=2),
        job(wall_s=36, last_run_wall_s=36, exit_code=0),
    )

    use = _use(ledger)

    assert _hours(use) == {
        "good": 3.0, "failed": 4.0, "removed": 1.0, "held": 4.0, "evicted": 3.0,
        "short": 0.01,
    }  # fmt: skip
    assert {kind.kind: kind.jobs for kind in use.kinds} == {
        "good": 2, "failed": 3, "removed": 1, "held": 2, "evicted": 1, "short": 1
    }  # fmt: skip


def test_waste_costs_what_the_lines_say_of_the_same_seconds(tmp_path: Path) -> None:
    """A thousand runs of 5 s are charged 60 s each, whatever came of them."""
    short = job(wall_s=5, last_run_wall_s=5, exit_code=1)
    evicted = job(wall_s=12, last_run_wall_s=2, runs=3)
    ledger = write_ledger(tmp_path, *[short] * 1000, *[evicted] * 1000)

    costs = {kind.kind: kind.compute_cost for kind in _use(ledger).kinds}

    assert costs["failed"] == Decimal("0.80")  # 60,000 s of 0.048 an hour
    assert costs["evicted"] == Decimal("1.60")  # two earlier runs each
    assert costs["short"] == Decimal("0.80")
    assert costs["good"] == Decimal("0.00")


def test_lost_runs_count_in_the_month_in_which_they_lie(tmp_path: Path) -> None:
    """10 h evicted on 31 October, the last hour on 1 November."""
    over = job(
        last_started_at=utc("2026-11-01 00:00"),
        ended_at=utc("2026-11-01 01:00"),
        wall_s=11 * _HOUR,
        last_run_wall_s=_HOUR,
        runs=2,
    )
    ledger = write_ledger(tmp_path, over)

    assert _hours(_use(ledger)) == {"evicted": 10.0}
    assert _hours(_use(ledger, "2026-11")) == {"good": 1.0}


def test_only_what_ran_on_our_machines_is_our_pool(tmp_path: Path) -> None:
    here = {"site": "T2", "last_remote_host": "slot1@n1"}
    ledger = write_ledger(
        tmp_path,
        job(**here),
        job(**here, execute_site="T2"),
        job(**here, execute_site="T2_Annex"),
        job(**here, execute_site="Elsewhere"),
        job(**here, execute_site="T2", execute_pool="osg.example"),
        job(),
    )

    alone = {block.resource: block.totals.jobs for block in _use(ledger).blocks}
    annexed = _use(ledger, own_resources=("T2_Annex",)).blocks

    assert alone == {"own-pool": 2, "flocked-out": 3, "unknown-resource": 1}
    assert annexed[0].totals.jobs == 3


def test_the_blocks_share_the_tiers_of_their_vo(tmp_path: Path) -> None:
    """10,340 GB cost 921.10 together, the allowance once; half ran elsewhere."""
    ledger = write_ledger(
        tmp_path,
        job(last_remote_host="n1", network_outgoing_external_bytes=5170 * GB),
        job(execute_pool="osg", network_outgoing_external_bytes=5170 * GB),
    )

    costs = [block.totals.network_cost for block in _use(ledger).blocks]

    assert costs == [Decimal("460.55"), Decimal("460.55")]


def test_unknown_traffic_of_a_block_is_no_price_of_zero(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(last_remote_host="n1"),
        job(execute_pool="osg", network_outgoing_external_bytes=None),
    )

    own, flocked = _use(ledger).blocks

    assert (own.totals.network_cost, flocked.totals.network_cost) == (
        Decimal("0.00"),
        None,
    )
    assert not flocked.totals.network_complete


def test_efficiency_is_of_those_whose_memory_is_known(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(memory_peak_bytes=GIB),
        job(memory_peak_bytes=None),
        job(owner="bob", benchmark_scaling=1.5, core_ms=_HOUR * 1000),
        job(owner="bob", benchmark_scaling=float("nan"), core_ms=_HOUR * 1000),
        job(owner="bob", benchmark_scaling=float("inf"), core_ms=_HOUR * 1000),
    )

    use = _use(ledger, by="owner")

    alice, bob = use.efficiency["alice"], use.efficiency["bob"]
    assert alice.memory_used_byte_s == GIB * _HOUR
    assert alice.memory_held_byte_s == 3 * GIB * _HOUR
    assert alice.scaled_core_s is None
    assert (bob.scaled_core_s, bob.core_s_with_scaling) == (5400, 3600)
    assert use.overall.memory_held_byte_s == 3 * GIB * _HOUR


def test_hold_reasons_are_one_whatever_their_numbers(tmp_path: Path) -> None:
    rows = [
        job(job_status="removed", holds=1, hold_reason_code=34,
            hold_reason=f"over memory limit of {2000 + number} MB")
        for number in range(20)
    ]  # fmt: skip
    ledger = write_ledger(tmp_path, *rows)

    (reason,) = _use(ledger).hold_reasons

    assert (reason.code, reason.reason) == (34, "over memory limit of # MB")
    assert (reason.jobs, reason.wall_s) == (20, 20 * _HOUR)
    assert reason.compute_cost == Decimal("0.96")


def test_many_reasons_are_few_lines(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows = [job(holds=1, hold_reason_code=1, hold_reason=letter) for letter in letters]
    ledger = write_ledger(tmp_path, *rows)

    assert len(_use(ledger).hold_reasons) == 12


def test_one_vo_alone_is_its_part(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job(exit_code=1), job(vo="atlas", exit_code=2))

    assert _hours(_use(ledger, vo="atlas")) == {"failed": 1.0}
