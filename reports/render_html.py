"""A statement as one HTML file: no script, no request, every text escaped."""

import base64
import functools
import importlib.resources
from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from reports.html_tables import HtmlTable, tables_of
from reports.html_words import Money, month_name
from reports.plots import statement_plots
from reports.statement_data import Statement
from reports.text_foot import closing_lines, limit_lines
from reports.text_words import percent, shown


class Card(NamedTuple):
    """One figure at the head of the page."""

    name: str
    value: str
    note: str


class Image(NamedTuple):
    """A plot as the page shows it."""

    caption: str
    alternative: str
    source: str


class Page(NamedTuple):
    """All that the template shows."""

    title: str
    lead: str
    warnings: tuple[str, ...]
    cards: tuple[Card, ...]
    plots: tuple[Image, ...]
    tables: tuple[HtmlTable, ...]
    foot: tuple[tuple[str, str], ...]


def render_html(statement: Statement) -> str:
    """Return *statement* as a page of its own; its plots are ``data:`` images."""
    template, css = _template()
    return template.render(page=page_of(statement), css=css)


def page_of(statement: Statement) -> Page:
    """Return what the page of *statement* shows."""
    whose = "All VOs" if statement.vo is None else shown(statement.vo, 60)
    money = Money(statement.currency)
    return Page(
        title=f"{whose}, {month_name(statement.month)}",
        lead=(
            f"What this use would have cost at {statement.book_id}, for comparison: "
            "nobody is asked to pay."
        ),
        warnings=tuple(_warnings(statement)),
        cards=() if statement.is_empty else tuple(_cards(statement, money)),
        plots=tuple(_images(statement)),
        tables=tables_of(statement, money),
        foot=(*closing_lines(statement), *limit_lines(statement)),
    )


def _warnings(statement: Statement) -> Iterator[str]:
    if statement.difference:
        yield (
            f"Our own sums differ by {statement.difference:,}: do not use this "
            "statement, report it."
        )
    if statement.coverage.gaps:
        yield "Records of the month may be missing: all figures are lower bounds."
    if statement.is_empty:
        yield "The ledger holds no jobs of this month."


def _cards(statement: Statement, money: Money) -> Iterator[Card]:
    totals = statement.totals
    yield Card("Total", money.total(totals), _change(statement))
    yield Card("Compute", money.text(totals.compute_cost), "")
    coverage = statement.coverage
    known = percent(coverage.jobs_with_network, coverage.jobs)
    note = f"known for {known} of the jobs" if coverage.jobs else ""
    yield Card("Network", money.network(totals), note)
    yield Card("Jobs", f"{totals.jobs:,}", _cpu_note(statement))
    if statement.use is not None:
        waste = statement.use.waste
        share = percent(waste.wall_s, totals.wall_s)
        yield Card("In vain", money.text(waste.compute_cost), f"{share} of the hours")


def _change(statement: Statement) -> str:
    before = statement.trend.previous() if statement.trend else None
    if before is None:
        return ""
    if not before.total_cost:
        return "nothing in the month before"
    now, then = statement.totals.total_cost, before.total_cost
    change = int((100 * (now - then) / then).to_integral_value())
    return f"{change:+,} % on the month before"


def _cpu_note(statement: Statement) -> str:
    totals = statement.totals
    if totals.cpu_s is None or not totals.core_s_with_cpu:
        return ""
    return f"{percent(totals.cpu_s, totals.core_s_with_cpu)} CPU efficiency"


def _images(statement: Statement) -> Iterator[Image]:
    for plot in statement_plots(statement):
        content = base64.b64encode(plot.png).decode("ascii")
        source = f"data:image/png;base64,{content}"
        yield Image(plot.caption, plot.alternative, source)


@functools.cache
def _template() -> tuple[Template, Markup]:
    """Return the template and its style, read once."""
    files = importlib.resources.files("reports.templates")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = (files / "statement.html.j2").read_text("utf-8")
    # A style sheet of ours: in a <style> element nothing may be escaped.
    css = Markup((files / "statement.css").read_text("utf-8"))  # noqa: S704
    return environment.from_string(text), css
