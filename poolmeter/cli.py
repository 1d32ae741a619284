"""The command ``poolmeter``: a static table of groups, each imported when it is used.

Groups hold no logic and their modules are not imported for ``--help`` of another,
so that a worker node's commands never pay for (or need) data-frame libraries.
"""

import dataclasses
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from poolmeter import __version__
from poolmeter.config import Config, LedgerConfig, load_config
from poolmeter.errors import ExitCode, PoolmeterError, one_line
from poolmeter.lazy import load


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Where a group's click command is, what it needs, and its line in ``--help``."""

    target: str
    extra: str
    summary: str


#: Every group that this version has; one that is not built yet is not here.
GROUPS: dict[str, Group] = {
    "demo": Group(
        "poolmeter.demo.cli:demo",
        "probe,reports",
        "Bundled real history to a ledger and a priced statement.",
    ),
    "node": Group(
        "collectors.cli:node", "node", "Count each job's traffic (worker node)."
    ),
    "probe": Group(
        "probe.cli:probe", "probe", "Read job history into the ledger (access point)."
    ),
    "gratia": Group(
        "probe.gratia.cli:gratia",
        "probe",
        "Report the ledger's jobs to a Gratia / GRACC server (access point).",
    ),
    "report": Group(
        "reports.cli:report", "reports", "Price the ledger's usage as statements."
    ),
}


class LazyGroup(click.Group):
    """A click group whose subcommands are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the table's order."""
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command, or ``None`` for an unknown name."""
        group = GROUPS.get(cmd_name)
        if group is None:
            return None
        command: click.Command = load(group.target, extra=group.extra)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the table's own summaries, so that ``--help`` imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, g.summary) for name, g in GROUPS.items()])


@dataclasses.dataclass(slots=True)
class Settings:
    """What ``--config``, ``--ledger`` and ``--debug`` said, at either place."""

    config_path: Path | None = None
    ledger_path: Path | None = None
    debug: bool = False

    def config(self) -> Config:
        """Return the configuration with ``--ledger`` applied.

        Raises:
            ConfigError: As :func:`poolmeter.config.load_config`.
        """
        config = load_config(self.config_path)
        if self.ledger_path is None:
            return config
        ledger = LedgerConfig(path=str(self.ledger_path))
        return msgspec.structs.replace(config, ledger=ledger)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> Any:  # noqa: ANN401
    """Keep an option's value whether it stood before or after the subcommand."""
    settings = ctx.find_root().ensure_object(Settings)
    if value is not None and value is not False and param.name is not None:
        setattr(settings, param.name, value)
    return value


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``, ``--ledger`` and ``--debug``; they are read by Settings."""
    path = click.Path(path_type=Path)
    options = (
        click.option(
            "--config",
            "config_path",
            type=path,
            expose_value=False,
            callback=_remember,
            help="Configuration file (default: $POOLMETER_CONFIG, else /etc).",
        ),
        click.option(
            "--ledger",
            "ledger_path",
            type=path,
            expose_value=False,
            callback=_remember,
            help="Folder of the ledger.",
        ),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Show tracebacks.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings of the running command."""
    return ctx.find_root().ensure_object(Settings)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="poolmeter")
@shared_options
def poolmeter() -> None:
    """Account for the jobs of HTCondor pools: network, CPU, memory and wall time.

    \b
    Example:
        poolmeter probe run --history /var/lib/condor/spool/history
        poolmeter report statement --month 2026-10 --by vo
    """  # noqa: D301 - click reads the control character


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code of ``poolmeter.errors``."""
    run_command(poolmeter, arguments)


def run_command(command: click.Command, arguments: list[str] | None = None) -> None:
    """Run *command* as a program of its own and exit with the code of its error."""
    settings = Settings()
    try:
        code = command.main(arguments, standalone_mode=False, obj=settings)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        code = ExitCode.FAILED
    except BrokenPipeError:
        # The reader of our output went away (``| head``): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    except PoolmeterError as error:
        code = _report(error, str(error), error.exit_code, debug=settings.debug)
    except Exception as error:  # noqa: BLE001 - the shell's last line of defence
        text = f"unexpected {type(error).__name__}: {one_line(str(error))}; see --debug"
        code = _report(error, text, ExitCode.FAILED, debug=settings.debug)
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _report(error: Exception, text: str, code: ExitCode, *, debug: bool) -> ExitCode:
    if debug:
        traceback.print_exception(error)
    _say(text)
    return code


def _say(text: str) -> None:
    click.echo(f"poolmeter: {text}", err=True)
