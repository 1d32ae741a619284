"""All that a statement tells of one month, read from the ledger at one moment."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from poolmeter.errors import LedgerBusyError
from poolmeter.ledger.gaps import Gap, read_gaps
from reports.charge_sums import ChargeSum, sum_charges, sums_in
from reports.engine import Engine, engine_over
from reports.fits import packed_periods
from reports.keys import labels_of
from reports.known_runs import all_files_of, charged_files
from reports.ledger_side import SHOWN_JOBS, contradicted_jobs, ledger_totals
from reports.lines import vo_of
from reports.months import Month
from reports.question import By, Question
from reports.statement_data import COMPARED, ContradictedJob
from reports.use_sums import UseSums, joined, use_sums_in

_TRIES = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A month of all VOs, by the labels that one division of it needs."""

    sums: Sequence[ChargeSum] = ()
    totals: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    contradicted: Sequence[tuple[str, ContradictedJob]] = ()
    gaps: Sequence[Gap] = ()
    use: UseSums = dataclasses.field(default_factory=lambda: UseSums([], []))

    def sums_of(self, vo: str | None) -> list[ChargeSum]:
        """Return the sums of *vo*, or of all."""
        return [charge for charge in self.sums if vo in (None, vo_of(charge))]

    def totals_of(self, vo: str | None) -> dict[str, int]:
        """Return what the ledger holds of *vo*, or in all."""
        total: Counter[str] = Counter(dict.fromkeys(COMPARED, 0))
        for payer, counts in self.totals.items():
            if vo in (None, payer):
                total.update(counts)
        return dict(total)

    def contradicted_of(self, vo: str | None) -> tuple[ContradictedJob, ...]:
        """Return the first contradicted jobs of *vo*, or of all."""
        found = [job for payer, job in self.contradicted if vo in (None, payer)]
        return tuple(found[:SHOWN_JOBS])


def read_facts(question: Question) -> Facts:
    """Return the facts of every VO, read again if the probe wrote in between.

    The ledger is read several times over; all must see the same files.

    Raises:
        LedgerError: A file cannot be read, or they change all the time.
    """
    for _ in range(_TRIES):
        before = _fingerprint(question)
        facts = _read(question)
        if before == _fingerprint(question):
            return facts
    raise LedgerBusyError(
        f"ledger {question.ledger}",
        expected="files that stay as they are while they are read",
        found=f"changes during each of {_TRIES} readings",
        mend="try again when the probe has ended",
    )


def read_sums(question: Question, labels: Sequence[str]) -> list[ChargeSum]:
    """Return the sums of all charges of the month, of every VO, by *labels*.

    Raises:
        LedgerError: A file cannot be read.
        MissingPartError: What the engine needs is not installed.
    """
    month, pricing = question.month, question.pricing
    with charged_files(question.ledger, month) as charged:
        if not charged.jobs:
            return []
        with engine_over(pricing.engine, charged) as engine:
            return sum_charges(
                engine, month, question.periods, pricing.vcpus_per_cpu, labels
            )


def read_payers(question: Question) -> frozenset[str]:
    """Return the VOs whose jobs count or ran in the question's month.

    Raises:
        LedgerError: A file cannot be read.
    """
    with charged_files(question.ledger, question.month) as charged:
        if not charged.jobs:
            return frozenset()
        with engine_over(question.pricing.engine, charged) as engine:
            return payers_of(ledger_totals(engine, question.month))


def payers_of(totals: Mapping[str, Mapping[str, int]]) -> frozenset[str]:
    """Return the VOs in *totals* that have anything.

    >>> sorted(payers_of({"cms": {"jobs": 1}, "lhcb": {"jobs": 0, "wall_s": 0}}))
    ['cms']
    """
    return frozenset(vo for vo, counts in totals.items() if any(counts.values()))


def sum_labels(by: By) -> tuple[str, ...]:
    """Return the labels by which the charges of a statement *by* are summed."""
    trust = ("network_trust", "network_missing_reason", "time_trust")
    return ("site", "vo", *labels_of(by), *trust)


def _read(question: Question) -> Facts:
    """Return the facts that stand in the ledger; with no file there are none."""
    gaps = _gaps_of(question.ledger, question.month)
    with charged_files(question.ledger, question.month) as charged:
        if not charged.jobs:
            return Facts(gaps=gaps)
        with engine_over(question.pricing.engine, charged) as engine:
            return facts_by(engine, question, gaps)


def facts_by(engine: Engine, question: Question, gaps: Sequence[Gap] = ()) -> Facts:
    """Return what *engine* answers, with *gaps*.

    Raises:
        LedgerError: A file cannot be read.
    """
    month, pricing = question.month, question.pricing
    labels = sum_labels(question.by)
    sums: list[ChargeSum] = []
    use: list[UseSums] = []
    for packed in packed_periods(engine, question.periods, pricing.vcpus_per_cpu):
        sums += sums_in(engine, month, packed, labels)
        use.append(use_sums_in(engine, packed, question.by, pricing.own_resources))
    is_contradicted = any(charge.contradictions for charge in sums)
    return Facts(
        sums=sums,
        totals=ledger_totals(engine, month),
        contradicted=contradicted_jobs(engine, month) if is_contradicted else (),
        gaps=gaps,
        use=joined(use),
    )


def _fingerprint(question: Question) -> list[tuple[str, int, int, int]]:
    """Return name, inode, size and time of every file that a statement reads."""
    found = []
    for path in all_files_of(question.ledger, question.month):
        about = path.stat()
        found.append((str(path), about.st_ino, about.st_size, about.st_mtime_ns))
    return found


def _gaps_of(ledger: Path, month: Month) -> list[Gap]:
    """Return the gaps that reach into *month*."""
    return [
        gap
        for gap in read_gaps(ledger)
        if gap.from_at.timestamp() < month.end_s
        and gap.to_at.timestamp() >= month.start_s
    ]
