"""Our usage records beside those of the official probe: jobs, wall and CPU time.

Sums are by VO and day of the end; single jobs are matched by their name, so that each
difference of the sums has the jobs that make it.  Two equal copies of one record count
once, as GRACC counts them.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from poolmeter.errors import ExitCode
from probe.gratia.foreign_record import ForeignRecord, ForeignXmlError, records_in
from probe.gratia.record_files import RecordFile, record_files

#: A day of ends and a VO; no day for records without an end.
Line = tuple[dt.date | None, str]

#: Told of each file that was read.
Progress = Callable[[RecordFile], None]

#: The official probe rounds each of its times; so much a job is no difference.
TOLERANCE_MS = 1000

#: Folders of our outbox with what is not to be sent.
NOT_SENT = ("making", "quarantine")

DIFFERENCES = (
    "only official",
    "only ours",
    "no end in official",
    "another end",
    "another VO",
    "another wall time",
    "another CPU time",
)


@dataclasses.dataclass(slots=True)
class Sums:
    """What the records of one line come to; what a record lacks adds nothing."""

    jobs: int = 0
    wall_ms: int = 0
    cpu_ms: int = 0

    def is_near(self, other: "Sums") -> bool:
        """Whether *other* has as many jobs and, but for rounding, the same times."""
        room_ms = TOLERANCE_MS * self.jobs
        return (
            self.jobs == other.jobs
            and abs(self.wall_ms - other.wall_ms) <= room_ms
            and abs(self.cpu_ms - other.cpu_ms) <= room_ms
        )

    def add(self, record: ForeignRecord) -> None:
        """Count *record* in."""
        self.jobs += record.jobs
        self.wall_ms += record.wall_ms or 0
        self.cpu_ms += record.cpu_ms or 0


@dataclasses.dataclass(slots=True)
class Side:
    """The records of one side."""

    lines: dict[Line, Sums] = dataclasses.field(default_factory=dict)
    by_job: dict[str, list[ForeignRecord]] = dataclasses.field(default_factory=dict)
    records: int = 0
    repeated: int = 0
    outside: int = 0
    unreadable: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Comparison:
    """Both sides, and the jobs in which they differ, by kind of difference."""

    official: Side
    ours: Side
    differing: dict[str, list[str]]

    def lines(self) -> Iterator[tuple[Line, Sums, Sums]]:
        """Yield each line with the official sums and ours, by day, then VO."""
        both = self.official.lines.keys() | self.ours.lines.keys()
        for line in sorted(both, key=lambda line: (line[0] or dt.date.min, line[1])):
            yield (
                line,
                self.official.lines.get(line, Sums()),
                self.ours.lines.get(line, Sums()),
            )

    @property
    def exit_code(self) -> ExitCode:
        """3 when anything differs or could not be read."""
        is_equal = not (
            any(self.differing.values())
            or self.official.unreadable
            or self.ours.unreadable
        )
        return ExitCode.DONE if is_equal else ExitCode.SET_ASIDE


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """Which ends are compared: from *since*, before *until*; ``None`` has no limit."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def holds(self, record: ForeignRecord) -> bool:
        """Whether *record* is compared; one without an end always is."""
        at = record.ended_at
        if at is None:
            return True
        return (self.since is None or at >= self.since) and (
            self.until is None or at < self.until
        )


def compare(
    official: Path,
    ours: Path,
    period: Period = Period(),
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Return how the records below the folder *ours* differ from those of *official*.

    Only ends within *period* are compared, and official records without an end.
    """
    sides = (
        read_side(record_files(official), period, progress=progress),
        read_side(record_files(ours, without=NOT_SENT), period, progress=progress),
    )
    return Comparison(*sides, differing=_differing(*sides))


def read_side(
    files: Iterable[RecordFile], period: Period, *, progress: Progress | None = None
) -> Side:
    """Return the records of *files* that lie in *period*."""
    side = Side()
    seen: set[ForeignRecord] = set()
    for file in files:
        if progress is not None:
            progress(file)
        for record in _records(file, side):
            if record in seen:
                side.repeated += 1
            elif period.holds(record):
                _add(side, record)
            else:
                side.outside += 1
            seen.add(record)
    return side


def _records(file: RecordFile, side: Side) -> list[ForeignRecord]:
    """Return the records of *file*; one that cannot be read is kept with its reason."""
    if file.xml is None:
        side.unreadable.append(f"{file.where}: {file.fault}")
        return []
    try:
        return list(records_in(file.xml))
    except ForeignXmlError as error:
        side.unreadable.append(f"{file.where}: {error}")
        return []


def _add(side: Side, record: ForeignRecord) -> None:
    day = record.ended_at.date() if record.ended_at else None
    side.lines.setdefault((day, record.vo), Sums()).add(record)
    side.by_job.setdefault(record.job, []).append(record)
    side.records += 1


def _differing(official: Side, ours: Side) -> dict[str, list[str]]:
    """Return the names of the differing jobs by the first difference that they have."""
    differing: dict[str, list[str]] = {kind: [] for kind in DIFFERENCES}
    for job in sorted(official.by_job.keys() | ours.by_job.keys()):
        kind = _difference(official.by_job.get(job), ours.by_job.get(job))
        if kind is not None:
            differing[kind].append(job)
    return differing


def _difference(
    official: list[ForeignRecord] | None, ours: list[ForeignRecord] | None
) -> str | None:
    """Return how two sides of one job differ, or ``None``."""
    if ours is None:
        return "only official"
    if official is None:
        return "only ours"
    one, other = _job(official), _job(ours)
    if one.ended_at is None and other.ended_at is not None:
        return "no end in official"
    for kind, is_equal in (
        ("another end", one.ended_at == other.ended_at),
        ("another VO", one.vo == other.vo),
        ("another wall time", _is_near(one.wall_ms, other.wall_ms)),
        ("another CPU time", _is_near(one.cpu_ms, other.cpu_ms)),
    ):
        if not is_equal:
            return kind
    return None


def _is_near(one_ms: int | None, other_ms: int | None) -> bool:
    if one_ms is None or other_ms is None:
        return one_ms == other_ms
    return abs(one_ms - other_ms) <= TOLERANCE_MS


def _job(records: list[ForeignRecord]) -> ForeignRecord:
    """Return the records of one job (one a run, perhaps) as one."""
    if len(records) == 1:
        return records[0]
    ends = [record.ended_at for record in records if record.ended_at is not None]
    return dataclasses.replace(
        records[-1],
        ended_at=max(ends, default=None),
        jobs=sum(record.jobs for record in records),
        wall_ms=sum(record.wall_ms or 0 for record in records),
        cpu_ms=sum(record.cpu_ms or 0 for record in records),
    )
