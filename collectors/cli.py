"""The commands ``poolmeter node …``: parse, call one function, print."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from collectors.client import Client, NoDaemonError
from collectors.daemon.protocol import Collect, Done, Drain, Facts, Request, Status
from collectors.errors import NodeError
from collectors.journal.runs import JournalSummary, read_journal, summarise
from collectors.run_command import CommandRun, run_command
from collectors.shown import check_lines, counted_lines, journal_lines, status_lines
from poolmeter.cli import Settings, settings_of, shared_options
from poolmeter.errors import ExitCode, one_line
from poolmeter.node_config import NodeConfig

ROOT_SOCKET = "root.sock"

#: How long the daemon may take to look at a full node.
ADMIN_WAIT_S = 60

_format = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


@click.group()
def node() -> None:
    """Count each job's traffic on a worker node."""


def _daemon(settings: Settings) -> Any:  # noqa: ANN401 - imported when it is needed
    """Return the daemon, not begun; its modules take a second to import."""
    from collectors.daemon.serve import Daemon  # noqa: PLC0415
    from collectors.daemon.service_manager import log_to_stderr  # noqa: PLC0415

    log_to_stderr(debug=settings.debug)
    return Daemon(settings.config().node, lambda: settings.config().node)


def _ask(config: NodeConfig, request: Request) -> Any:  # noqa: ANN401 - any reply
    client = Client(Path(config.runtime_folder) / ROOT_SOCKET)
    with client, client.patience(ADMIN_WAIT_S):
        return client.ask(request)


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(one_line(line))


@node.command()
@shared_options
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Run the worker node's daemon, in the foreground, until it is told to stop.

    SIGTERM stops it and touches no job; the next start goes on with what is there.
    SIGHUP reads the configuration again; counters and connections stay.

    \b
    Example:
        poolmeter node serve --config /etc/poolmeter/poolmeter.toml
    """  # noqa: D301 - click reads the control character
    _daemon(settings_of(ctx)).run()


@node.command(context_settings={"ignore_unknown_options": True})
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@shared_options
@click.pass_context
def run(ctx: click.Context, command: tuple[str, ...], *, as_json: bool) -> None:
    """Run COMMAND in a fresh measured namespace; print on stderr what it sent and got.

    Where it cannot be measured it runs in the node's own network, and that is said.
    The exit code is that of the command.

    \b
    Example:
        poolmeter node run -- curl -sO https://example.org/
    """  # noqa: D301 - click reads the control character
    folder = Path(settings_of(ctx).config().node.runtime_folder)
    result = run_command(folder / "root.sock", command)
    for line in _lines(result, as_json=as_json):
        click.echo(one_line(line), err=True)
    ctx.exit(result.exit_code if result.exit_code >= 0 else 128 - result.exit_code)


def _lines(result: CommandRun, *, as_json: bool) -> Iterable[str]:
    if as_json:
        return [json.dumps(msgspec.to_builtins(result))]
    if result.counted is None:
        return [f"poolmeter: not measured: {result.why_not}"]
    return counted_lines(result.counted)


@node.command()
@_format
@shared_options
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Show what the daemon measures, and why not if it does not.

    \b
    Example:
        poolmeter node status --format json

    Exit code 1: no daemon, or new jobs are not measured.
    """  # noqa: D301 - click reads the control character
    reply = _ask(settings_of(ctx).config().node, Status())
    if not isinstance(reply, Facts):
        raise NodeError("the daemon", found=str(reply))
    if output == "json":
        click.echo(json.dumps(reply.status, indent=2))
    else:
        _echo(status_lines(reply.status))
    ctx.exit(ExitCode.DONE if reply.status.get("measuring") else ExitCode.FAILED)


@node.command()
@_format
@shared_options
@click.pass_context
def check(ctx: click.Context, output: str) -> None:
    """Look whether jobs can be measured on this node; nothing is changed.

    \b
    Example:
        poolmeter node check

    Exit code 1: something stands in the way.
    """  # noqa: D301 - click reads the control character
    from collectors.check import Grade, check_node  # noqa: PLC0415 - slow imports

    findings = list(check_node(settings_of(ctx).config().node))
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(findings), indent=2))
    else:
        _echo(check_lines(findings))
    failed = any(finding.grade is Grade.FAIL for finding in findings)
    ctx.exit(ExitCode.FAILED if failed else ExitCode.DONE)


@node.command()
@shared_options
@click.pass_context
def gc(ctx: click.Context) -> None:
    """End runs without a process and remove what belongs to no run.

    The daemon does so by itself each minute; where none runs this does it once.
    Prints what was done, nothing when there was nothing to do.

    \b
    Example:
        poolmeter node gc
    """  # noqa: D301 - click reads the control character
    settings = settings_of(ctx)
    try:
        reply = _ask(settings.config().node, Collect())
    except NoDaemonError:
        _daemon(settings).collect_once()
        return
    _echo(reply.lines if isinstance(reply, Done) else [str(reply)])


@node.command()
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until the last run has ended and everything is removed.",
)
@shared_options
@click.pass_context
def drain(ctx: click.Context, *, wait: bool) -> None:
    """Measure no new job; with the last run remove everything of ours from the node.

    The daemon ends then.  Links, namespaces, rules and the canary are removed; the
    journal stays.

    \b
    Example:
        poolmeter node drain --no-wait

    Exit code 1: no daemon runs and there are live runs: start it first.
    """  # noqa: D301 - click reads the control character
    settings = settings_of(ctx)
    config = settings.config().node
    try:
        reply = _ask(config, Drain())
    except NoDaemonError:
        live = _daemon(settings).remove_once()
        _echo(f"{name}: still there" for name in live)
        ctx.exit(ExitCode.FAILED if live else ExitCode.DONE)
    _echo(reply.lines if isinstance(reply, Done) else [str(reply)])
    if wait:
        _wait_for_end(lambda: _ask(config, Status()))


def _wait_for_end(ask: Callable[[], Any]) -> None:
    """Wait until nobody answers; say to a terminal how many runs are left."""
    shown = None
    while True:
        try:
            runs = len(ask().status["runs"])
        except NoDaemonError:
            return
        if runs != shown and sys.stderr.isatty():
            click.echo(f"{runs} runs left", err=True)
        shown = runs
        time.sleep(1)


@node.command()
@click.option("--live", is_flag=True, help="Only runs without an end.")
@click.option("--lines", is_flag=True, help="The journal's own lines, oldest first.")
@_format
@shared_options
@click.pass_context
def journal(ctx: click.Context, output: str, *, live: bool, lines: bool) -> None:
    """Show what was counted for each run on this node.

    \b
    Example:
        poolmeter node journal --format json

    Exit code 3: a line cannot be read or contradicts another.
    """  # noqa: D301 - click reads the control character
    folder = Path(settings_of(ctx).config().node.journal_folder)
    entries = list(read_journal(folder))
    summary = summarise(entries)
    if live:
        runs = {n: run for n, run in summary.runs.items() if run.ended_at is None}
        summary = JournalSummary(runs, [], summary.faults)
    if lines:
        for entry in entries:
            if not isinstance(entry, NodeError):
                click.echo(msgspec.json.encode(entry))
    elif output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(summary)))
    else:
        _echo(journal_lines(summary))
    for fault in summary.faults:
        click.echo(one_line(fault), err=True)
    ctx.exit(ExitCode.SET_ASIDE if summary.faults else ExitCode.DONE)
