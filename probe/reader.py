"""The reference reader: classad2 on each ad.  Slow, simple, and the oracle of tests.

From raw records to outcomes: a normalised job, a record set aside with its reason,
or a record of a kind that is no job.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

from poolmeter.config import Config
from probe.banner import JOB, Banner, parse_banner
from probe.history_file import RawRecord
from probe.job_ad import JobAd, UnreadableAdError, parse_ad
from probe.normalise.job import Normalised, NotAJobError, normalise
from probe.normalise.run import NormalisedRun
from probe.normalise.times import (
    NEIGHBOUR_SLACK_S,
    Surroundings,
    last_entered_s,
    may_linger,
)

#: A record is held against so many after it.
FOLLOWING = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be read: the kind of fault, and the detail."""

    kind: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """A record of another kind, such as ``INPUT`` or ``SPAWN``, by its name."""

    kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record, and the reliable end to hold the next one against."""

    raw: RawRecord
    result: Normalised | NormalisedRun | Rejected | Skipped
    earliest_s: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Parsed:
    """A record with its ad, or with the reason why it has none."""

    raw: RawRecord
    banner: Banner | None
    ad: JobAd | None
    fault: Rejected | Skipped | None

    @property
    def prompt_end_s(self) -> int | None:
        """When the job entered its last status, if it was written soon after that."""
        if self.ad is None or may_linger(self.ad):
            return None
        return last_entered_s(self.ad)


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
    for parsed, following in _with_following(map(parse, records)):
        around = Surroundings(
            earliest_s=earliest_s,
            latest_s=_latest(following, now_s),
            written_s=written_s(parsed.banner, now_s),
        )
        outcome = outcome_of(parsed, schedd=schedd, config=config, around=around)
        earliest_s = outcome.earliest_s
        yield outcome


def _with_following(
    items: Iterator[Parsed],
) -> Iterator[tuple[Parsed, Sequence[Parsed]]]:
    """Yield each item with the two after it; the last ones with fewer."""
    window = collections.deque(itertools.islice(items, FOLLOWING))
    for item in items:
        window.append(item)
        yield window.popleft(), tuple(window)
    while window:
        yield window.popleft(), tuple(window)


def _latest(following: Sequence[Parsed], now_s: int) -> int:
    """Return the latest second at which a record was written, by those after it.

    One of them may be edited and say that it ended long before: the later of two is
    not too early.  Where there are not two, the time of reading has to do.
    """
    ends = [parsed.prompt_end_s for parsed in following]
    known = [end for end in ends if end is not None]
    return min(max(known), now_s) if len(known) == FOLLOWING else now_s


def written_s(banner: Banner | None, now_s: int) -> int | None:
    """Return when a record was written, by a banner that can be believed."""
    return believed_s(banner.integer("CurrentTime") if banner else None, now_s)


def believed_s(written_s: int | None, now_s: int) -> int | None:
    """Return *written_s*, the banner's word, if it can be true."""
    if written_s is None or not 0 < written_s <= now_s + NEIGHBOUR_SLACK_S:
        return None
    return written_s


def parse(raw: RawRecord) -> Parsed:
    """Return *raw* parsed; a record of another kind is not looked into."""
    banner = parse_banner(text_of(raw.banner)) if raw.banner else None
    if banner is not None and banner.kind != JOB:
        return Parsed(raw, banner, None, Skipped(banner.kind))
    try:
        return Parsed(raw, banner, parse_ad(text_of(raw.ad)), None)
    except UnreadableAdError as error:
        return Parsed(raw, banner, None, Rejected("unreadable ad", str(error)))


def text_of(raw: bytes) -> str:
    r"""Return *raw* as text; bytes that are no UTF-8 become visible as ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def outcome_of(
    parsed: Parsed, *, schedd: str, config: Config, around: Surroundings
) -> Outcome:
    """Return what becomes of the record *parsed* in its place in the file."""
    result = _result(parsed, schedd, config, around)
    return Outcome(parsed.raw, result, _later(around.earliest_s, parsed, result))


def _result(
    parsed: Parsed, schedd: str, config: Config, around: Surroundings
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
    earliest_s: int | None, parsed: Parsed, result: Normalised | Rejected | Skipped
) -> int | None:
    """Return the latest reliable end, *result*'s own included if it is one."""
    if not isinstance(result, Normalised) or parsed.prompt_end_s is None:
        return earliest_s
    if "end_outside_neighbours" in result.record.contradictions:
        return earliest_s
    ended_s = int(result.record.ended_at.timestamp())
    return max(earliest_s or 0, ended_s)
