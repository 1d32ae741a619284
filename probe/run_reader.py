"""The reference reader of an epoch history: classad2 on each ad.

From raw records to outcomes: a normalised run, a record set aside with its reason, or
a record of a kind that is no run.
"""

from collections.abc import Iterable, Iterator

from poolmeter.config import Config
from probe.banner import EPOCH, parse_banner
from probe.history_file import RawRecord
from probe.job_ad import UnreadableAdError, parse_ad
from probe.normalise.job import NotAJobError
from probe.normalise.run import NormalisedRun, normalise_run
from probe.reader import Outcome, Rejected, Skipped, text_of


def read_runs(
    records: Iterable[RawRecord], *, schedd: str, config: Config
) -> Iterator[Outcome]:
    """Yield the outcome of each of *records*, in order, none left out."""
    for raw in records:
        yield Outcome(raw, _result(raw, schedd, config), None)


def _result(
    raw: RawRecord, schedd: str, config: Config
) -> NormalisedRun | Rejected | Skipped:
    banner = parse_banner(text_of(raw.banner))
    if banner.kind != EPOCH:
        return Skipped(banner.kind)
    try:
        ad = parse_ad(text_of(raw.ad))
    except UnreadableAdError as error:
        return Rejected("unreadable ad", str(error))
    try:
        return normalise_run(ad, banner=banner, schedd=schedd, config=config)
    except NotAJobError as error:
        return Rejected("no record of a run", str(error))
