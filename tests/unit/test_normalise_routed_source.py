"""The source of a routed pair: when it ended, as the job router of 23.9.6 leaves it."""

from pathlib import Path

import pytest

from tests.ads import (
    DAY_S,
    END_S,
    HOUR_S,
    Value,
    banner,
    completed,
    record_of,
    rows,
    run,
)

#: The copy ran for two hours; the router left EnteredCurrentStatus at its start.
SOURCE: dict[str, Value] = {
    "RoutedToJobId": '"9.0"',
    "EnteredCurrentStatus": END_S - 2 * HOUR_S,
    "CumulativeSlotTime": 0,
    "CumulativeRemoteUserCpu": "0.0",
    "CumulativeRemoteSysCpu": "0.0",
    "StartdPrincipal": None,
    "MachineAttrCpus0": None,
    "LastPublicClaimId": None,
    "LastRemoteHost": None,
}


def test_a_routed_source_ends_with_its_copy() -> None:
    record = record_of(completed(**SOURCE))
    assert int(record.ended_at.timestamp()) == END_S
    assert record.contradictions == ()


def test_a_routed_source_that_was_removed_ends_when_it_was() -> None:
    """A removal is the schedd's own doing, and enters the status."""
    removal: dict[str, Value] = {
        "JobStatus": 3,
        "EnteredCurrentStatus": END_S,
        "CompletionDate": None,
    }
    record = record_of(completed(**{**SOURCE, **removal}))
    assert int(record.ended_at.timestamp()) == END_S


@pytest.mark.parametrize("evidence", ["StartdPrincipal", "LastPublicClaimId"])
def test_a_job_with_a_slot_of_its_own_does_not_get_a_routed_sources_end(
    evidence: str,
) -> None:
    """RoutedToJobId is the owner's to edit, a claim is not."""
    record = record_of(completed(**{**SOURCE, evidence: '"x"'}))
    assert int(record.ended_at.timestamp()) == END_S - 2 * HOUR_S


def test_long_routed_sources_do_not_move_their_neighbours_ends(tmp_path: Path) -> None:
    """Each ran for days; what counts for the order in the file is when it ended."""
    records = []
    for number in range(1, 6):
        end_s = END_S + number * 60
        times: dict[str, Value] = {
            "ClusterId": number,
            "GlobalJobId": f'"ap#{number}.0#{end_s - 6 * DAY_S}"',
            "QDate": end_s - 6 * DAY_S,
            "JobStartDate": end_s - 5 * DAY_S,
            "JobCurrentStartDate": end_s - 5 * DAY_S,
            "EnteredCurrentStatus": end_s - 5 * DAY_S,
            "CompletionDate": end_s,
            "RemoteWallClockTime": f"{5 * DAY_S}.0",
            "LastRemoteWallClockTime": f"{5 * DAY_S}.0",
            "CommittedTime": 5 * DAY_S,
        }
        records.append(completed(**{**SOURCE, **times}) + banner(number, end_s=end_s))
    history = tmp_path / "history"
    history.write_text("".join(records))
    run(tmp_path / "ledger", history)
    found = rows(tmp_path / "ledger")
    ends = [int(row["ended_at"].timestamp()) for row in found]
    assert ends == [END_S + number * 60 for number in range(1, 6)]
    assert [row["contradictions"] for row in found] == [[]] * 5
