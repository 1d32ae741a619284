"""Spark in this machine sums what DuckDB sums: the demo's jobs, and a million more.

Needs the extra ``spark`` and Java 17 or newer.
"""

import datetime as dt
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.synthetic_ledger import write_synthetic_ledger
from poolmeter.demo.run import run_demo
from poolmeter.lazy import load
from reports.engine import ChargeSum, engine_over, files_of, sum_charges
from reports.ledger_side import contradicted_jobs, ledger_totals
from reports.months import Month, parse_month
from reports.price_book_file import find_book
from reports.price_periods import price_periods
from reports.statement_data import ContradictedJob

_JOBS = 1_000_000

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
        reason="needs the extra spark, and Java",
    ),
    pytest.mark.filterwarnings("default"),
]

_Found = tuple[set[ChargeSum], dict[str, int], tuple[ContradictedJob, ...]]


@pytest.fixture(scope="module", autouse=True)
def spark_here() -> Iterator[None]:
    """Start Spark in this process, with nothing on the network."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = (
        load("pyspark.sql:SparkSession", extra="spark")
        .builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield
    session.stop()


def test_the_demos_jobs(demo_ledger: Path) -> None:
    months = {path.parent.name[5:12] for path in demo_ledger.glob("jobs/*/*.parquet")}
    assert months
    for month in sorted(months):
        assert _found("duckdb", demo_ledger, month) == _found(
            "spark", demo_ledger, month
        )


@pytest.fixture
def demo_ledger(tmp_path: Path) -> Path:
    """The ledger that ``poolmeter demo`` makes of real history."""
    ledger = tmp_path / "demo"
    ledger.mkdir()
    run_demo(ledger, now=dt.datetime.now(dt.UTC), width=100)
    return ledger


def test_a_million_jobs(tmp_path: Path) -> None:
    write_synthetic_ledger(tmp_path, _JOBS)

    by_duckdb, by_spark = (
        _found(name, tmp_path, "2026-10") for name in ("duckdb", "spark")
    )

    assert sum(charge.jobs for charge in by_duckdb[0]) == _JOBS
    assert by_duckdb == by_spark


def _found(name: str, ledger: Path, month_name: str) -> _Found:
    """Return every sum that the engine called *name* makes for a statement."""
    month: Month = parse_month(month_name)
    periods = price_periods(find_book("ec2-us-east-1-2026").terms, month)
    with engine_over(name, files_of(ledger, month)) as engine:
        sums = sum_charges(engine, month, periods, 1)
        assert len(set(sums)) == len(sums)
        return (
            set(sums),
            ledger_totals(engine, month, None),
            contradicted_jobs(engine, month, None),
        )
