"""The commands ``poolmeter node …``: parse, call one function, print."""

import json
from pathlib import Path

import click
import msgspec

from collectors.run_command import CommandRun, run_command
from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import one_line


@click.group()
def node() -> None:
    """Count each job's traffic on a worker node."""


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
    from collectors.daemon.serve import Daemon  # noqa: PLC0415 - a second of imports
    from collectors.daemon.service_manager import log_to_stderr  # noqa: PLC0415

    settings = settings_of(ctx)
    log_to_stderr(debug=settings.debug)
    Daemon(settings.config().node, lambda: settings.config().node).run()


@node.command(context_settings={"ignore_unknown_options": True})
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@shared_options
@click.pass_context
def run(ctx: click.Context, command: tuple[str, ...], *, as_json: bool) -> None:
    """Run COMMAND in a fresh measured namespace and print what it sent and got.

    Where it cannot be measured it runs in the node's own network, and that is said.
    The exit code is that of the command.

    \b
    Example:
        poolmeter node run -- curl -sO https://example.org/
    """  # noqa: D301 - click reads the control character
    folder = Path(settings_of(ctx).config().node.runtime_folder)
    result = run_command(folder / "root.sock", command)
    for line in _lines(result, as_json=as_json):
        click.echo(line, err=True)
    ctx.exit(result.exit_code if result.exit_code >= 0 else 128 - result.exit_code)


def _lines(result: CommandRun, *, as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps(msgspec.to_builtins(result))]
    if result.counted is None:
        return [f"poolmeter: not measured: {one_line(result.why_not or '')}"]
    counted = result.counted
    lines = [
        f"{name:<26} {ip_bytes:>16,} B {packets:>12,} packets"
        for name, (ip_bytes, packets) in counted.counts.items()
    ]
    if counted.partial:
        lines.append("poolmeter: some traffic may not be counted (partial)")
    return lines or ["poolmeter: no traffic"]
