"""The monthly statement: one call, data out."""

from pathlib import Path

from reports.charges import PRICED, UNBILLED, UNPRICED
from reports.confidence import (
    asides,
    coverage_of,
    memory_unknown,
    totals_of,
    trust_of,
)
from reports.facts import Facts, read_facts
from reports.lines import charged_columns
from reports.month_sums import lines_of
from reports.months import Month
from reports.price_book_file import PriceBook
from reports.question import Pricing, Question, ask
from reports.statement_data import Amount, By, Line, Reconciliation, Statement
from reports.use import priced_use


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


def statement_of(question: Question, facts: Facts | None = None) -> Statement:
    """Return the statement that answers *question*, from *facts* if they are given.

    Raises:
        LedgerError: As :func:`statement`.
    """
    by, vo, pricing = question.by, question.vo, question.pricing
    terms = pricing.book.terms
    facts = facts or read_facts(question)
    lines = lines_of(question, facts.sums)
    sums = facts.sums_of(vo)
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
            "runs": sum(c.runs_charged for c in sums if c.outcome != UNBILLED),
            "job": sum(c.jobs_charged for c in sums if c.outcome != UNBILLED),
        },
        memory_unknown=memory_unknown(sums),
        trust=trust_of(sums, facts.contradicted_of(vo)),
        coverage=coverage_of(
            sums, charged_columns(question.tariffs), lines, facts.gaps
        ),
        reconciliation=Reconciliation(
            in_ledger=facts.totals_of(vo),
            priced=totals_of(sums, PRICED),
            unbilled=totals_of(sums, UNBILLED),
            unpriced=totals_of(sums, UNPRICED),
        ),
        notes=_notes(by, memory_unknown(sums)),
        use=priced_use(question, facts.use, totals),
    )


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
