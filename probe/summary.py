"""What a run says of itself, as lines for people and as data for programs."""

from collections.abc import Iterator
from typing import Any

from probe.run import RunReport


def summary_line(report: RunReport) -> str:
    """Return one line that says what a run did.

    >>> from probe.run import RunReport
    >>> summary_line(RunReport("ap.example.org"))
    'ap.example.org: 0 records read, 0 jobs new, 0 known already'
    """
    merged, runs = report.merged, report.runs_merged
    line = (
        f"{report.schedd}: {report.read:,} records read, {merged.inserted:,} jobs new, "
        f"{merged.repeated:,} known already"
    )
    if runs.inserted or runs.repeated:
        line += f"; {runs.inserted:,} runs new, {runs.repeated:,} known already"
    return line


def note_lines(report: RunReport) -> Iterator[str]:
    """Yield a line for each thing that makes a run end with exit code 3."""
    for kind, count in sorted(report.set_aside.items()):
        yield f"set aside: {count:,} x {kind}; the bytes are in the quarantine"
    for warning, count in sorted(report.warnings.items()):
        yield f"value left out: {count:,} x {warning}; the jobs are kept"
    if report.merged.conflicts:
        jobs = ", ".join(report.merged.conflicts[:5])
        yield (
            f"conflict: {len(report.merged.conflicts):,} jobs differ from their rows "
            f"in the ledger, which stay ({jobs})"
        )
    if report.runs_merged.conflicts:
        runs = ", ".join(report.runs_merged.conflicts[:5])
        yield (
            f"conflict: {len(report.runs_merged.conflicts):,} runs differ from their "
            f"rows in the ledger, which stay (of jobs {runs})"
        )
    for gap in report.gaps:
        yield (
            f"gap: records of {gap.source} between {gap.from_at:%Y-%m-%d %H:%M:%S} and "
            f"{gap.to_at:%Y-%m-%d %H:%M:%S} UTC may be lost: {gap.reason}"
        )


def as_data(report: RunReport) -> dict[str, Any]:
    """Return *report* as plain data, ready for JSON."""
    return {
        "schedd": report.schedd,
        "records_read": report.read,
        "jobs_inserted": report.merged.inserted,
        "jobs_repeated": report.merged.repeated,
        "jobs_conflicting": list(report.merged.conflicts),
        "runs_inserted": report.runs_merged.inserted,
        "runs_repeated": report.runs_merged.repeated,
        "runs_conflicting": list(report.runs_merged.conflicts),
        "jobs_contradicted": report.contradicted,
        "records_set_aside": dict(report.set_aside),
        "records_of_other_kinds": dict(report.skipped),
        "values_left_out": dict(report.warnings),
        "gaps": [
            {
                "source": gap.source,
                "reason": gap.reason,
                "from_at": gap.from_at.isoformat(),
                "to_at": gap.to_at.isoformat(),
            }
            for gap in report.gaps
        ],
    }
