"""What a statement says of its own gaps: unknown traffic, no price, contradictions."""

from pathlib import Path
from typing import Any

from poolmeter.ledger.gaps import Gap, add_gaps
from reports.statement import statement
from reports.statement_data import Statement
from tests.unit.reports_ledger import GB, book, job, utc, write_ledger


def _statement(ledger: Path) -> Statement:
    result = statement(ledger, "2026-10", book=book())
    assert result.reconciliation.difference == 0
    return result


def test_unknown_network_is_never_a_price_of_zero(tmp_path: Path) -> None:
    unknown: dict[str, Any] = {
        "network_outgoing_external_bytes": None,
        "network_trust": "missing",
        "network_missing_reason": "no collector",
    }
    known = {"network_outgoing_external_bytes": 200 * GB}
    ledger = write_ledger(
        tmp_path,
        job(vo="dark", **unknown),
        job(vo="half", **unknown),
        job(vo="half", **known),
        job(vo="full", **known),
    )

    result = _statement(ledger)
    lines = {line.key: line for line in result.lines}

    assert lines["dark"].network_cost is None
    assert lines["dark"].to_json()["network_cost"] is None
    assert str(lines["half"].network_cost) == "9.00"
    assert result.coverage.incomplete_lines == ("half", "dark")
    assert lines["full"].network_complete
    assert (result.coverage.jobs_with_network, result.coverage.jobs) == (2, 4)
    assert result.coverage.missing == {"no collector": 2}
    assert result.coverage.is_lower_bound


def test_partial_counts_are_a_lower_bound(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job(network_trust="partial"))

    assert _statement(ledger).coverage.incomplete_lines == ("cms",)


def test_what_has_no_price_stands_aside_with_its_reason(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(cpus_milli=64_000),
        job(gpus=1),
        job(cpus_milli=None),
        job(wall_s=None),
        job(wall_s=-5),
        job(billable=False, unbilled_reason="universe 7", wall_s=7200),
        job(),
    )

    result = _statement(ledger)

    assert {(a.reason, a.jobs, a.wall_s) for a in result.unpriced} == {
        ("no_type_large_enough", 1, 3600),
        ("no_type_with_gpus", 1, 3600),
        ("cpus_unknown", 1, 3600),
        ("wall_time_unknown", 2, 0),
    }
    assert [(a.reason, a.jobs, a.wall_s) for a in result.unbilled] == [
        ("universe 7", 1, 7200)
    ]
    assert (result.totals.jobs, str(result.totals.compute_cost)) == (1, "0.05")
    told = result.to_json()["reconciliation"]
    assert (told["jobs_in_ledger"], told["jobs_priced"]) == (7, 1)
    assert (told["jobs_unpriced"], told["jobs_unbilled"]) == (5, 1)
    assert told["wall_s_in_ledger"] == 4 * 3600 + 7200


def test_contradictory_jobs_are_charged_and_shown_by_name(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(time_trust="contradicted", contradictions=["wall_too_long", "qdate_far"]),
        job(time_trust="contradicted", contradictions=["qdate_far"], wall_s=0,
            billable=False, unbilled_reason="never started"),
        job(),
    )  # fmt: skip

    trust = _statement(ledger).trust

    assert {name: a.jobs for name, a in trust.contradictions.items()} == {
        "qdate_far": 2, "wall_too_long": 1
    }  # fmt: skip
    assert [(j.job, j.owner, j.contradictions) for j in trust.contradicted_jobs] == [
        ("ap1#1.0", "alice", ("wall_too_long", "qdate_far")),
        ("ap1#1.1", "alice", ("qdate_far",)),
    ]
    assert {name: a.jobs for name, a in trust.time.items()} == {
        "consistent": 1, "contradicted": 2
    }  # fmt: skip
    assert {name: a.jobs for name, a in trust.network.items()} == {"signed": 2}


def test_gaps_of_the_month_are_shown(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())
    inside = Gap("ap1", "history", "rotated away", utc("2026-09-30"), utc("2026-10-01"))
    outside = Gap("ap1", "history", "older", utc("2026-09-01"), utc("2026-09-30"))
    add_gaps(ledger, [inside, outside])

    result = _statement(ledger)

    assert [gap.reason for gap in result.coverage.gaps] == ["rotated away"]
    assert result.to_json()["coverage"]["gaps"][0]["to_at"] == "2026-10-01T00:00:00Z"
    assert result.coverage.is_lower_bound
