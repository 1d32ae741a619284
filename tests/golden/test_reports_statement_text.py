"""One statement in full, as a person sees it."""

from pathlib import Path
from typing import Any

from poolmeter.ledger.gaps import Gap, add_gaps
from reports.render_text import render_text
from reports.statement import statement
from tests.unit.reports_ledger import GB, book, job, utc, write_ledger

_EXPECTED = """\
Statement 2026-10 by vo, showback in USD: what this use would cost at three-types.
VO         Jobs  Wall h  Core h   CPU  WAN out  WAN in  Compute     Network       Total
───────────────────────────────────────────────────────────────────────────────────────
cms           2    34.0    64.0  91 %  12.0 TB  5.0 GB     2.74    1,062.20    1,064.94
atlas         2    90.0    90.0     -   1.0 TB       -     4.32     ≥ 81.00     ≥ 85.32
(unknown)     0    12.0    12.0  83 %      0 B       -     0.58        0.00        0.58

total         4   136.0   166.0  90 %  13.0 TB  5.0 GB     7.64  ≥ 1,143.20  ≥ 1,150.84

where     unknown resource: 4 jobs, 136.0 wall h, 13.0 TB WAN out, 5.0 GB WAN in, - LAN,
          ≥ 1,150.84 USD
in vain   0.0 wall h of 136.0 (0.0 %), 0.00 USD
unpriced  1 job, 1.0 wall h, 0 B WAN out: no type with gpus
unbilled  1 job, 0.0 wall h, 0 B WAN out: never started
network   known for 4 of 5 jobs (80.0 %) and 92.6 % of the wall time; missing or
          partial: no collector: 1; ≥ marks a lower bound
trust     network signed 4 jobs (127.0 h), missing 1 job (10.0 h); times consistent 5
          jobs (136.0 h), contradicted 1 job (1.0 h)
suspect   cpus_below_machine: 1 job (1.0 h)
suspect   job ap1#1.5 of alice (1.0 h): cpus_below_machine
GAP       records of ap1 may be missing from 2026-10-30 12:00 to 2026-11-02 06:00 UTC
          (/var/lib/condor/spool/history): rotated away
prices    three-types, sha256 9cdc7323cf52; a slot's cpu is 1 vCPU; kB to PB are powers
          of ten; months are UTC
ledger    6 jobs = 4 priced + 1 unbilled + 1 unpriced; seconds and bytes agree as well;
          difference 0; charged by 0 run records and 6 job rows
"""


def test_a_statement_reads_as_it_always_did(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        _hours(30, network_outgoing_external_bytes=12_000 * GB, cpus_milli=2000,
               cpu_user_ms=200_000_000, network_incoming_external_bytes=5 * GB),
        _hours(4, cpu_user_ms=10_000_000),
        _hours(80, vo="atlas", network_outgoing_external_bytes=1_000 * GB),
        _hours(10, vo="atlas", network_outgoing_external_bytes=None,
               network_trust="missing", network_missing_reason="no_collector"),
        _hours(12, vo="unknown", owner="bob", ended_at=utc("2026-11-03 00:00"),
               cpu_user_ms=36_000_000),
        _hours(1, gpus=1, time_trust="contradicted",
               contradictions=["cpus_below_machine"]),
        _hours(0, billable=False, unbilled_reason="never_started", runs=0),
    )  # fmt: skip
    gap = Gap("ap1", "/var/lib/condor/spool/history", "rotated away",
              utc("2026-10-30 12:00"), utc("2026-11-02 06:00"))  # fmt: skip
    add_gaps(ledger, [gap])

    text = render_text(statement(ledger, "2026-10", book=book()), 88)

    assert text == _EXPECTED


def _hours(hours: int, **changes: object) -> dict[str, Any]:
    """Return a job that ran for *hours* from 2 October on."""
    wall_s = hours * 3600
    row = job(
        last_started_at=utc("2026-10-02 10:00"),
        ended_at=utc("2026-10-09 00:00"),
        wall_s=wall_s,
        last_run_wall_s=wall_s,
    )
    row |= changes
    return row | {"core_ms": wall_s * (row["cpus_milli"] or 0)}
