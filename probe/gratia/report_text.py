"""What a run did and how things stand, as lines for people and as plain data."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from poolmeter.units import size_text
from probe.gratia.run import GratiaReport
from probe.gratia.send import Sent
from probe.gratia.status import Status

_SHOWN = 5


def summary_line(report: GratiaReport) -> str:
    """Return one line that says what a run did."""
    frozen = report.frozen
    text = f"{frozen.records:,} records frozen in {frozen.bundles:,} bundles"
    if report.mode == "shadow":
        return f"{text}; shadow: nothing is sent"
    if report.sent is None:
        return f"{text}; not sent: the next try is at {_time(report.retry_at)}"
    return f"{text}; {report.sent.records:,} records sent"


def note_lines(report: GratiaReport) -> Iterator[str]:
    """Yield a line for each thing that makes a run end with another code than 0."""
    sent = report.sent or Sent()
    for reason, count in sorted((report.frozen.set_aside + sent.set_aside).items()):
        yield (
            f"set aside: {count:,} x {reason}; `poolmeter gratia status` names the "
            "files"
        )
    for day, count in sorted(report.frozen.late.items()):
        if count:
            yield (
                f"not reported: {count:,} jobs of {day}, whose names are not kept any "
                "more; they are in the ledger"
            )
    if report.frozen.is_full:
        yield (
            "the outbox is full: further records wait in the ledger, nothing is "
            "dropped; let the server have it, or raise [gratia] size_limit_mb"
        )
    if sent.failure:
        yield (
            f"not delivered: {sent.failure}; what is due is kept and sent again, the "
            f"next try is at {_time(report.retry_at)}"
        )


def report_data(report: GratiaReport) -> dict[str, Any]:
    """Return *report* as plain data, ready for JSON."""
    sent = report.sent or Sent()
    return {
        "mode": report.mode,
        "records_frozen": report.frozen.records,
        "bundles_frozen": report.frozen.bundles,
        "records_sent": sent.records,
        "bundles_sent": sent.bundles,
        "records_set_aside": dict(report.frozen.set_aside + sent.set_aside),
        "rows_late": {str(day): n for day, n in report.frozen.late.items() if n},
        "outbox_is_full": report.frozen.is_full,
        "failure": sent.failure,
        "retry_at": _iso(report.retry_at),
    }


def status_lines(status: Status) -> Iterator[str]:
    """Yield *status* as lines."""
    server = status.server
    yield f"mode         {status.mode}, server {status.url or 'not set'}"
    yield (
        f"due          {status.due_bundles:,} bundles, {size_text(status.due_bytes)}, "
        f"the oldest {dt.timedelta(seconds=status.oldest_due_s)} old"
    )
    yield (
        f"delivered    {server.delivered_records:,} records in "
        f"{server.delivered_bundles:,} bundles, last {_time(server.last_success_at)}"
    )
    if server.failures:
        yield (
            f"failing      {server.failures:,} runs in a row, next try "
            f"{_time(server.retry_at)}: {server.failure}"
        )
    yield (
        f"outbox       {size_text(status.outbox_bytes)} of "
        f"{size_text(status.limit_bytes)}"
    )
    yield f"quarantine   {status.quarantined_records:,} records"
    for bundle in status.quarantined:
        yield f"  {bundle.path}: {bundle.records:,} x {bundle.reason}"
    if status.late_rows:
        yield (
            f"late         {status.late_rows:,} jobs came when their days' names were "
            "not kept any more; they are not reported"
        )
    yield f"corrected    {len(status.corrections):,} jobs since their records were made"
    for correction in status.corrections[:_SHOWN]:
        yield (
            f"  {correction.schedd} {correction.job_id}: revision "
            f"{correction.frozen_revision} is reported, {correction.revision} is in "
            "the ledger"
        )
    if len(status.corrections) > _SHOWN:
        yield "  … --format json names all"


def status_data(status: Status) -> dict[str, Any]:
    """Return *status* as plain data, ready for JSON."""
    server = status.server
    return {
        "mode": status.mode,
        "url": status.url,
        "due_bundles": status.due_bundles,
        "due_bytes": status.due_bytes,
        "oldest_due_s": status.oldest_due_s,
        "delivered_records": server.delivered_records,
        "delivered_bundles": server.delivered_bundles,
        "last_success_at": _iso(server.last_success_at),
        "failures": server.failures,
        "failure": server.failure if server.failures else None,
        "retry_at": _iso(server.retry_at),
        "outbox_bytes": status.outbox_bytes,
        "limit_bytes": status.limit_bytes,
        "quarantined": [
            {"file": str(bundle.path), "records": bundle.records, "why": bundle.reason}
            for bundle in status.quarantined
        ],
        "late_rows": status.late_rows,
        "corrections": [
            {
                "schedd": correction.schedd,
                "job": correction.job_id,
                "frozen_revision": correction.frozen_revision,
                "revision": correction.revision,
            }
            for correction in status.corrections
        ],
    }


def _time(moment: dt.datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
