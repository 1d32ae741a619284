"""A comparison as text, CSV and JSON."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.compare.comparison import COMPONENTS, ComparedLine, Comparison, Cost
from reports.render_csv import plain_cell
from reports.text_words import KEY_TITLES, jobs_text, shown

HEADER = (
    "row",
    "month",
    "by",
    "key",
    "jobs",
    *(f"{part}_cost_{book}" for book in ("first", "second") for part in COMPONENTS),
    "is_lower_bound_first",
    "is_lower_bound_second",
    "currency",
    "book_first",
    "book_second",
)


def render_comparison_json(comparison: Comparison) -> str:
    """Return *comparison* as JSON in ASCII."""
    return json.dumps(comparison.to_json(), ensure_ascii=True, indent=2) + "\n"


def render_comparison_csv(comparison: Comparison) -> str:
    """Return *comparison* as a header, a row a line, and the total."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(HEADER)
    for line in comparison.lines:
        writer.writerow(_row("line", comparison, line))
    writer.writerow(_row("total", comparison, comparison.totals))
    return out.getvalue()


def render_comparison_text(comparison: Comparison, width: int) -> str:
    """Return *comparison* as a table for a terminal."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, markup=False
    )
    console.print(Text(_title(comparison)))
    if comparison.lines:
        console.print(_table(comparison))
    else:
        console.print(Text(f"No jobs in the ledger for {comparison.month}."))
    for book, jobs in zip(comparison.books, comparison.unpriced_jobs, strict=True):
        if jobs:
            console.print(Text(f"No price in {book}: {jobs_text(jobs)}."))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _title(comparison: Comparison) -> str:
    whose = f" of VO {shown(comparison.vo)}" if comparison.vo is not None else ""
    first, second = comparison.books
    return (
        f"The use of {comparison.month}{whose} by {comparison.by} in "
        f"{comparison.currency}, showback: at {first}, and at {second}."
    )


def _table(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(Text(KEY_TITLES[comparison.by]), no_wrap=True)
    titles = [
        "Jobs",
        *(title for part in COMPONENTS for title in (part.capitalize(), "-> second")),
        "Difference",
        "Times",
    ]
    for title in titles:
        table.add_column(Text(title), justify="right", no_wrap=True)
    for line in comparison.lines:
        table.add_row(*map(Text, _cells(line)))
    table.add_section()
    table.add_row(*map(Text, _cells(comparison.totals)))
    return table


def _cells(line: ComparedLine) -> list[str]:
    costs = [
        _amount(cost, part) for part in COMPONENTS for cost in (line.first, line.second)
    ]
    difference = line.difference("total")
    return [
        shown(line.key),
        f"{line.jobs:,}",
        *costs,
        "-" if difference is None else f"{difference:+,}",
        _times(line.first.total, line.second.total),
    ]


def _amount(cost: Cost, part: str) -> str:
    value = getattr(cost, part)
    if value is None:
        return "unknown"
    is_bound = part != "compute" and not cost.network_complete
    return f"{'≥ ' if is_bound else ''}{value:,}"


def _times(first: Decimal, second: Decimal) -> str:
    return f"{second / first:.2f}" if first else "-"


def _row(kind: str, comparison: Comparison, line: ComparedLine) -> list[Any]:
    costs = [
        "" if (value := getattr(cost, part)) is None else value
        for cost in (line.first, line.second)
        for part in COMPONENTS
    ]
    bounds = ["no" if c.network_complete else "yes" for c in (line.first, line.second)]
    return [
        kind,
        comparison.month,
        comparison.by,
        plain_cell(line.key),
        line.jobs,
        *costs,
        *bounds,
        comparison.currency,
        *map(plain_cell, comparison.books),
    ]
