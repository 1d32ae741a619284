"""What was read of a ledger, kept for the next statement of the same run.

The statements of all VOs of a month, which a run of mails makes one by one, read the
month once, and each month of their trend once.  So all of a run's statements are of
one moment.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path

from poolmeter.ledger.layout import day_files
from poolmeter.ledger.scan import job_files
from reports.duckdb_connection import connection
from reports.facts import Facts, payers_of, read_facts, read_sums, sum_labels
from reports.line import joined
from reports.month_sums import lines_by_vo
from reports.parquet_names import literal
from reports.question import Question
from reports.reach import earliest_s, earliest_start_s
from reports.statement_data import Line

#: No interval begins earlier than once the wall time before a job's end or last start.
_FIRST_USE = """
SELECT min(least(
    epoch_ms(ended_at)::HUGEINT // 1000,
    coalesce(epoch_ms(last_started_at), epoch_ms(ended_at))::HUGEINT // 1000
) - greatest(coalesce(wall_s, 0), 0)::HUGEINT)
FROM read_parquet($path, hive_partitioning = false)
"""


class Readings:
    """Facts and lines of months, and a ledger's first second; each read once."""

    def __init__(self) -> None:
        self._facts: dict[Hashable, Facts] = {}
        self._lines: dict[Hashable, Mapping[str, tuple[Line, ...]]] = {}
        self._first_use_s: dict[Path, int | None] = {}

    def facts(self, question: Question) -> Facts:
        """Return the facts of the question's month, of all VOs.

        Raises:
            LedgerError: A file cannot be read, or they change all the time.
        """
        key = _key(question)
        if key not in self._facts:
            self._facts[key] = read_facts(question)
        return self._facts[key]

    def lines(self, question: Question) -> tuple[Line, ...]:
        """Return the lines that answer *question*, of a month of the trend.

        Raises:
            LedgerError: A file cannot be read.
        """
        key, by = _key(question), question.by
        if key not in self._lines:
            sums = read_sums(question, sum_labels(by))
            self._lines[key] = lines_by_vo(question, sums, by)
        of_vos = self._lines[key]
        if question.vo is not None:
            return of_vos.get(question.vo, ())
        return joined(line for lines in of_vos.values() for line in lines)

    def payers(self) -> frozenset[str]:
        """Return the VOs with use in the months whose facts have been read."""
        found = [payers_of(facts.totals) for facts in self._facts.values()]
        return frozenset().union(*found)

    def first_use_s(self, ledger: Path) -> int | None:
        """Return a second before which no job of *ledger* held a slot.

        Raises:
            LedgerError: A file cannot be read.
        """
        if ledger not in self._first_use_s:
            self._first_use_s[ledger] = _first_use_s(
                job_files(ledger), day_files(ledger, "runs")
            )
        return self._first_use_s[ledger]


def _key(question: Question) -> Hashable:
    """Return what decides the facts: everything but the one VO that is asked for."""
    pricing = question.pricing
    return (
        question.ledger,
        question.month,
        question.by,
        pricing.book.sha256,
        pricing.vcpus_per_cpu,
        pricing.own_resources,
        pricing.engine,
    )


def _first_use_s(paths: list[Path], runs: list[Path]) -> int | None:
    """Return the least of all files' first seconds.

    Files are read in the order of the bounds in their footers, until no other can
    begin earlier: mostly one or two of them.
    """
    found = min(map(earliest_start_s, runs), default=None)
    with connection() as database:
        for bound_s, path in sorted((earliest_s(path), path) for path in paths):
            if found is not None and found <= bound_s:
                break
            rows = database.execute(_FIRST_USE, {"path": literal(path)}).fetchall()
            (first_s,) = rows[0]
            if first_s is not None:
                found = int(first_s) if found is None else min(found, int(first_s))
    return found
