"""The source ``epoch``: the runs of jobs, as JOB_EPOCH_HISTORY has them.

The file looks like a job history and is rotated like one.  Shadows write into it, and
one that holds a rotated file open still does so.  Beside runs it takes records of
other kinds, of transfers for example, which are counted by name and skipped.
"""

from collections.abc import Iterator

from poolmeter.ledger.tables import RUNS, MergedTable
from probe.banner import JOB, parse_banner
from probe.history_file import HistoryFile, RawRecord, not_history
from probe.history_source import HistorySource
from probe.reading import Reading


class EpochSource(HistorySource):
    """Finds what is new in one epoch history."""

    knob = "JOB_EPOCH_HISTORY"

    @property
    def table(self) -> MergedTable:
        """Runs."""
        return RUNS

    def _refuse_other_kind(self, file: HistoryFile, first: RawRecord) -> None:
        """Refuse a history of jobs."""
        kind = parse_banner(first.banner.decode("utf-8", "replace")).kind
        if kind == JOB:
            found = "a history of jobs, none of runs"
            raise not_history(file.path, found=found, knob=self.knob)

    def _reading_without_banner(self, file: HistoryFile) -> Iterator[Reading]:
        """Leave a file whose first record is still being written; refuse any other."""
        file.refuse_stranger()
        yield from ()
