"""The integer sums of one month, by the chosen engine, and what becomes of them."""

from collections.abc import Sequence

from reports.engine import ChargeSum, Engine, engine_over, files_of, sum_charges
from reports.lines import statement_lines
from reports.question import By, Question
from reports.statement_data import Line


def charge_sums(question: Question) -> list[ChargeSum]:
    """Return the sums of all charges of the month, of every VO.

    Raises:
        LedgerError: A file cannot be read.
        MissingPartError: What the engine needs is not installed.
    """
    paths = files_of(question.ledger, question.month)
    if not paths:
        return []
    with engine_over(question.pricing.engine, paths) as engine:
        return sums_by(engine, question)


def sums_by(engine: Engine, question: Question) -> list[ChargeSum]:
    """Return the sums that *engine* finds in its files.

    Raises:
        LedgerError: A file cannot be read.
    """
    vcpus = question.pricing.vcpus_per_cpu
    return sum_charges(engine, question.month, question.periods, vcpus)


def lines_of(
    question: Question,
    sums: Sequence[ChargeSum],
    *,
    by: By | None = None,
    vo: str | None = None,
) -> tuple[Line, ...]:
    """Return the lines of *sums*, as *question* or as *by* and *vo* have it."""
    return statement_lines(
        sums,
        by=by or question.by,
        vo=vo or question.vo,
        periods=question.periods,
        tariffs=question.tariffs,
    )
