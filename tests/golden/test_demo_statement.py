"""Every line of a statement is calculated again, by plain loops over the same records.

The records are those of the bundled history, read by the reference reader, and some
hundred invented ones with what that history may not hold: jobs over a month's end,
GPUs, several runs, unknown memory, traffic through every tier.
"""

import dataclasses
import datetime as dt
import functools
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from poolmeter.demo.run import SCHEDD, bundled_history, demo_config, run_demo
from poolmeter.ledger.merge import merge_jobs
from poolmeter.ledger.schema import table_of
from poolmeter.record import JOB_KEY, NETWORK_COLUMNS, JobRecord
from probe.history_file import open_history
from probe.normalise.job import Normalised
from probe.reader import read
from reports.price_book_file import find_book
from reports.statement import statement
from tests.golden.plain_statement import (
    WHOLE,
    By,
    PlainStatement,
    Use,
    money,
    plain_statements,
    read_book,
    round_inside,
)

BOOK = "ec2-us-east-1-2026"
BOOK_FILE = Path(__file__).parents[2] / "reports" / "prices" / f"{BOOK}.toml"
NOW = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
EVERY_BY: tuple[By, ...] = ("vo", "owner", "payload-user")
OF_A_LINE = (
    *(*WHOLE, "core_s", "cpu_s"),
    *("compute_cost", "network_cost", "total_cost"),
)
OF_NO_LINE = ("jobs", "wall_s", *NETWORK_COLUMNS)
GB = 10**9
GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Case:
    """A ledger, and the records that should be in it."""

    ledger: Path
    jobs: list[JobRecord]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The demo's ledger, and the bundled history as the reference reader reads it."""
    ledger = tmp_path_factory.mktemp("demo")
    run_demo(ledger, now=NOW, width=100)
    with bundled_history() as history:
        paths = sorted(history.parent.glob("history*"))
        return Case(ledger, [job for path in paths for job in _records(path)])


def _records(path: Path) -> Iterator[JobRecord]:
    with open_history(path) as file:
        outcomes = read(
            file.records(),
            schedd=SCHEDD,
            config=demo_config(),
            earliest_s=None,
            now_s=int(NOW.timestamp()),
        )
        for outcome in outcomes:
            if isinstance(outcome.result, Normalised):
                yield outcome.result.record


