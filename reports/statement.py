"""The monthly statement: one call, data out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from poolmeter.errors import LedgerBusyError, UsageError
from poolmeter.ledger.gaps import Gap, read_gaps
from poolmeter.ledger.scan import job_files
from reports.charges import PRICED, UNBILLED, UNPRICED, charge_batches
from reports.confidence import (
    asides,
    coverage_of,
    memory_unknown,
    totals_of,
    trust_of,
)
from reports.engine import ChargeSum, sum_charges
from reports.ledger_side import contradicted_jobs, ledger_totals
from reports.lines import NO_VO, charged_columns, statement_lines, vo_of
from reports.months import Month, parse_month
from reports.price_book_file import PriceBook
from reports.price_periods import PricePeriod, price_periods, tariffs
from reports.statement_data import (
    UNKNOWN,
    Amount,
    By,
    ContradictedJob,
    Line,
    Reconciliation,
    Statement,
)

_TRIES = 3


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts:
    """All that is read from the ledger, at one moment."""

    sums: list[ChargeSum]
    totals: dict[str, int]
    contradicted: Sequence[ContradictedJob]
    gaps: list[Gap]


def statement(
    ledger: Path,
    month: Month | str,
    *,
    by: By = "vo",
    vo: str | None = None,
    book: PriceBook,
    vcpus_per_cpu: int = 1,
) -> Statement:
    """Return the statement of *month*: what the ledger's usage would cost by *book*.

    *vo* narrows it to one VO, priced as in the statement of all.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book has no prices for the month.
        LedgerError: The ledger cannot be read, or is being rewritten all the time.
    """
    if isinstance(month, str):
        month = parse_month(month)
    if vo == NO_VO:
        vo = UNKNOWN
    if not ledger.is_dir():
        raise UsageError(
            f"ledger {ledger}", expected="a folder", found="none", mend="check --ledger"
        )
    periods = price_periods(book.terms, month)
    rates = tariffs(book.terms, month)
    facts = _read_at_one_moment(ledger, month, vo, periods, vcpus_per_cpu)
    lines = statement_lines(facts.sums, by=by, vo=vo, periods=periods, tariffs=rates)
    sums = [charge for charge in facts.sums if vo in (None, vo_of(charge))]
    return Statement(
        month=str(month),
        by=by,
        vo=vo,
        currency=book.terms.currency,
        book_id=book.terms.id,
        book_sha256=book.sha256,
        vcpus_per_cpu=vcpus_per_cpu,
        lines=lines,
        totals=sum(lines, start=Line(key="total")),
        unpriced=asides(sums, UNPRICED),
        unbilled=asides(sums, UNBILLED),
        interval_source={
            "runs": 0,
            "job": sum(c.jobs_charged for c in sums if c.outcome != UNBILLED),
        },
        memory_unknown=memory_unknown(sums),
        trust=trust_of(sums, facts.contradicted),
        coverage=coverage_of(sums, charged_columns(rates), lines, facts.gaps),
        reconciliation=Reconciliation(
            in_ledger=facts.totals,
            priced=totals_of(sums, PRICED),
            unbilled=totals_of(sums, UNBILLED),
            unpriced=totals_of(sums, UNPRICED),
        ),
        notes=_notes(by, memory_unknown(sums)),
    )


def _read_at_one_moment(
    ledger: Path,
    month: Month,
    vo: str | None,
    periods: Sequence[PricePeriod],
    vcpus_per_cpu: int,
) -> _Facts:
    """Return the ledger's facts, read again if the probe wrote in between.

    The reconciliation reads the ledger a second time; both must see the same files.
    """
    for _ in range(_TRIES):
        before = _fingerprint(ledger, month)
        facts = _Facts(
            sums=sum_charges(charge_batches(ledger, month, periods, vcpus_per_cpu)),
            totals=ledger_totals(ledger, month, vo),
            contradicted=contradicted_jobs(ledger, month, vo),
            gaps=_gaps_of(ledger, month),
        )
        if before == _fingerprint(ledger, month):
            return facts
    raise LedgerBusyError(
        f"ledger {ledger}",
        expected="files that stay as they are while they are read",
        found=f"changes during each of {_TRIES} readings",
        mend="try again when the probe has ended",
    )


def _fingerprint(ledger: Path, month: Month) -> list[tuple[str, int, int, int]]:
    """Return name, inode, size and time of every file that a statement reads."""
    found = []
    for path in job_files(ledger, first_day=month.first_day):
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


def _notes(by: By, unsized: Amount) -> tuple[str, ...]:
    notes = []
    if by == "payload-user":
        notes.append(
            "A pilot's whole use stands with the last payload user that its ad names, "
            "else with its owner; it is not divided among its payloads."
        )
    if unsized.jobs or unsized.wall_s:
        notes.append(
            "The memory of some jobs is unknown; they are priced by their cpus alone: "
            f"{unsized.jobs:,} jobs, {unsized.wall_s:,} wall seconds."
        )
    return tuple(notes)
