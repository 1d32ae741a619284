"""Make two months of history out of a few minutes of it, by rule.

The demo's jobs run for seconds; this turns their real records into such as a farm
would have. Nothing is drawn at random: the same records give the same files.

* **Moments.** Each submission (a cluster; a DAG with all its nodes) has a clock of its
  own: a moment t becomes ``anchor + (t - QDate) * factor``. The anchors follow each
  other through September and October 2026 in the order of submission; the factor is a
  whole number from 400 to 799. Every number of ten digits that is a moment of the run
  is changed so, also inside GlobalJobId, claim ids, ToE and the banners.
* **Durations** are multiplied by the same factor, so that they agree with the moments.
* **The same moment twice.** The schedd may enter the status "completed" a second before
  the CompletionDate; that second is taken away, not made minutes of.
* **CPU** of vanilla jobs is set: wall time of that run, or of all runs for the
  ``Cumulative`` ones, times cores, times an efficiency that belongs to the job. The
  machine of the run has few cores, and the starter cuts CPU to whole seconds.
* **Memory** (resident and image size) is multiplied by ten, which keeps HTCondor's own
  rounding right.
* **Files.** Records are sorted by the moment they ended. The banners' offsets and the
  rotations are made as the schedd makes them.

What does not hold afterwards: two jobs may have had the same slot at the same time.
"""

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

BEGIN = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
END = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
MOMENT = re.compile(r"\b1\d{9}\b")
# The longest that a run of the demo's pool may take, and a margin.
RUN_S = 12 * 3600
DURATIONS = frozenset(
    {
        *("ActivationDuration", "ActivationExecutionDuration"),
        *("ActivationSetupDuration", "ActivationTeardownDuration"),
        *("CommittedSlotTime", "CommittedSuspensionTime", "CommittedTime"),
        *("CumulativeSlotTime", "CumulativeSuspensionTime"),
        *("LastRemoteWallClockTime", "RemoteWallClockTime"),
        *("RecentStatsLifetimeStarter", "StatsLifetimeStarter"),
    }
)
MEMORY = frozenset(
    {"ImageSize", "ImageSize_RAW", "ResidentSetSize", "ResidentSetSize_RAW"}
)
MEMORY_FACTOR = 10
USER_SHARE = 0.94
# Attribute: the wall time that it belongs to, and its share of the CPU.
CPU = {
    "RemoteUserCpu": ("LastRemoteWallClockTime", USER_SHARE),
    "RemoteSysCpu": ("LastRemoteWallClockTime", 1 - USER_SHARE),
    "CumulativeRemoteUserCpu": ("RemoteWallClockTime", USER_SHARE),
    "CumulativeRemoteSysCpu": ("RemoteWallClockTime", 1 - USER_SHARE),
}
# Octets may look like moments.
KEPT = ("Network", "Poolmeter", "Args")


@dataclass
class Record:
    """One ad of a history file, as lines, and the banner after it."""

    lines: list[str]
    banner: str

    def value(self, name: str) -> str:
        """Return the text of attribute *name*; empty when it is absent."""
        prefix = f"{name} = "
        found = [ln for ln in self.lines if ln.startswith(prefix)]
        return found[-1].removeprefix(prefix) if found else ""

    def number(self, name: str) -> float:
        """Return attribute *name*, 0 when it is absent or no number."""
        text = self.value(name)
        return float(text) if re.fullmatch(r"-?[0-9.]+(E[+-]?\d+)?", text) else 0.0

    def in_banner(self, name: str) -> int:
        """Return the number called *name* in the banner."""
        match = re.search(rf"\b{name} ?= ?(-?\d+)", self.banner)
        return int(match[1]) if match else 0

    @property
    def group(self) -> int:
        """Return the cluster that the job was submitted with: a DAG's is its own."""
        return int(self.number("DAGManJobId")) or self.in_banner("ClusterId")


def parse(text: str) -> list[Record]:
    """Return the records of a history or epoch history file."""
    records: list[Record] = []
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("***"):
            records.append(Record(lines, line))
            lines = []
        else:
            lines.append(line)
    return records


def fraction(*words: object) -> float:
    """Return a number in [0, 1) that depends on *words* alone.

    >>> fraction("anchor", 12) == fraction("anchor", 12) < 1
    True
    """
    return zlib.crc32(" ".join(map(str, words)).encode()) / 2**32


@dataclass(frozen=True)
class Clock:
    """The clock of one submission."""

    queued: int
    anchor: int
    factor: int

    def moment(self, then: int) -> int:
        """Return what becomes of the moment *then*.

        >>> Clock(queued=100, anchor=5000, factor=400).moment(103)
        6200
        """
        return self.anchor + (then - self.queued) * self.factor

    def text(self, text: str) -> str:
        """Return *text* with each moment of the run in it changed."""

        def change(match: re.Match[str]) -> str:
            then = int(match[0])
            near = abs(then - self.queued) < RUN_S
            return str(self.moment(then)) if near else match[0]

        return MOMENT.sub(change, text)


