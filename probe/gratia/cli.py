"""The commands ``poolmeter gratia …``: parse, call one function, print."""

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import one_line
from probe.gratia.migration_cli import compare_command, import_command
from probe.gratia.report_text import (
    note_lines,
    report_data,
    status_data,
    status_lines,
    summary_line,
)
from probe.gratia.run import GratiaReport, run_gratia
from probe.gratia.send import Progress
from probe.gratia.status import status_of

_FORMAT = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


@click.group()
def gratia() -> None:
    """Report the ledger's jobs to a Gratia / GRACC server (access point)."""


gratia.add_command(import_command)
gratia.add_command(compare_command)


@gratia.command()
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Try the server although it has failed shortly before.",
)
@_FORMAT
@shared_options
@click.pass_context
def send(ctx: click.Context, output: str, *, at_once: bool) -> None:
    """Make usage records of what is new in the ledger, and send what is due.

    In mode shadow the records are made and nothing is sent.  Prints nothing when all
    went well and nobody looks, so that cron sends no mail.

    \b
    Example:
        poolmeter gratia send

    Exit code 1: the server did not take it, the same bytes go again later.
    Exit code 3: done, but a record was set aside or the outbox is full.
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    with _shown() as progress:
        report = run_gratia(
            Path(config.ledger.path),
            config,
            now=dt.datetime.now(dt.UTC),
            at_once=at_once,
            progress=progress,
        )
    _print(report, output)
    ctx.exit(report.exit_code)


@gratia.command()
@_FORMAT
@shared_options
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Show what is due, delivered, set aside, and corrected since.

    \b
    Example:
        poolmeter gratia status

    Exit code 3: something is set aside, came too late, or is due for over a day.
    """  # noqa: D301 - click reads the control character
    found = status_of(settings_of(ctx).config(), now=dt.datetime.now(dt.UTC))
    if output == "json":
        click.echo(json.dumps(status_data(found), indent=2))
    else:
        for line in status_lines(found):
            click.echo(one_line(line))
    ctx.exit(found.exit_code)


def _print(report: GratiaReport, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(report_data(report), indent=2))
    elif sys.stdout.isatty() or report.exit_code:
        click.echo(one_line(summary_line(report)))
    for line in note_lines(report):
        click.echo(one_line(line), err=True)


@contextlib.contextmanager
def _shown() -> Iterator[Progress | None]:
    """Yield what counts bundles on a terminal; ``None`` where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("bundles sent"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=None)

        def count(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield count
