"""``poolmeter report statement`` and ``close``: parse, one call, print."""

import datetime as dt
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode
from reports.closed_month import closed_path, read_closed
from reports.closing import close_month
from reports.months import parse_month
from reports.page_renderer import page_renderer
from reports.question import By
from reports.render_csv import render_csv
from reports.render_json import render_json
from reports.render_text import DEFAULT_WIDTH, render_text
from reports.site_statement import pricing_for, site_statement
from reports.statement_data import Statement
from reports.text_words import encodable
from reports.trend import MONTHS


def _text(statement: Statement) -> str:
    width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    return render_text(statement, width)


def _html(statement: Statement) -> str:
    return page_renderer()(statement)


_RENDERINGS: Mapping[str, Callable[[Statement], str]] = {
    "text": _text,
    "json": render_json,
    "html": _html,
    "csv": render_csv,
}

_prices_option = click.option(
    "--prices", metavar="BOOK", help="A shipped price book's name or a file's path."
)


@click.command("statement")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in UTC.")
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    default="vo",
    show_default=True,
    help="Whose lines.",
)
@click.option("--vo", help="Only this VO, priced as in the statement of all.")
@_prices_option
@click.option(
    "--format",
    "output",
    type=click.Choice(list(_RENDERINGS)),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@click.option(
    "--trend",
    "months",
    type=click.IntRange(1, 120),
    default=MONTHS,
    show_default=True,
    metavar="MONTHS",
    help="How many months to compare; 1 for no comparison.",
)
@shared_options
@click.pass_context
def statement_command(
    ctx: click.Context,
    *,
    month: str,
    by: By,
    vo: str | None,
    prices: str | None,
    output: str,
    months: int,
) -> int:
    """Print what a month's usage would cost, line by line.

    A month that was closed is priced as it was then, unless --prices says otherwise.

    \b
    Example:
        poolmeter report statement --month 2026-10 --by owner --vo cms
        poolmeter report statement --month 2026-10 --format html > 2026-10.html
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    ledger = Path(config.ledger.path)
    result = site_statement(
        ledger, month, config, by=by, vo=vo, prices=prices, months=months
    )
    text = _RENDERINGS[output](result)
    click.echo(_in_encoding(text, output), nl=False)
    return ExitCode.DONE if result.difference == 0 else ExitCode.FAILED


@click.command("close")
@click.argument("month", metavar="YYYY-MM")
@_prices_option
@shared_options
@click.pass_context
def close_command(ctx: click.Context, *, month: str, prices: str | None) -> int:
    """Freeze a month that is over: what comes in later is shown as corrections.

    A month is closed once; closing it again changes nothing and says so.

    \b
    Example:
        poolmeter report close 2026-10
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    ledger = Path(config.ledger.path)
    pricing = pricing_for(config, prices)
    closed = close_month(ledger, month, pricing, now=dt.datetime.now(dt.UTC))
    if closed is None:
        before = read_closed(ledger, parse_month(month))
        when = f" on {before.closed_at:%Y-%m-%d}" if before else ""
        click.echo(
            f"{month} was closed{when} and stays as it is; "
            "what came in since is shown as corrections in its statement"
        )
        return ExitCode.DONE
    total = closed.statement["totals"]["total_cost"]
    path = closed_path(ledger, parse_month(month))
    click.echo(f"{month} closed at {total} {closed.book.currency}: {path}")
    return ExitCode.DONE


def _in_encoding(text: str, output: str) -> str | bytes:
    """Return *text* for standard output; files are UTF-8 wherever they are written."""
    if output in ("html", "csv"):
        return text.encode("utf-8", "backslashreplace")
    return encodable(text, sys.stdout.encoding)
