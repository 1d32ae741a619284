"""What came of the hours, against what they are charged: job by job, garbage included.

Both are closed forms of the same intervals, written apart; for each job alone its
seconds, core time, GPU time, shares, bytes and the job itself must be the same.
"""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from poolmeter.record import NETWORK_COLUMNS
from reports.charges import PRICED
from reports.engine import engine_over
from reports.facts import Facts, facts_by
from reports.question import Pricing, ask
from tests.conftest import is_soak
from tests.property.test_charge_expression import BOOKS, garbage_jobs
from tests.unit.reports_ledger import table

_NAMES = ("jobs", "jobs_network", "wall_s", "gpu_s", "core_ms", "share_s")
_STATUS = st.fixed_dictionaries(
    {
        "job_status": st.sampled_from(["completed", "removed"]),
        "exit_code": st.none() | st.integers(0, 1),
        "exit_signal": st.none() | st.just(9),
        "holds": st.none() | st.integers(0, 2),
        "hold_reason_code": st.none() | st.integers(0, 34),
        "network_trust": st.sampled_from(["missing", "partial", "signed"]),
        "execute_pool": st.none() | st.just("osg"),
        "last_remote_host": st.none() | st.just("slot1@n1"),
        "billable": st.sampled_from([True, True, True, False]),
        "memory_provisioned_bytes": st.sampled_from([None, 0, 2**31, 2**60]),
    }
)


@pytest.mark.parametrize("prices", BOOKS)
@settings(max_examples=200 if is_soak() else 6)
@given(
    jobs=st.lists(
        st.builds(dict.__or__, garbage_jobs(), _STATUS), min_size=8, max_size=40
    )
)
def test_the_use_of_each_job_is_what_it_is_charged_for(
    prices: str, jobs: list[dict[str, Any]]
) -> None:
    rows = [row | {"owner": f"owner{number}"} for number, row in enumerate(jobs)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.parquet"
        pq.write_table(table(*rows), path)
        pricing = Pricing(book=BOOKS[prices])
        question = ask(path.parent, "2026-10", pricing, "owner", None)
        with engine_over("duckdb", [path]) as engine:
            facts = facts_by(engine, question)

    assert _used(facts) == _charged(facts)


def _charged(facts: Facts) -> dict[tuple[str, int], dict[str, int]]:
    found: dict[tuple[str, int], dict[str, int]] = defaultdict(_nothing)
    for charge in facts.sums:
        if charge.outcome == PRICED:
            numbers = found[str(charge.owner), charge.period]
            numbers["jobs"] += charge.jobs
            numbers["jobs_network"] += charge.jobs_network
            numbers["wall_s"] += charge.wall_s
            numbers["gpu_s"] += charge.gpu_s
            numbers["core_ms"] += charge.core_ms or 0
            numbers["share_s"] += charge.billed_share_s or 0
            for name, count in zip(NETWORK_COLUMNS, charge.network, strict=True):
                numbers[name] += count or 0
    return dict(found)


def _used(facts: Facts) -> dict[tuple[str, int], dict[str, int]]:
    found: dict[tuple[str, int], dict[str, int]] = defaultdict(_nothing)
    for used in facts.use.use:
        numbers = found[used.name, used.period]
        numbers["jobs"] += used.jobs
        numbers["jobs_network"] += used.jobs_network
        numbers["wall_s"] += used.wall_s
        numbers["gpu_s"] += used.gpu_s
        numbers["core_ms"] += used.core_ms or 0
        numbers["share_s"] += used.billed_share_s
        for name, count in zip(NETWORK_COLUMNS, used.network, strict=True):
            numbers[name] += count or 0
    return dict(found)


def _nothing() -> dict[str, int]:
    return dict.fromkeys((*_NAMES, *NETWORK_COLUMNS), 0)
