"""``poolmeter report policy``: parse, one call, print."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode
from poolmeter.lazy import load
from reports.policy.render import render_policy_json, render_policy_text
from reports.render_text import DEFAULT_WIDTH
from reports.site_statement import pricing_for
from reports.text_words import encodable

_EXTRA = "reports,probe"


@click.command("policy")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in UTC.")
@click.option("--vo", help="Only this VO.")
@click.option(
    "--prices", metavar="BOOK", help="A shipped price book's name or a file's path."
)
@click.option(
    "--jobs",
    "hit_jobs_limit",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Name the first N jobs that would have been hit.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@shared_options
@click.pass_context
def policy_command(
    ctx: click.Context,
    *,
    file: Path,
    month: str,
    vo: str | None,
    prices: str | None,
    hit_jobs_limit: int,
    output: str,
) -> int:
    """Try the periodic policy in FILE, HTCondor configuration, on a month's jobs.

    SYSTEM_PERIODIC_HOLD and SYSTEM_PERIODIC_REMOVE are evaluated on jobs that have
    ended, as they stood in the queue: which would have been hit, what they would have
    been told, and how much would have been saved at most.

    \b
    Example:
        poolmeter report policy 60-policy.conf --month 2026-10 --jobs 20
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    # HTCondor's bindings are not for those who only price a ledger.
    read_rules = load("reports.policy.rules:read_rules", extra=_EXTRA)
    try_policy = load("reports.policy.run:try_policy", extra=_EXTRA)
    rules = read_rules(file)
    with _progress_shown() as progress:
        outcome = try_policy(
            Path(config.ledger.path),
            month,
            rules,
            pricing_for(config, prices),
            vo=vo,
            hit_jobs_limit=hit_jobs_limit,
            progress=progress,
        )
    if output == "json":
        click.echo(render_policy_json(outcome), nl=False)
    else:
        width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
        text = render_policy_text(outcome, width)
        click.echo(encodable(text, sys.stdout.encoding), nl=False)
    return ExitCode.DONE


@contextlib.contextmanager
def _progress_shown() -> Iterator[Callable[[int], None] | None]:
    """Yield what counts the jobs on a terminal; ``None`` where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("jobs tried"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("jobs", total=None)
        yield lambda jobs: bars.advance(bar, jobs)
