"""Which jobs a statement prices: those that held a slot, whatever their ad says."""

import pytest

from poolmeter.config import Config, ProbeConfig
from tests.ads import Value, completed, normalised, record_of, removed

#: What the job router leaves of a job that another ran for.
ROUTED: dict[str, Value] = {
    "RoutedToJobId": '"9.0"',
    "StartdPrincipal": None,
    "MachineAttrCpus0": None,
    "MachineAttrSlotWeight0": None,
    "LastPublicClaimId": None,
    "CumulativeSlotTime": 0,
    "CumulativeRemoteUserCpu": "0.0",
    "CumulativeRemoteSysCpu": "0.0",
}

#: A job that never had a slot.
SLOTLESS: dict[str, Value] = {
    "StartdPrincipal": None,
    "MachineAttrCpus0": None,
    "LastPublicClaimId": None,
    "LastRemoteHost": None,
    "CpusProvisioned": None,
}


def outcome(ad: str) -> tuple[bool, str | None, tuple[str, ...]]:
    """Return whether the job is priced, why not, and what contradicts itself."""
    record = record_of(ad)
    return record.billable, record.unbilled_reason, record.contradictions


@pytest.mark.parametrize(
    ("universe", "reason"),
    [(7, "scheduler_universe"), (12, "local_universe"), (9, "grid_universe")],
)
def test_jobs_on_the_access_point_and_elsewhere_are_not_priced(
    universe: int, reason: str
) -> None:
    ad = completed(**SLOTLESS, JobUniverse=universe)
    assert (False, reason) == outcome(ad)[:2]


@pytest.mark.parametrize("universe", [7, 9, 12])
@pytest.mark.parametrize("evidence", [
    {"StartdPrincipal": '"execute-side@matchsession/127.0.0.1"'},
    {"MachineAttrCpus0": 4},
    {"LastPublicClaimId": '"<127.0.0.1:9618>#1#2#..."'},
])  # fmt: skip
def test_a_slot_is_priced_and_named_whatever_the_universe_says(
    universe: int, evidence: dict[str, Value]
) -> None:
    ad = completed(**{**SLOTLESS, **evidence}, JobUniverse=universe)
    billable, _, contradictions = outcome(ad)
    assert billable
    assert "slot_in_slotless_universe" in contradictions


def test_a_remote_host_is_a_slot_but_not_of_a_grid_job() -> None:
    """A grid job's LastRemoteHost is the remote system's word."""
    host: dict[str, Value] = {**SLOTLESS, "LastRemoteHost": '"wn1"'}
    assert outcome(completed(**host, JobUniverse=7))[0]
    assert not outcome(completed(**host, JobUniverse=9))[0]


def test_a_removed_job_that_ran_is_priced() -> None:
    assert outcome(removed()) == (True, None, ())


def test_a_job_that_never_started_is_not_priced() -> None:
    ad = removed(
        RemoteWallClockTime="0.0",
        NumJobStarts=0,
        NumShadowStarts=None,
        JobStartDate=None,
        JobCurrentStartDate=None,
        LastRemoteWallClockTime=None,
        CumulativeSlotTime=0,
        CumulativeRemoteUserCpu="0.0",
        CumulativeRemoteSysCpu="0.0",
        MachineAttrCpus0=None,
        CpusProvisioned=None,
        LastRemoteHost=None,
    )
    assert outcome(ad) == (False, "never_started", ())


def test_a_slot_held_by_a_failing_input_transfer_is_priced() -> None:
    """NumJobStarts counts only runs that reached the executable."""
    record = record_of(removed(NumJobStarts=0, NumShadowStarts=1))
    assert (record.billable, record.runs, record.wall_s) == (True, 1, 7200)


def test_the_source_of_a_routed_pair_is_not_priced() -> None:
    assert outcome(completed(**ROUTED))[:2] == (False, "routed_source")


def test_the_source_is_priced_where_only_the_ce_is_read() -> None:
    config = Config(probe=ProbeConfig(bill_routed_source=True))
    assert normalised(completed(**ROUTED), config=config).record.billable


def test_a_route_that_an_owner_wrote_into_a_job_with_a_slot_is_named() -> None:
    billable, _, contradictions = outcome(completed(RoutedToJobId='"9.0"'))
    assert (billable, contradictions) == (True, ("slot_in_slotless_universe",))


def test_a_routed_jobs_cpu_time_is_that_of_the_last_run() -> None:
    """The router copies RemoteUserCpu back, the cumulative values stay 0.0."""
    record = record_of(completed(**ROUTED))
    expected = (25_000_000, 600_000, "last_run", 28_800_000)
    assert expected == (
        record.cpu_user_ms,
        record.cpu_system_ms,
        record.cpu_scope,
        record.core_ms,
    )


def test_no_cpu_time_at_all_is_that_of_all_runs() -> None:
    """Ads of jobs that never ran hold CumulativeRemoteUserCpu = 0.0."""
    ad = completed(
        CumulativeRemoteUserCpu="0.0",
        CumulativeRemoteSysCpu="0.0",
        RemoteUserCpu="0.0",
        RemoteSysCpu="0.0",
    )
    record = record_of(ad)
    assert (record.cpu_user_ms, record.cpu_scope) == (0, "all_runs")


def test_cpu_time_that_nobody_measured_has_no_scope() -> None:
    ad = completed(
        CumulativeRemoteUserCpu=None,
        CumulativeRemoteSysCpu=None,
        RemoteUserCpu=None,
        RemoteSysCpu=None,
    )
    record = record_of(ad)
    assert (record.cpu_user_ms, record.cpu_system_ms, record.cpu_scope) == (None,) * 3
