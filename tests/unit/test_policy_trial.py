"""A rule on rows of ended jobs: hit, not hit, or not to be told; and what it saves."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from poolmeter.record import JobRecord
from reports.months import parse_month
from reports.policy.rules import Rule, parse_rules
from reports.policy.tally import Prices, Tally
from reports.policy.trial import CannotTell, Hit, Verdict, try_rule
from reports.price_book_file import find_book
from reports.price_periods import price_periods

START = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
GIB = 1 << 30


def row(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any cell
    """Return a completed job: one run of an hour, 3 GiB used of 2 requested."""
    empty: dict[str, Any] = dict.fromkeys(f.name for f in dataclasses.fields(JobRecord))
    cells: dict[str, Any] = {
        "schedd": "ap1",
        "cluster_id": 7,
        "proc_id": 0,
        "owner": "alice",
        "vo": "cms",
        "billable": True,
        "job_status": "completed",
        "runs": 1,
        "queued_at": START - dt.timedelta(minutes=10),
        "started_at": START,
        "last_started_at": START,
        "ended_at": START + dt.timedelta(hours=1),
        "wall_s": 3600,
        "last_run_wall_s": 3600,
        "cpus_milli": 1000,
        "core_ms": 3_600_000,
        "memory_peak_bytes": 3 * GIB,
        "memory_requested_bytes": 2 * GIB,
        "memory_provisioned_bytes": 2 * GIB,
    }
    return {**empty, **cells, **changed}


def rule(condition: str, action: str = "HOLD", reason: str | None = None) -> Rule:
    knob = f"SYSTEM_PERIODIC_{action}"
    knobs = {knob: condition} | ({f"{knob}_REASON": reason} if reason else {})
    (found,) = parse_rules(knobs, "test")
    return found


def verdict(condition: str, action: str = "HOLD", **changed: Any) -> Verdict:  # noqa: ANN401
    return try_rule(rule(condition, action), row(**changed))


def test_sizes_are_in_htcondors_units() -> None:
    assert isinstance(verdict("MemoryUsage == 3072 && RequestMemory == 2048"), Hit)
    assert isinstance(verdict("ResidentSetSize_RAW == 3 * 1024 * 1024"), Hit)


def test_a_part_of_a_mebibyte_is_a_whole_one() -> None:
    assert isinstance(verdict("MemoryUsage == 2", memory_peak_bytes=(1 << 20) + 1), Hit)


def test_the_earliest_moment_of_a_limit_in_time() -> None:
    found = verdict("JobStatus == 2 && RemoteWallClockTime > 1200")
    assert found == Hit(1201, found.reason if isinstance(found, Hit) else None)
    by_clock = verdict("time() - JobCurrentStartDate >= 60")
    assert isinstance(by_clock, Hit)
    assert by_clock.wall_s == 60


def test_wall_time_counts_the_runs_before() -> None:
    found = verdict(
        "RemoteWallClockTime > 3000", wall_s=4000, last_run_wall_s=1500, runs=3
    )
    assert isinstance(found, Hit)
    assert found.wall_s == 3001


def test_the_ledger_lacks_it() -> None:
    assert verdict("MemoryUsage > 1", memory_peak_bytes=None) == CannotTell(
        frozenset({"memoryusage"})
    )
    assert verdict('Cmd == "/bin/sh"') == CannotTell(frozenset({"cmd"}))


def test_text_that_is_null_was_not_in_the_ad() -> None:
    assert verdict('ProjectName == "x"') is None
    assert isinstance(verdict("ProjectName =?= undefined"), Hit)


def test_waiting_too_long_for_the_first_start() -> None:
    condition = "JobStatus == 1 && NumJobStarts == 0 && time() - QDate > {}"
    found = verdict(condition.format(599))
    assert isinstance(found, Hit)
    assert found.wall_s == 0
    assert verdict(condition.format(600)) is None


NEVER_RAN = {
    "job_status": "removed",
    "runs": 0,
    "wall_s": 0,
    "started_at": None,
    "last_started_at": None,
    "last_run_wall_s": None,
    "ended_at": START,
}


def test_a_job_that_never_ran_and_was_removed_by_hand() -> None:
    by_hand = {**NEVER_RAN, "removal_reason": "via condor_rm (by user alice)"}
    assert isinstance(verdict("time() - QDate > 599", "REMOVE", **by_hand), Hit)
    assert verdict("time() - QDate > 600", "REMOVE", **by_hand) is None


def test_a_policys_own_removal_does_not_tell_when() -> None:
    by_policy = {**NEVER_RAN, "removal_reason": "The system macro ..."}
    found = verdict("time() - QDate > 600", "REMOVE", **by_policy)
    assert found == CannotTell(frozenset({"currenttime"}))


def test_how_long_a_job_was_on_hold_is_not_known() -> None:
    condition = "JobStatus == 5 && time() - EnteredCurrentStatus > 60"
    held = {"holds": 1, "hold_reason_code": 26}
    assert isinstance(verdict(condition, "REMOVE", **held), CannotTell)
    assert verdict(condition, "REMOVE") is None
    assert verdict(condition, "HOLD", **held) is None, "what is held is not held again"


def test_waiting_again_between_runs() -> None:
    condition = "JobStatus == 1 && NumJobStarts >= 2"
    assert verdict(condition, runs=2, last_run_wall_s=600) is None
    assert isinstance(verdict(condition, runs=3, last_run_wall_s=600), Hit)


def test_reason_with_the_numbers_of_the_job() -> None:
    told = try_rule(rule("true", reason='strcat("Used ", MemoryUsage)'), row())
    assert isinstance(told, Hit)
    assert told.reason is None or told.reason.startswith("The system macro")
    running = rule("JobStatus == 2", reason='strcat("Used ", MemoryUsage)')
    assert try_rule(running, row()) == Hit(0, "Used 3072")
    lacking = rule("JobStatus == 2", reason="strcat(Cmd)")
    assert try_rule(lacking, row()) == Hit(0, None)


def test_without_a_reason_htcondors_own_words() -> None:
    found = verdict("JobStatus == 2")
    assert isinstance(found, Hit)
    assert found.reason == (
        "The system macro SYSTEM_PERIODIC_HOLD expression 'JobStatus == 2' "
        "evaluated to TRUE"
    )


@pytest.mark.parametrize(("billable", "cost"), [(True, "0.02"), (False, "0.00")])
def test_saved_time_and_money(billable: bool, cost: str) -> None:
    terms = find_book("ec2-us-east-1-2026").terms
    prices = Prices(price_periods(terms, parse_month("2026-10")), 1)
    tally = Tally("rule", "hold")
    job = row(billable=billable)
    tally.add(Hit(1800, "r"), job, prices.per_second(job))
    saved = tally.outcome().saved_at_most
    assert (saved.wall_s, saved.core_ms) == (1800, 1_800_000)
    # Half an hour of one core with 2 GiB: half of c5.large at 0.085 an hour.
    assert saved.cost == Decimal(cost)
