"""A small site's ledger with all that a statement can tell, names of attackers too."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poolmeter.ledger.gaps import Gap, add_gaps
from reports.price_book_file import PriceBook
from tests.unit.reports_ledger import GB, GIB, book, job, utc, write_ledger

MONTH = "2026-10"

#: What users can write into a job: nothing of it may do anything.
HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd\nBcc: all@example.org",
    '"><img src=x onerror=alert(1)>',
    "\u202eevil $\\frac{1}{0}$ {{ 7*7 }}",
)

_START = utc("2026-10-02 10:00")
_OUT, _IN = "network_outgoing_external_bytes", "network_incoming_external_bytes"
_LAN = "network_incoming_internal_bytes"


_LARGER_TYPES = """
[[instances]]
name = "large.8"
vcpu = 8
memory_mib = 32768
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.384", source = "s" }]

[[instances]]
name = "gpu.1"
vcpu = 4
memory_mib = 16384
accelerators = 1
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.526", source = "s" }]
"""


def sample_book() -> PriceBook:
    """Return the book of three types with a larger one and one with a GPU."""
    first = "[[network.outgoing_external]]"
    return book((first, f"{_LARGER_TYPES}\n{first}"))


def write_sample(ledger: Path) -> Path:
    """Write it and return its path: five VOs, twelve months, every kind of waste."""
    write_ledger(ledger, *_october(), *_earlier())
    gap = Gap("ap1", "/var/lib/condor/spool/history", "rotated away",
              utc("2026-10-30 12:00"), utc("2026-10-31 06:00"))  # fmt: skip
    add_gaps(ledger, [gap])
    return ledger


def _october() -> Iterator[dict[str, Any]]:
    for number in range(60):
        yield _ran(20 + number, vo="cms", owner=f"cms{number % 7:03}", project="Higgs",
                   cpus_milli=8000, memory_provisioned_bytes=16 * GIB,
                   **_bytes(40, 120, 300))  # fmt: skip
    for number in range(40):
        yield _ran(6 + number % 30, vo="atlas", owner=f"atl{number % 3:03}",
                   execute_site="T2_US_Nebraska" if number % 4 else "T3_US_Elsewhere",
                   network_trust="missing", network_missing_reason="no_collector",
                   network_outgoing_external_bytes=None)  # fmt: skip
    for _ in range(12):
        yield _ran(30, vo="icecube", owner="photon", gpus=1, execute_pool="osg.example",
                   memory_provisioned_bytes=12 * GIB, **_bytes(9))  # fmt: skip
    yield from _wasted()
    for name in HOSTILE:
        yield _ran(5, vo=name, owner=name, project=name, job_status="removed",
                   hold_reason=name, hold_reason_code=34, holds=1,
                   last_remote_host=None, **_bytes(1))  # fmt: skip
    yield _ran(0, vo="cms", billable=False, unbilled_reason="never_started", runs=0)
    yield _ran(3, vo="cms", owner="cms001", time_trust="contradicted",
               contradictions=["cpus_below_machine"])  # fmt: skip


def _wasted() -> Iterator[dict[str, Any]]:
    """Yield jobs of which nothing came."""
    for number in range(9):
        yield _ran(12, vo="cms", owner="cms002", exit_code=1 + number % 2)
        yield _ran(4, vo="ligo", owner="gw", job_status="removed", exit_code=None)
        yield _ran(9, vo="ligo", owner="gw", runs=3, last_run_wall_s=2 * 3600)
        yield job(vo="ligo", owner="gw", wall_s=20, last_run_wall_s=20, exit_code=0,
                  last_remote_host="slot1@n1")  # fmt: skip
    for number in range(6):
        reason = f"Job has gone over cgroup memory limit of {2048 + number} megabytes."
        yield _ran(10, vo="cms", owner="cms003", runs=2, last_run_wall_s=3600, holds=1,
                   hold_reason_code=34, hold_reason=reason)  # fmt: skip
    reason = "Transfer input files failure at execution point slot1@n7"
    yield _ran(7, vo="cms", owner="cms004", job_status="removed", exit_code=None,
               holds=1, hold_reason_code=13, hold_reason=reason)  # fmt: skip


def _earlier() -> Iterator[dict[str, Any]]:
    """Yield a job of each VO in the months from November 2025 to September 2026."""
    for number in range(11):
        year, month = divmod(2025 * 12 + 10 + number, 12)
        start = dt.datetime(year, month + 1, 5, tzinfo=dt.UTC)
        for vo, hours in (("cms", 500 - 20 * number), ("ligo", 40 + 9 * number)):
            yield _ran(hours, start=start, vo=vo, cpus_milli=8000,
                       memory_provisioned_bytes=16 * GIB,
                       **_bytes(200 + number * 100))  # fmt: skip


def _bytes(
    out_gb: int, in_gb: int | None = None, lan_gb: int | None = None
) -> dict[str, Any]:
    counts = {_OUT: out_gb, _IN: in_gb, _LAN: lan_gb}
    return {name: None if gb is None else gb * GB for name, gb in counts.items()}


def _ran(hours: int, start: dt.datetime = _START, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a job that ran for *hours* from *start* on, in our own pool."""
    wall_s = hours * 3600
    row = job(
        site="T2_US_Nebraska",
        last_remote_host="slot1_1@node7.example",
        last_started_at=start,
        queued_at=start - dt.timedelta(hours=1),
        ended_at=start + dt.timedelta(seconds=wall_s),
        wall_s=wall_s,
        last_run_wall_s=wall_s,
        exit_code=0,
        benchmark_scaling=1.25,
        memory_peak_bytes=2 * GIB,
    )
    row |= changes
    core_ms = wall_s * row["cpus_milli"]
    return row | {"core_ms": core_ms, "cpu_user_ms": core_ms * 81 // 100}
