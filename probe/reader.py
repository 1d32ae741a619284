"""The reference reader: classad2 on each ad.  Slow, simple, and the oracle of tests.

From raw records to outcomes: a normalised job, a record set aside with its reason,
or a record of a kind that is no job.
"""

import dataclasses
from collections.abc import Iterable, Iterator

from poolmeter import attributes as names
from poolmeter.config import Config
from probe.banner import JOB, Banner, parse_banner
from probe.history_file import RawRecord
from probe.job_ad import JobAd, UnreadableAdError, parse_ad
from probe.normalise.job import Normalised, NotAJobError, normalise
from probe.normalise.times import NEIGHBOUR_SLACK_S, Surroundings, may_linger


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be read: the kind of fault, and the detail."""

    kind: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is no job, such as ``INPUT`` or ``SPAWN`` of a plugin."""

    kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record, and the reliable end to hold the next one against."""

    raw: RawRecord
    result: Normalised | Rejected | Skipped
    earliest_s: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Parsed:
    raw: RawRecord
    banner: Banner | None
    ad: JobAd | None
    fault: Rejected | Skipped | None

    @property
    def prompt_end_s(self) -> int | None:
        """When the job entered its last status, if it was written soon after that."""
        if self.ad is None or may_linger(self.ad):
            return None
        return self.ad.integer(names.ENTERED_CURRENT_STATUS) or None


def read(
    records: Iterable[RawRecord],
    *,
    schedd: str,
    config: Config,
    earliest_s: int | None,
    now_s: int,
) -> Iterator[Outcome]:
    """Yield the outcome of each record, in order, none left out.

    Args:
        records: Records of one file, in the file's order.
        schedd: Name of the schedd.
        config: As for :func:`probe.normalise.job.normalise`.
        earliest_s: The last reliable end before the first of *records*.
        now_s: The time of reading, in Unix seconds.
    """
    for parsed, following in _with_next(map(_parse, records)):
        next_s = following.prompt_end_s if following else None
        if next_s is not None and next_s < (earliest_s or 0) - NEIGHBOUR_SLACK_S:
            next_s = None  # the next record's own word cannot be relied on
        around = Surroundings(
            earliest_s=earliest_s,
            latest_s=now_s if next_s is None else min(next_s, now_s),
            written_s=parsed.banner.integer("CurrentTime") if parsed.banner else None,
        )
        result = _result(parsed, schedd, config, around)
        earliest_s = _later(earliest_s, parsed, result)
        yield Outcome(parsed.raw, result, earliest_s)


def _with_next(items: Iterator[_Parsed]) -> Iterator[tuple[_Parsed, _Parsed | None]]:
    """Yield each item with the one after it; the last one with ``None``."""
    current = next(items, None)
    while current is not None:
        following = next(items, None)
        yield current, following
        current = following


def _parse(raw: RawRecord) -> _Parsed:
    banner = parse_banner(_text(raw.banner)) if raw.banner else None
    if banner is not None and banner.kind != JOB:
        return _Parsed(raw, banner, None, Skipped(banner.kind))
    try:
        return _Parsed(raw, banner, parse_ad(_text(raw.ad)), None)
    except UnreadableAdError as error:
        return _Parsed(raw, banner, None, Rejected("unreadable ad", str(error)))


def _text(raw: bytes) -> str:
    r"""Return *raw* as text; bytes that are no UTF-8 become visible as ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def _result(
    parsed: _Parsed, schedd: str, config: Config, around: Surroundings
) -> Normalised | Rejected | Skipped:
    if parsed.ad is None:
        return parsed.fault or Rejected("unreadable ad", "no ad")
    try:
        return normalise(
            parsed.ad,
            banner=parsed.banner,
            schedd=schedd,
            config=config,
            around=around,
        )
    except NotAJobError as error:
        return Rejected("no record of an ended job", str(error))


def _later(
    earliest_s: int | None, parsed: _Parsed, result: Normalised | Rejected | Skipped
) -> int | None:
    """Return the latest reliable end, *result*'s own included if it is one."""
    if not isinstance(result, Normalised) or parsed.prompt_end_s is None:
        return earliest_s
    if "end_outside_neighbours" in result.record.contradictions:
        return earliest_s
    ended_s = int(result.record.ended_at.timestamp())
    return max(earliest_s or 0, ended_s)
