"""Numbers for the textfile collector of Prometheus' node exporter."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from poolmeter.durable import make_folder, write_text
from probe.gratia.status import Status

_PREFIX = "poolmeter_gratia"
#: The collector runs as another account.
_MODE = 0o644


def write_metrics(path: Path, status: Status) -> None:
    """Replace the file at *path* by the numbers of *status*.

    Raises:
        LedgerError: It cannot be written.
    """
    make_folder(path.parent)
    write_text(path, metrics_text(status), mode=_MODE)


def metrics_text(status: Status) -> str:
    """Return *status* in the text format of Prometheus."""
    lines: list[str] = []
    for name, kind, meaning, value in _metrics(status):
        lines += [
            f"# HELP {_PREFIX}_{name} {meaning}",
            f"# TYPE {_PREFIX}_{name} {kind}",
            f"{_PREFIX}_{name} {value}",
        ]
    return "\n".join(lines) + "\n"


def _metrics(status: Status) -> Iterator[tuple[str, str, str, int]]:
    server = status.server
    yield "due_bundles", "gauge", "Bundles that wait to be sent.", status.due_bundles
    yield "due_bytes", "gauge", "Size of these.", status.due_bytes
    yield (
        *("oldest_due_seconds", "gauge", "Age of the oldest of these, 0 for none."),
        status.oldest_due_s,
    )
    yield (
        *("quarantined_records", "gauge", "Records set aside, still there."),
        status.quarantined_records,
    )
    yield (
        *("quarantined_records_total", "counter", "Records ever set aside."),
        server.quarantined_records,
    )
    yield (
        *("delivered_records_total", "counter", "Records that the server took."),
        server.delivered_records,
    )
    yield (
        *("delivered_bundles_total", "counter", "Bundles that the server took."),
        server.delivered_bundles,
    )
    yield (
        *("late_rows", "gauge", "Jobs that came too late to be reported."),
        status.late_rows,
    )
    yield "server_failures", "gauge", "Failed runs in a row.", server.failures
    yield (
        *("last_success_timestamp_seconds", "gauge", "Last bundle taken, 0 for never."),
        _unix_s(server.last_success_at),
    )
    yield (
        *("last_run_timestamp_seconds", "gauge", "When these numbers were made."),
        _unix_s(status.now),
    )
    yield "outbox_bytes", "gauge", "Size of all bundles.", status.outbox_bytes
    yield "outbox_limit_bytes", "gauge", "The limit of that.", status.limit_bytes


def _unix_s(moment: dt.datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())
