"""A statement as CSV: numbers are numbers, and no cell is ever a formula."""

import csv
import io
import re
from typing import Any

from poolmeter.errors import one_line
from poolmeter.record import NETWORK_COLUMNS
from reports.line import Line
from reports.statement_data import Statement

#: What a spreadsheet takes for the begin of a formula, at a cell's begin and where a
#: reader that splits at other separators than ours would see one.
_FORMULA = re.compile(r"(^|[;,|])([\s\"']*)([=+\-@\uff1d\uff0b\uff0d\uff20])")

HEADER = (
    "row",
    "month",
    "vo",
    "by",
    "key",
    "jobs",
    "wall_s",
    "core_s",
    "cpu_s",
    "gpu_s",
    *NETWORK_COLUMNS,
    "compute_cost",
    "network_cost",
    "total_cost",
    "is_lower_bound",
    "currency",
    "book",
)


def render_csv(statement: Statement) -> str:
    """Return *statement* as a header, a row a line, the total, and corrections.

    The column ``row`` says which is which: ``line``, ``total`` (the sum of the lines)
    or ``correction`` (contained in the lines).  An empty cell is unknown.
    """
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(HEADER)
    for line in statement.lines:
        writer.writerow(_row("line", statement, line))
    writer.writerow(_row("total", statement, statement.totals))
    closing = statement.closing
    for line in (closing.corrections if closing else None) or ():
        writer.writerow(_row("correction", statement, line))
    return out.getvalue()


def plain_cell(text: str) -> str:
    r"""Return user text as one line that no spreadsheet computes.

    >>> plain_cell("=1+1"), plain_cell("a;=1"), plain_cell("\t-2"), plain_cell("cms")
    ("'=1+1", "a;'=1", '\\t-2', 'cms')
    """
    return _FORMULA.sub(r"\1\2'\3", one_line(text))


def _row(kind: str, statement: Statement, line: Line) -> list[Any]:
    values = line.to_json()
    numbers = (
        *(values[name] for name in HEADER[5:16]),
        line.compute_cost,
        line.network_cost,
        line.total_cost,
    )
    return [
        kind,
        statement.month,
        plain_cell(statement.vo or ""),
        statement.by,
        plain_cell(line.key),
        *("" if number is None else number for number in numbers),
        "no" if line.network_complete else "yes",
        statement.currency,
        plain_cell(statement.book_id),
    ]
