"""``poolmeter report``: statements on the terminal."""

import shutil
import sys
from pathlib import Path
from typing import get_args

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode
from reports.mail_cli import mail_command
from reports.price_book_file import find_book
from reports.render_json import render_json
from reports.render_text import DEFAULT_WIDTH, render_text
from reports.statement import statement
from reports.statement_data import By
from reports.text_words import encodable


@click.group()
@shared_options
def report() -> None:
    """Price the ledger's usage as statements: showback, nobody is asked to pay."""


@report.command("statement")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in UTC.")
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    default="vo",
    show_default=True,
    help="Whose lines.",
)
@click.option("--vo", help="Only this VO, priced as in the statement of all.")
@click.option(
    "--prices", metavar="BOOK", help="A shipped price book's name or a file's path."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
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
) -> int:
    """Print what a month's usage would cost, line by line.

    \b
    Example:
        poolmeter report statement --month 2026-10 --by owner --vo cms
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    result = statement(
        Path(config.ledger.path),
        month,
        by=by,
        vo=vo,
        book=find_book(prices or config.report.prices),
        vcpus_per_cpu=config.report.vcpus_per_cpu,
    )
    width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    text = render_json(result) if output == "json" else render_text(result, width)
    click.echo(encodable(text, sys.stdout.encoding), nl=False)
    return ExitCode.DONE if result.reconciliation.difference == 0 else ExitCode.FAILED


report.add_command(mail_command)
