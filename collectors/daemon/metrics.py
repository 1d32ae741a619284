"""Metrics for the textfile collector of Prometheus' node exporter."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from collectors.daemon.node import Node, Phase
from collectors.daemon.set_up import refusal_of
from collectors.links.conntrack import headroom
from collectors.traffic import Count
from poolmeter.durable import replacing
from poolmeter.errors import LedgerError

FILE_MODE = 0o644
PREFIX = "poolmeter_node"

_log = logging.getLogger(__name__)

#: Counters by the event's kind: name, help, and what the label says.
_EVENTS = {
    "set_up": ("attaches_total", "Attaches made and entered", "step"),
    "ended": ("runs_ended_total", "Runs that ended", "how"),
    "unmeasured": ("unmeasured_total", "Jobs that started uncounted", "reason"),
    "restored": ("restores_total", "Rules that were made again", "rules"),
    "failed": ("failures_total", "What failed and is tried again", "what"),
    "left_over": ("left_over_total", "Processes left at a run's end", "kind"),
}


def write_metrics(path: Path, node: Node) -> None:
    """Replace the file of metrics; what fails is logged: metrics stop no job."""
    text = "\n".join(metric_lines(node)) + "\n"
    try:
        with replacing(path, mode=FILE_MODE) as temporary:
            temporary.write_text(text, "ascii")
    except LedgerError as error:
        _log.error("no metrics: %s", error)


def metric_lines(node: Node) -> Iterator[str]:
    """Yield the lines of Prometheus' text format."""
    live = sum(a.phase is Phase.ENTERED for a in node.attaches.values())
    yield from _gauge("runs", "Measured runs now", live)
    measuring = int(refusal_of(node) is None)
    yield from _gauge("measuring", "1 if new jobs are measured", measuring)
    yield from _gauge("slots_free", "Slots that are free", node.slots.free)
    yield from _gauge("journal_waiting", "Lines not durable", node.journal.waiting)
    yield from _conntrack(node)
    yield from _bytes(node)
    for what, (name, meaning, label) in _EVENTS.items():
        yield f"# HELP {PREFIX}_{name} {meaning}"
        yield f"# TYPE {PREFIX}_{name} counter"
        for (event, which), number in sorted(node.events.items()):
            if event == what:
                yield f'{PREFIX}_{name}{{{label}="{which}"}} {number}'


def _gauge(name: str, meaning: str, value: int) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {meaning}"
    yield f"# TYPE {PREFIX}_{name} gauge"
    yield f"{PREFIX}_{name} {value}"


def _conntrack(node: Node) -> Iterator[str]:
    room = headroom(os.cpu_count() or 1, node.settings.flows_per_job)
    if room is not None:
        yield from _gauge("conntrack_entries", "Entries in use", room.in_use)
        yield from _gauge("conntrack_limit", "Entries at most", room.limit)
        yield from _gauge(
            "conntrack_needed", "Entries that a job on each core may need", room.needed
        )


def _bytes(node: Node) -> Iterator[str]:
    """Yield what was counted since the table was made; and by spoofed sources."""
    reading = node.last_reading
    if reading is None:
        return
    yield f"# HELP {PREFIX}_ip_bytes_total IP bytes of all jobs"
    yield f"# TYPE {PREFIX}_ip_bytes_total counter"
    for direction, count in reading.total.items():
        label = f'direction="{direction.value}"'
        yield f"{PREFIX}_ip_bytes_total{{{label}}} {count.ip_bytes}"
    spoofed = sum(reading.spoofed.values(), Count())
    yield from _gauge("spoofed_packets", "By live runs, dropped", spoofed.packets)


def remove_metrics(path: Path) -> None:
    """Delete the file, so that nobody takes it for the present."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