@pytest.fixture(scope="module", params=[1, 2])
def invented(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    """A ledger of invented records, the same for the same seed."""
    choose = random.Random(request.param)  # noqa: S311 - no secret
    jobs = [_invented_job(number, choose) for number in range(400)]
    # Two hours of one core with 2 GiB: $0.085, which is rounded to the even cent.
    times = _one_run(dt.datetime(2026, 10, 5, tzinfo=dt.UTC), 7200)
    jobs += [_job(**times, cluster_id=999, vo="h", memory_provisioned_bytes=2 * GIB)]
    ledger = tmp_path_factory.mktemp("invented")
    merge_jobs(ledger, SCHEDD, table_of(jobs))
    return Case(ledger, jobs)


def test_the_demo_ledger_holds_each_record_once(demo: Case) -> None:
    """No record of the history is missing from the ledger, doubled, or changed."""
    rows = [
        row
        for path in sorted((demo.ledger / "jobs").glob("date=*/*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]
    expected = [_plain_row(dataclasses.asdict(job)) for job in demo.jobs]
    assert expected
    assert sorted(rows, key=_key) == sorted(expected, key=_key)


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return *row* with lists for tuples and for maps, as Parquet gives them back."""
    return {
        name: list(value.items() if isinstance(value, dict) else value)
        if isinstance(value, dict | tuple)
        else value
        for name, value in row.items()
    }


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(str(row[name]) for name in JOB_KEY)


@pytest.mark.parametrize("by", EVERY_BY)
def test_the_demo_statements_are_those_of_the_plain_calculation(
    demo: Case, by: By
) -> None:
    """Each number of each month, of the bundled data."""
    _compare(demo, by)


@pytest.mark.parametrize("by", EVERY_BY)
def test_statements_of_invented_jobs_are_those_of_the_plain_calculation(
    invented: Case, by: By
) -> None:
    """Each number of each month, of data made to hold every case."""
    _compare(invented, by)


def _compare(case: Case, by: By) -> None:
    months = plain_statements(case.jobs, by, read_book(BOOK_FILE))
    assert months
    for month, plain in sorted(months.items()):
        data = _product(case.ledger, month, by)
        assert _product_numbers(data) == _plain_numbers(plain), month
        _check_reconciliation(data["reconciliation"], plain)
        _check_sums(data, _product(case.ledger, month, "vo"))


@functools.cache
def _product(ledger: Path, month: str, by: By) -> dict[str, Any]:
    return dict(statement(ledger, month, by=by, book=find_book(BOOK)).to_json())


def _product_numbers(data: dict[str, Any]) -> dict[str, Any]:
    lines = {line["key"]: {n: line[n] for n in OF_A_LINE} for line in data["lines"]}
    assert len(lines) == len(data["lines"])
    return {
        "lines": lines,
        "totals": {name: data["totals"][name] for name in OF_A_LINE},
        "unbilled": {
            row["reason"]: {name: row[name] for name in OF_NO_LINE}
            for row in data["unbilled"]
        },
        "unpriced": {
            name: sum(row[name] or 0 for row in data["unpriced"]) for name in OF_NO_LINE
        },
    }


def _plain_numbers(plain: PlainStatement) -> dict[str, Any]:
    return {
        "lines": {key: _with_costs(line) for key, line in plain.lines.items()},
        "totals": _with_costs(plain.totals),
        "unbilled": {
            reason: use.whole(OF_NO_LINE) for reason, use in plain.unbilled.items()
        },
        "unpriced": _known(plain.unpriced),
    }


def _known(use: Use) -> dict[str, int]:
    return {name: value or 0 for name, value in use.whole(OF_NO_LINE).items()}


def _with_costs(values: dict[str, int | None]) -> dict[str, Any]:
    """Return *values* with costs as decimal strings, and their sum."""
    costs = ("compute_cost", "network_cost")
    total = sum(values[name] or 0 for name in costs)
    strings = {name: money(values[name]) for name in costs}
    return {**values, **strings, "total_cost": money(total)}


def _check_reconciliation(counts: dict[str, Any], plain: PlainStatement) -> None:
    """Nothing is left over, and each share is the one of the plain calculation."""
    shares = {
        "priced": plain.priced,
        "unbilled": Use().add_all(plain.unbilled.values()),
        "unpriced": plain.unpriced,
    }
    shares["in_ledger"] = Use().add_all([*shares.values()])
    expected = {
        f"{name}_{share}": value
        for share, use in shares.items()
        for name, value in _known(use).items()
    }
    assert counts == {**expected, "difference": 0}


def _check_sums(data: dict[str, Any], by_vo: dict[str, Any]) -> None:
    """Lines add up to the totals, which are those of the VOs: second, byte, cent."""
    assert data["totals"] == by_vo["totals"]
    for name in OF_A_LINE:
        known = [line[name] for line in data["lines"] if line[name] is not None]
        if known:
            assert sum(map(Decimal, known)) == Decimal(data["totals"][name]), name


@pytest.mark.parametrize(
    ("gb", "cost"),
    [
        (10_240, "912.60"),
        (10_340, "921.10"),
        (50_000, "4292.20"),
        (100_000, "7810.20"),
        (153_700, "11567.20"),
        (200_000, "13882.20"),
    ],
)
def test_the_plain_tiers_are_those_of_the_worked_examples(gb: int, cost: str) -> None:
    """The plain calculation is held against sums done by hand."""
    tariff = read_book(BOOK_FILE).tariffs["network_outgoing_external_bytes"]
    assert tariff.cost(gb * GB) == Fraction(cost)


@pytest.mark.parametrize(("gib", "cents"), [(2, "4.25"), (3, "4.8"), (8, "6.3")])
def test_the_plain_packing_is_that_of_the_worked_examples(gib: int, cents: str) -> None:
    """One core for an hour, on the cheapest of three types."""
    book = read_book(BOOK_FILE)
    prices = {Fraction(price) for price in ("0.085", "0.096", "0.126")}
    types = tuple(t for t in book.types if t.vcpu == 2 and t.per_hour in prices)
    three = dataclasses.replace(book, types=types)
    job = _job(wall_s=3600, cpus_milli=1000, memory_provisioned_bytes=gib * GIB)
    assert (three.price_per_s(job) or 0) * 3600 * 100 == Fraction(cents)


def test_rounding_keeps_the_sum() -> None:
    """Half-even for the sum; what is missing goes where most was cut off."""
    third = Fraction(1, 3)
    assert round_inside({"c": third, "b": third, "a": third}) == {
        "a": 1,
        "b": 0,
        "c": 0,
    }
    assert round_inside({"a": Fraction(5, 2), "b": None}) == {"a": 2, "b": None}


def _job(**differences: Any) -> JobRecord:  # noqa: ANN401 - any column's value
    """Return the record of a billable job of which nothing else is known."""
    values: dict[str, Any] = dict.fromkeys(
        field.name for field in dataclasses.fields(JobRecord)
    )
    values.update(schedd=SCHEDD, cluster_id=1, proc_id=0, revision=0, runs=1)
    values.update(vo="cms", vo_source="accounting_group", job_status="completed")
    values.update(billable=True, network_trust="missing", time_trust="consistent")
    values.update(contradictions=(), ended_at=NOW)
    return JobRecord(**{**values, **differences})


def _one_run(started: dt.datetime, wall_s: int) -> dict[str, Any]:
    """Return the times of a job of one run, which took one core."""
    return {
        "wall_s": wall_s,
        "last_run_wall_s": wall_s,
        "queued_at": started,
        "last_started_at": started,
        "ended_at": started + dt.timedelta(seconds=wall_s),
        "cpus_milli": 1000,
    }


def _invented_job(number: int, choose: random.Random) -> JobRecord:
    """Return a job of the autumn of 2026; every case comes often enough to matter."""
    times = _times(choose)
    return _job(
        cluster_id=number // 3,
        proc_id=number % 3,
        vo=choose.choice(("cms", "ligo", "icecube", "unknown")),
        owner=choose.choice(("alice", "bob", "carol", "dave", None)),
        payload_user=choose.choice((None, None, "payload1", "payload2", "bob")),
        job_status=choose.choice(("completed", "completed", "removed")),
        **times,
        **_sizes(choose, times["wall_s"]),
        **_traffic(choose, times["runs"]),
        **_billing(choose, times["runs"]),
    )


def _times(choose: random.Random) -> dict[str, Any]:
    """Return wall time and ends, many of them near or on a month's end."""
    runs = choose.choice((0, 1, 1, 1, 1, 2, 3, 7))
    last_s = choose.choice((0, 1, 30, 59, 60, 61, 3600, 90_000, 3_000_000))
    # Of one run this is what its own time lacks, of several it is the others'.
    before_s = choose.choice((0, 5, 100, 200_000) if runs > 1 else (0, 0, 0, 0, 3, 900))
    boundary = dt.datetime(2026, choose.choice((9, 10, 11)), 1, tzinfo=dt.UTC)
    ended = boundary + dt.timedelta(
        seconds=choose.choice((0, 1, 30, 40_000, 1_000_000, 1_700_000))
    )
    held_s = choose.choice((0, 0, 0, 1, 50_000, 2_000_000))
    started = ended - dt.timedelta(seconds=last_s + held_s)
    told_s = max(last_s + choose.choice((0, 0, 0, 0, 2, -1, 700)), 0)
    is_known = choose.random() > 0.02
    return {
        "runs": runs,
        "wall_s": (last_s + before_s if runs else 0) if is_known else None,
        "last_run_wall_s": choose.choice((None, told_s, told_s)) if runs else None,
        "ended_at": ended,
        "last_started_at": choose.choice((started, started, None)) if runs else None,
        "queued_at": started - dt.timedelta(days=30),
    }


def _sizes(choose: random.Random, wall_s: int | None) -> dict[str, Any]:
    cpus_milli = choose.choice((1000, 1000, 2000, 4000, 8000, 1500, 200_000, None))
    core_ms = None if cpus_milli is None or wall_s is None else wall_s * cpus_milli
    is_used = bool(wall_s) and choose.random() > 0.1
    memory = choose.choice((1, 2, 3, 8, 20, 2000)) * GIB
    return {
        "cpus_milli": cpus_milli,
        "core_ms": core_ms and core_ms + choose.choice((0, 0, 1, 499)),
        "cpu_user_ms": (core_ms or 0) * choose.randint(0, 99) // 99
        if is_used
        else None,
        "cpu_system_ms": choose.randint(0, 2000) if is_used else None,
        "gpus": choose.choice((None, 0, 0, 0, 1, 2, 9)),
        "memory_provisioned_bytes": choose.choice((None, memory, memory)),
        "memory_requested_bytes": choose.choice((None, memory // 2 + 1, memory)),
    }


def _traffic(choose: random.Random, runs: int) -> dict[str, Any]:
    if not runs or choose.random() < 0.2:
        return {"network_trust": "missing", "network_missing_reason": "not_published"}
    size = choose.choice((0, 1, GB, 90 * GB, 3_000 * GB, 60_000 * GB))
    every = NETWORK_COLUMNS
    names = choose.choice((every, every, every[:2], every[2:]))
    counts = {name: choose.randint(0, size) for name in names}
    return {**counts, "network_trust": choose.choice(("unsigned", "signed"))}


def _billing(choose: random.Random, runs: int) -> dict[str, Any]:
    reason = None if runs else "never_started"
    if runs and choose.random() < 0.1:
        reason = choose.choice(("local_universe", "routed_source"))
    return {"billable": reason is None, "unbilled_reason": reason}
