"""The commands ``poolmeter probe …``: parse, call one function, print."""

import datetime as dt
import json
import socket
import sys
from pathlib import Path

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.config import Config, ProbeConfig
from poolmeter.errors import one_line
from probe.progress import shown
from probe.quarantine_cli import quarantine
from probe.run import ReaderName, RunReport, run_probe
from probe.status import status_of
from probe.status_text import as_data as status_data
from probe.status_text import status_lines
from probe.summary import as_data, note_lines, summary_line


@click.group()
def probe() -> None:
    """Read job history into the ledger (access point)."""


probe.add_command(quarantine)


@probe.command()
@click.option(
    "--history",
    "histories",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Live history file; its rotations are found beside it. May be repeated.",
)
@click.option(
    "--epoch-history",
    "epoch_histories",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Live epoch history file: the runs of jobs, one by one. May be repeated.",
)
@click.option(
    "--per-job-dir",
    type=click.Path(path_type=Path),
    help="Folder with one file an ended job (PER_JOB_HISTORY_DIR).",
)
@click.option(
    "--delete",
    is_flag=True,
    help="Delete each file of --per-job-dir when its job is in the ledger.",
)
@click.option("--schedd", help="Name of the schedd (default: this host's full name).")
@click.option(
    "--reader",
    type=click.Choice(["fast", "reference"]),
    default="fast",
    show_default=True,
    help="Many records at once, or one by one; the rows are the same.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
@shared_options
@click.pass_context
def run(  # noqa: PLR0917 - an argument an option
    ctx: click.Context,
    histories: tuple[Path, ...],
    epoch_histories: tuple[Path, ...],
    per_job_dir: Path | None,
    delete: bool,
    schedd: str | None,
    reader: ReaderName,
    output: str,
) -> None:
    """Read what is new in the job history into the ledger.

    Prints nothing when all went well and nobody looks, so that cron sends no mail.

    \b
    Example:
        poolmeter probe run --history /var/lib/condor/spool/history

    Exit code 3: done, but something was set aside or records may be lost.
    """  # noqa: D301 - click reads the control character
    config = settings_of(ctx).config()
    folder = config.probe.per_job_dir
    per_job_dir = per_job_dir or (Path(folder) if folder else None)
    # Where files of single jobs are read, the default history is not read as well.
    is_default = config.probe.history == ProbeConfig().history and per_job_dir
    configured = () if is_default else config.probe.history
    with shown() as progress:
        report = run_probe(
            Path(config.ledger.path),
            schedd or schedd_name(config),
            histories or tuple(Path(path) for path in configured),
            config,
            now=dt.datetime.now(dt.UTC),
            epoch_histories=epoch_histories
            or tuple(Path(path) for path in config.probe.epoch_history),
            per_job_dir=per_job_dir,
            delete_per_job=delete,
            reader=reader,
            progress=progress,
        )
    _print(report, output)
    ctx.exit(report.exit_code)


@probe.command()
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
@shared_options
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Say what is unread, lost, set aside, and how sure the rest is.

    \b
    Example:
        poolmeter probe status
    """  # noqa: D301 - click reads the control character
    ledger = Path(settings_of(ctx).config().ledger.path)
    found = status_of(ledger, now=dt.datetime.now(dt.UTC))
    if output == "json":
        click.echo(json.dumps(status_data(found), indent=2))
        return
    for line in status_lines(found):
        click.echo(one_line(line))


def schedd_name(config: Config) -> str:
    """Return the configured name, else HTCondor's own default: the host's full name."""
    return config.probe.schedd or socket.getfqdn()


def _print(report: RunReport, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(as_data(report), indent=2))
    elif sys.stdout.isatty() or report.exit_code:
        click.echo(one_line(summary_line(report)))
    for line in note_lines(report):
        click.echo(one_line(line), err=True)
