"""Spark in this machine sums what DuckDB sums: the demo's jobs, and a million more.

Needs the extra ``spark`` and Java 17 or newer.
"""

import dataclasses
import datetime as dt
import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.synthetic_ledger import write_synthetic_ledger
from poolmeter.demo.run import run_demo
from poolmeter.lazy import load
from reports.charge_sums import ChargeSum
from reports.facts import read_facts
from reports.price_book_file import find_book
from reports.question import Pricing, ask
from reports.statement_data import ContradictedJob
from reports.use_sums import HoldSum, UseSum

_JOBS = 1_000_000

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
        reason="needs the extra spark, and Java",
    ),
    pytest.mark.filterwarnings("default"),
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """All that an engine was asked."""

    sums: set[ChargeSum]
    totals: Mapping[str, Mapping[str, int]]
    contradicted: tuple[tuple[str, ContradictedJob], ...]
    use: set[UseSum]
    holds: set[HoldSum]


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

    assert sum(charge.jobs for charge in by_duckdb.sums) == _JOBS
    assert by_duckdb == by_spark


def _found(name: str, ledger: Path, month_name: str) -> _Found:
    """Return everything that the engine called *name* finds for a statement."""
    pricing = Pricing(book=find_book("ec2-us-east-1-2026"), engine=name)
    facts = read_facts(ask(ledger, month_name, pricing, "owner", None))
    assert len(set(facts.sums)) == len(facts.sums)
    assert facts.use.use
    return _Found(
        sums=set(facts.sums),
        totals=facts.totals,
        contradicted=tuple(facts.contradicted),
        use=set(facts.use.use),
        holds=set(facts.use.holds),
    )
