"""The lines of one month, from the integer sums of all its charges."""

from collections.abc import Sequence

from reports.charge_expression import LABELS
from reports.charge_sums import ChargeSum
from reports.facts import read_sums
from reports.lines import lines_by_payer, statement_lines
from reports.question import By, Question
from reports.statement_data import Line


def charge_sums(question: Question) -> list[ChargeSum]:
    """Return the sums of all charges of the month, of every VO, by every label.

    Raises:
        LedgerError: A file cannot be read.
        MissingPartError: What the engine needs is not installed.
    """
    return read_sums(question, LABELS)


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


def lines_by_vo(
    question: Question, sums: Sequence[ChargeSum], by: By
) -> dict[str, tuple[Line, ...]]:
    """Return the lines of each VO that has any, as they stand in the one of all."""
    return lines_by_payer(
        sums, by=by, periods=question.periods, tariffs=question.tariffs
    )
