"""A comparison as lines for people and as data for programs."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from poolmeter.errors import one_line
from poolmeter.units import MS_PER_S, SECONDS_PER_HOUR
from probe.gratia.compare import Comparison, Line, Side, Sums

#: How many names of jobs stand behind each kind of difference.
SHOWN_JOBS = 5

#: What each kind of difference is most often due to.
REASONS = {
    "only official": "the ledger has no such job, its record is not built yet, or it "
    "is in quarantine",
    "only ours": "the official probe set it aside, has not read it yet, or was never "
    "given its history file",
    "no end in official": "a removed job: the official record has no EndTime and no "
    "day's sum has it",
    "another end": "the end was taken from another attribute, or a contradiction was "
    "mended",
    "another VO": "the rules of [vo] give another name than the official probe's map",
    "another wall time": "",
    "another CPU time": "restarted jobs: the official record has the CPU time of the "
    "last run beside the wall time of all",
}

_HEAD = ("day", "VO", "jobs", "ours", "wall h", "ours", "CPU h", "ours", "")


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """Yield the table of sums and what differs, for people."""
    yield from _table(comparison)
    yield ""
    yield from _side_lines("official", comparison.official)
    yield from _side_lines("ours", comparison.ours)
    for kind, jobs in comparison.differing.items():
        if jobs:
            names = ", ".join(one_line(job) for job in jobs[:SHOWN_JOBS])
            more = ", ..." if len(jobs) > SHOWN_JOBS else ""
            why = f" ({REASONS[kind]})" if REASONS[kind] else ""
            yield f"{len(jobs):,} x {kind}{why}: {names}{more}"
    if not any(comparison.differing.values()):
        yield "every job is on both sides with the same end, VO, wall and CPU time"


def _table(comparison: Comparison) -> Iterator[str]:
    rows = [_HEAD, *(_row(*line) for line in comparison.lines())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        texts = (
            text.ljust(width) if column < 2 else text.rjust(width)  # noqa: PLR2004
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(texts).rstrip()


def _row(line: Line, official: Sums, ours: Sums) -> tuple[str, ...]:
    day, vo = line
    return (
        _day(day),
        one_line(vo),
        f"{official.jobs:,}",
        f"{ours.jobs:,}",
        _hours(official.wall_ms),
        _hours(ours.wall_ms),
        _hours(official.cpu_ms),
        _hours(ours.cpu_ms),
        "" if official.is_near(ours) else "differs",
    )


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else "no end"


def _hours(time_ms: int) -> str:
    return f"{time_ms / (MS_PER_S * SECONDS_PER_HOUR):,.2f}"


def _side_lines(name: str, side: Side) -> Iterator[str]:
    facts = [f"{side.records:,} records compared"]
    if side.repeated:
        facts.append(f"{side.repeated:,} repeated ones left out")
    if side.outside:
        facts.append(f"{side.outside:,} outside of the period")
    yield f"{name}: {', '.join(facts)}"
    for fault in side.unreadable:
        yield f"{name}: cannot be read: {one_line(fault)}"


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return *comparison* as plain data, ready for JSON; times are whole milliseconds.

    ``day`` is ``null`` for records without an end.
    """
    return {
        "lines": [
            {
                "day": line[0].isoformat() if line[0] else None,
                "vo": line[1],
                "official": _sums_data(official),
                "ours": _sums_data(ours),
            }
            for line, official, ours in comparison.lines()
        ],
        "differing": comparison.differing,
        "official": _side_data(comparison.official),
        "ours": _side_data(comparison.ours),
    }


def _sums_data(sums: Sums) -> dict[str, int]:
    return {"jobs": sums.jobs, "wall_ms": sums.wall_ms, "cpu_ms": sums.cpu_ms}


def _side_data(side: Side) -> dict[str, Any]:
    return {
        "records": side.records,
        "repeated": side.repeated,
        "outside": side.outside,
        "unreadable": side.unreadable,
    }
