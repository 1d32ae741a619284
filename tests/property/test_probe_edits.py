"""No single edit of an owner makes a job free, cheaper, or moves it, unnamed."""

import dataclasses

import pytest
from hypothesis import given

from poolmeter.config import Config
from poolmeter.record import JobRecord
from poolmeter.units import BYTES_PER_MIB
from probe.history_file import RawRecord
from probe.normalise.job import Normalised
from probe.normalise.times import QUIET_LIMIT_S
from probe.reader import read
from tests.ads import DAY_S, END_S, NOW, SCHEDD, Value, ad_text, completed
from tests.property.strategies import BASES, EDITABLE, edits

#: Ends of the jobs before and after, as they stand in the same file.
BEFORE_S = (END_S - 1200, END_S - 600)
AFTER_S = (END_S + 600, END_S + 1200)


def neighbour(cluster: int, end_s: int) -> str:
    """Return the ad of another job, which ended at *end_s*."""
    return completed(
        ClusterId=cluster,
        GlobalJobId=f'"ap.example.org#{cluster}.0#{end_s - 9000}"',
        QDate=end_s - 9000,
        JobStartDate=end_s - 7200,
        JobCurrentStartDate=end_s - 7200,
        CompletionDate=end_s,
        EnteredCurrentStatus=end_s,
    )


BEFORE = [neighbour(100 + n, end_s) for n, end_s in enumerate(BEFORE_S)]
AFTER = [neighbour(200 + n, end_s) for n, end_s in enumerate(AFTER_S)]


def outcomes(ads: list[str]) -> list[Normalised | None]:
    """Return what the reader makes of *ads* in one file; ``None`` is set aside."""
    raws = [RawRecord(0, 0, ad.encode(), b"") for ad in ads]
    found = read(
        raws,
        schedd=SCHEDD,
        config=Config(),
        earliest_s=None,
        now_s=int(NOW.timestamp()),
    )
    results = [outcome.result for outcome in found]
    return [result if isinstance(result, Normalised) else None for result in results]


def price_of(record: JobRecord) -> tuple[object, ...]:
    """Return what a statement's amount and month hang on."""
    return (
        record.billable,
        record.cpus_milli,
        record.gpus,
        record.ended_at.strftime("%Y-%m"),
    )


def memory_of(record: JobRecord) -> int:
    """Return the memory that is priced; an owner may ask for a dearer job."""
    return record.memory_provisioned_bytes or record.memory_requested_bytes or 0


@pytest.mark.parametrize("name", EDITABLE)
@pytest.mark.parametrize("base", BASES)
@given(value=edits())
def test_no_single_edit_changes_what_a_job_costs_unnamed(
    base: str, name: str, value: Value
) -> None:
    (true,) = outcomes([ad_text(BASES[base])])
    found = outcomes([*BEFORE, ad_text(BASES[base], **{name: value}), *AFTER])[2]
    assert true is not None
    if found is None or found.record.contradictions or name in found.warnings:
        return
    assert price_of(true.record) == price_of(found.record)
    assert memory_of(found.record) >= memory_of(true.record) - BYTES_PER_MIB
    assert (found.record.wall_s or 0) >= (true.record.wall_s or 0)


@pytest.mark.parametrize("name", EDITABLE)
@pytest.mark.parametrize("base", BASES)
@given(value=edits())
def test_no_single_edit_makes_a_job_unbillable(
    base: str, name: str, value: Value
) -> None:
    found = outcomes([*BEFORE, ad_text(BASES[base], **{name: value}), *AFTER])[2]
    assert found is None or found.record.billable


@pytest.mark.parametrize("name", EDITABLE)
@given(value=edits())
def test_no_single_edit_moves_a_job_far_or_out_of_its_month_unnamed(
    name: str, value: Value
) -> None:
    """An end before its neighbours or long after them is replaced, a late one named."""
    for base in BASES.values():
        found = outcomes([*BEFORE, ad_text(base, **{name: value}), *AFTER])[2]
        if found is None:
            continue
        moved_s = found.record.ended_at.timestamp() - END_S
        assert -DAY_S - 1200 <= moved_s <= QUIET_LIMIT_S
        if not -DAY_S - 1200 <= moved_s <= DAY_S + 1200:
            assert "end_outside_neighbours" in found.record.contradictions


@given(value=edits())
def test_no_edit_of_one_job_changes_another_ones_row(value: Value) -> None:
    for base in BASES.values():
        honest = outcomes([*BEFORE, ad_text(base), *AFTER])
        ad = ad_text(base, EnteredCurrentStatus=value)
        found = outcomes([*BEFORE, ad, *AFTER])
        others = [0, 1, 3, 4]
        assert records(honest, others) == records(found, others)


def records(found: list[Normalised | None], at: list[int]) -> list[object]:
    """Return the records at some places as plain data."""
    return [(n := found[i]) and dataclasses.asdict(n.record) for i in at]


@pytest.mark.parametrize("name", ["RemoteWallClockTime", "CpusProvisioned"])
@given(value=edits())
def test_no_edit_of_time_or_cpus_makes_a_job_free_of_cost(
    name: str, value: Value
) -> None:
    """What cannot be read is unknown and shown as that; 0 is no way out."""
    for base in BASES.values():
        found = outcomes([*BEFORE, ad_text(base, **{name: value}), *AFTER])[2]
        assert found is None or found.record.cpus_milli