def clocks(history: Iterable[Record]) -> dict[int, Clock]:
    """Return the clock of each group of records, by its cluster."""
    queued: dict[int, int] = {}
    ended: dict[int, int] = {}
    for record in history:
        group, then = record.group, int(record.number("QDate"))
        queued[group] = min(queued.get(group, then), then)
        last = int(record.number("EnteredCurrentStatus"))
        ended[group] = max(ended.get(group, last), last)
    step_s = (END - BEGIN) / max(1, len(queued))
    found = {}
    for number, group in enumerate(sorted(queued, key=lambda g: (queued[g], g))):
        anchor = int(BEGIN + (number + fraction("anchor", group)) * step_s)
        factor = 400 + int(400 * fraction("factor", group))
        # All is over when the second month is.
        latest = END - 1 - (ended[group] - queued[group]) * factor
        anchor = min(anchor, int(latest - 3600 * fraction("late", group)))
        found[group] = Clock(queued[group], anchor, factor)
    return found


def stretch(record: Record, clock: Clock) -> Record:
    """Return *record* as it would be by its group's *clock*."""
    settled = Record([*map(_settle(record), record.lines)], record.banner)
    lines = [_line(line, settled, clock) for line in settled.lines]
    return Record(lines, clock.text(record.banner))


def _settle(record: Record) -> Callable[[str], str]:
    """Return what moves a completed job's last status to its completion."""
    completed = int(record.number("CompletionDate"))
    is_near = 0 < completed - int(record.number("EnteredCurrentStatus")) <= 1

    def settle(line: str) -> str:
        name, _, _ = line.partition(" = ")
        is_moved = is_near and name == "EnteredCurrentStatus"
        return f"{name} = {completed}" if is_moved else line

    return settle


def _line(line: str, record: Record, clock: Clock) -> str:
    name, _, text = line.partition(" = ")
    if name.startswith(KEPT):
        return line
    if name in CPU or name == "CpusUsage":
        return f"{name} = {_cpu(name, text, record, clock)}"
    if name in DURATIONS:
        return f"{name} = {_times(text, clock.factor)}"
    if name in MEMORY:
        return f"{name} = {_times(text, MEMORY_FACTOR)}"
    return f"{name} = {clock.text(text)}"


def _times(text: str, factor: int) -> str:
    """Return a number's text multiplied, in the style it had.

    >>> _times("4.0", 500), _times("4", 500), _times("undefined", 500)
    ('2000.0', '2000', 'undefined')
    """
    if re.fullmatch(r"-?\d+", text):
        return str(int(text) * factor)
    return str(float(text) * factor) if re.fullmatch(r"-?\d+\.\d+", text) else text


def _cpu(name: str, text: str, record: Record, clock: Clock) -> str:
    if record.number("JobUniverse") != 5:
        return text if name == "CpusUsage" else _times(text, clock.factor)
    job = (record.in_banner("ClusterId"), record.in_banner("ProcId"))
    efficiency = 0.99 - 0.6 * fraction("efficiency", *job) ** 3
    cores = record.number("CpusProvisioned") or 1
    if name == "CpusUsage":
        return str(cores * efficiency)
    wall, share = CPU[name]
    return f"{int(record.number(wall) * clock.factor * cores * efficiency * share)}.0"


def write_history(records: Iterable[Record], max_octets: int) -> dict[str, str]:
    """Return the history files by name, rotated before they outgrow *max_octets*.

    *records* are stretched ones. A rotated file is named by the moment of rotation,
    which is when the next record was written.
    """
    files: dict[str, str] = {}
    text, last_banner = "", 0
    ordered = sorted(records, key=lambda r: r.number("EnteredCurrentStatus"))
    for record in ordered:
        body = "\n".join(record.lines) + "\n"
        if text and len(text.encode()) + len(body.encode()) > max_octets:
            ended = datetime.fromtimestamp(record.number("EnteredCurrentStatus"), UTC)
            files[f"history.{ended:%Y%m%dT%H%M%S}"] = text
            text, last_banner = "", 0
        banner = re.sub(r"Offset = \d+", f"Offset = {last_banner}", record.banner)
        last_banner = len((text + body).encode())
        text += f"{body}{banner}\n"
    return files | {"history": text}


def write_epochs(records: Iterable[Record]) -> str:
    """Return the epoch history: stretched *records* in the order of their writing."""
    ordered = sorted(records, key=lambda record: record.in_banner("CurrentTime"))
    return "".join("\n".join([*r.lines, r.banner]) + "\n" for r in ordered)
