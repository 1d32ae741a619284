"""The commands ``poolmeter probe quarantine …``: parse, call one function, print."""

import datetime as dt
import json
from pathlib import Path

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode, one_line
from probe.quarantine_again import Kept, find_kept, kept_records, retry

_SHOWN_NAME = 12

_format = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


@click.group()
def quarantine() -> None:
    """Records that could not be read: list, show, try again."""


@quarantine.command("list")
@_format
@shared_options
@click.pass_context
def list_command(ctx: click.Context, output: str) -> None:
    """List what was set aside, and why.

    \b
    Example:
        poolmeter probe quarantine list
    """  # noqa: D301 - click reads the control character
    kept = list(kept_records(_ledger(ctx)))
    if output == "json":
        click.echo(json.dumps([_as_data(record) for record in kept], indent=2))
        return
    for record in kept:
        text = f"{record.kind}: {record.reason} ({record.source})"
        click.echo(one_line(f"{record.name[:_SHOWN_NAME]}  {text}"))


@quarantine.command("show")
@click.argument("name")
@shared_options
@click.pass_context
def show_command(ctx: click.Context, name: str) -> None:
    """Print the record called NAME, or whose name begins so; it may hold secrets.

    \b
    Example:
        poolmeter probe quarantine show 0123abcd
    """  # noqa: D301 - click reads the control character
    kept = find_kept(_ledger(ctx), name)
    for line in (kept.raw.ad + kept.raw.banner).decode("utf-8", "replace").split("\n"):
        click.echo(one_line(line))


@quarantine.command("retry")
@click.argument("names", nargs=-1)
@_format
@shared_options
@click.pass_context
def retry_command(ctx: click.Context, names: tuple[str, ...], output: str) -> None:
    """Read the records NAMES again, or all of them, as after an update.

    What can be read goes into the ledger.  Exit code 3: something stays set aside.

    \b
    Example:
        poolmeter probe quarantine retry
    """  # noqa: D301 - click reads the control character
    ledger, config = _ledger(ctx), settings_of(ctx).config()
    kept = [find_kept(ledger, name) for name in names] or list(kept_records(ledger))
    tried = retry(ledger, kept, config, now=dt.datetime.now(dt.UTC))
    if output == "json":
        data = [{"name": t.name, "read": t.is_read, "reason": t.reason} for t in tried]
        click.echo(json.dumps(data, indent=2))
    else:
        for one in tried:
            text = "in the ledger now" if one.is_read else f"stays: {one.reason}"
            click.echo(one_line(f"{one.name[:_SHOWN_NAME]}  {text}"))
    is_done = all(one.is_read for one in tried)
    ctx.exit(ExitCode.DONE if is_done else ExitCode.SET_ASIDE)


def _ledger(ctx: click.Context) -> Path:
    return Path(settings_of(ctx).config().ledger.path)


def _as_data(kept: Kept) -> dict[str, str]:
    return {
        "name": kept.name,
        "schedd": kept.schedd,
        "source": kept.source,
        "kind": kept.kind,
        "reason": kept.reason,
    }
