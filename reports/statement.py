"""The monthly statement: one call, data out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from poolmeter.errors import LedgerBusyError
from poolmeter.ledger.gaps import Gap, read_gaps
from reports.charges import PRICED, UNBILLED, UNPRICED
from reports.confidence import (
    asides,
    coverage_of,
    memory_unknown,
    totals_of,
    trust_of,
)
from reports.engine import ChargeSum, engine_over, files_of
from reports.ledger_side import contradicted_jobs, ledger_totals
from reports.lines import charged_columns, vo_of
from reports.month_sums import lines_of, sums_by
from reports.months import Month
from reports.price_book_file import PriceBook
from reports.question import Pricing, Question, ask
from reports.statement_data import (
    COMPARED,
    Amount,
    By,
    ContradictedJob,
    Line,
    Reconciliation,
    Statement,
)
from reports.use import priced_use
from reports.use_sums import UseSums, use_sums

_TRIES = 3


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts:
    """All that is read from the ledger, at one moment."""

    sums: list[ChargeSum]
    totals: dict[str, int]
    contradicted: Sequence[ContradictedJob]
    gaps: list[Gap]
    use: UseSums


def statement(
    ledger: Path,
    month: Month | str,
    *,
    by: By = "vo",
    vo: str | None = None,
    book: PriceBook,
    vcpus_per_cpu: int = 1,
    own_resources: tuple[str, ...] = (),
    engine: str = "duckdb",
) -> Statement:
    """Return the statement of *month*: what the ledger's usage would cost by *book*.

    *vo* narrows it to one VO, priced as in the statement of all.  *own_resources* are
    names of resources (``execute_site``) that are ours beside the pool's own site.

    Raises:
        UsageError: The month is none, or there is no ledger at that path.
        PriceBookError: The book has no prices for the month.
        LedgerError: The ledger cannot be read, or is being rewritten all the time.
    """
    pricing = Pricing(
        book=book,
        vcpus_per_cpu=vcpus_per_cpu,
        own_resources=own_resources,
        engine=engine,
    )
    return statement_of(ask(ledger, month, pricing, by, vo))


def statement_of(question: Question) -> Statement:
    """Return the statement that answers *question*.

    Raises:
        LedgerError: As :func:`statement`.
    """
    by, vo, pricing = question.by, question.vo, question.pricing
    terms = pricing.book.terms
    facts = _read_at_one_moment(question)
    lines = lines_of(question, facts.sums)
    sums = [charge for charge in facts.sums if vo in (None, vo_of(charge))]
    totals = sum(lines, start=Line(key="total"))
    return Statement(
        month=str(question.month),
        by=by,
        vo=vo,
        currency=terms.currency,
        book_id=terms.id,
        book_sha256=pricing.book.sha256,
        vcpus_per_cpu=pricing.vcpus_per_cpu,
        lines=lines,
        totals=totals,
        unpriced=asides(sums, UNPRICED),
        unbilled=asides(sums, UNBILLED),
        interval_source={
            "runs": 0,
            "job": sum(c.jobs_charged for c in sums if c.outcome != UNBILLED),
        },
        memory_unknown=memory_unknown(sums),
        trust=trust_of(sums, facts.contradicted),
        coverage=coverage_of(
            sums, charged_columns(question.tariffs), lines, facts.gaps
        ),
        reconciliation=Reconciliation(
            in_ledger=facts.totals,
            priced=totals_of(sums, PRICED),
            unbilled=totals_of(sums, UNBILLED),
            unpriced=totals_of(sums, UNPRICED),
        ),
        notes=_notes(by, memory_unknown(sums)),
        use=priced_use(question, facts.use, totals),
    )


def _read_at_one_moment(question: Question) -> _Facts:
    """Return the ledger's facts, read again if the probe wrote in between.

    The ledger is read several times over; all must see the same files.
    """
    for _ in range(_TRIES):
        paths = files_of(question.ledger, question.month)
        before = _fingerprint(paths)
        facts = _read(question, paths)
        if before == _fingerprint(files_of(question.ledger, question.month)):
            return facts
    raise LedgerBusyError(
        f"ledger {question.ledger}",
        expected="files that stay as they are while they are read",
        found=f"changes during each of {_TRIES} readings",
        mend="try again when the probe has ended",
    )


def _read(question: Question, paths: Sequence[Path]) -> _Facts:
    """Return the facts that stand in *paths*; without any, that there are none."""
    month, vo = question.month, question.vo
    gaps = _gaps_of(question.ledger, month)
    if not paths:
        return _Facts([], dict.fromkeys(COMPARED, 0), (), gaps, UseSums([], []))
    with engine_over(question.pricing.engine, paths) as engine:
        sums = sums_by(engine, question)
        is_contradicted = any(charge.contradictions for charge in sums)
        return _Facts(
            sums=sums,
            totals=ledger_totals(engine, month, vo),
            contradicted=contradicted_jobs(engine, month, vo)
            if is_contradicted
            else (),
            gaps=gaps,
            use=use_sums(question, paths),
        )


def _fingerprint(paths: Sequence[Path]) -> list[tuple[str, int, int, int]]:
    """Return name, inode, size and time of every file that a statement reads."""
    found = []
    for path in paths:
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
