"""``poolmeter report compare``: parse, one call, print."""

import shutil
import sys
from pathlib import Path
from typing import get_args

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode, UsageError
from reports.compare.comparison import Comparison, compare
from reports.compare.render import (
    render_comparison_csv,
    render_comparison_json,
    render_comparison_text,
)
from reports.question import By
from reports.render_text import DEFAULT_WIDTH
from reports.site_statement import pricing_for
from reports.text_words import encodable

_BOOKS = 2


@click.command("compare")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in UTC.")
@click.option(
    "--prices",
    "books",
    multiple=True,
    required=True,
    metavar="BOOK",
    help="A shipped price book's name or a file's path; give it twice.",
)
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    default="vo",
    show_default=True,
    help="Whose lines.",
)
@click.option("--vo", help="Only this VO, priced as in the statement of all.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@shared_options
@click.pass_context
def compare_command(
    ctx: click.Context,
    *,
    month: str,
    books: tuple[str, ...],
    by: By,
    vo: str | None,
    output: str,
) -> int:
    """Print what the same usage would cost by two price books, part by part.

    \b
    Example:
        poolmeter report compare --month 2026-10 \\
            --prices ec2-2011 --prices ec2-us-east-1-2026
    """  # noqa: D301 - click reads the control character
    if len(books) != _BOOKS:
        raise UsageError(
            "--prices", expected="two books", found=f"{len(books)}: {' '.join(books)}"
        )
    config = settings_of(ctx).config()
    pricings = (pricing_for(config, books[0]), pricing_for(config, books[1]))
    result = compare(Path(config.ledger.path), month, pricings, by=by, vo=vo)
    click.echo(_rendered(result, output), nl=False)
    return ExitCode.DONE


def _rendered(result: Comparison, output: str) -> str | bytes:
    if output == "json":
        return render_comparison_json(result)
    if output == "csv":
        return render_comparison_csv(result).encode("utf-8", "backslashreplace")
    width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    return encodable(render_comparison_text(result, width), sys.stdout.encoding)
