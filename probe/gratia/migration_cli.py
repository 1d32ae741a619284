"""``poolmeter gratia import-probeconfig`` and ``compare``: parse, call, print."""

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode, UsageError, one_line
from probe.gratia.compare import Comparison, Period, compare
from probe.gratia.compare import Progress as CompareProgress
from probe.gratia.comparison_text import comparison_data, comparison_lines
from probe.gratia.import_probeconfig import import_probeconfig
from probe.gratia.probeconfig import read_probeconfig, read_text
from probe.gratia.record_files import RecordFile
from probe.gratia.user_vo_map import UserVoMap, parse_user_vo_map

_PATH = click.Path(path_type=Path)


class Time(click.ParamType[dt.datetime]):
    """A day or a time of ISO 8601; UTC where no zone is given."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """Return *value* as an aware time."""
        try:
            at = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"expected a day or time like 2026-11-01, found {value!r}", param, ctx
            )
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


@click.command("import-probeconfig")
@click.argument("file", type=_PATH)
@click.option(
    "--user-vo-map",
    "vo_map",
    type=_PATH,
    help="The map of accounts to VOs (default: the one that FILE names, if it is "
    "there).",
)
@shared_options
@click.pass_context
def import_command(ctx: click.Context, file: Path, vo_map: Path | None) -> None:
    """Print our configuration for the official probe's ProbeConfig in FILE.

    The result is in mode shadow and sends nothing.  What needs a person's eye (unknown
    keys, switches without a counterpart) is named on stderr, with exit code 3.

    \b
    Example:
        poolmeter gratia import-probeconfig /etc/gratia/condor-ap/ProbeConfig
    """  # noqa: D301 - click reads the control character
    official = read_probeconfig(file)
    named = Path(official.values.get("UserVOMapFile", ""))
    map_file = vo_map or (named if named.is_file() else None)
    accounts = _vo_map(map_file) if map_file else None
    imported = import_probeconfig(official, accounts, now=dt.datetime.now(dt.UTC))
    click.echo(imported.toml, nl=False)
    for line in imported.attention:
        click.echo(one_line(line), err=True)
    ctx.exit(ExitCode.SET_ASIDE if imported.attention else ExitCode.DONE)


def _vo_map(file: Path) -> UserVoMap:
    return parse_user_vo_map(read_text(file), where=str(file))


@click.command("compare")
@click.option(
    "--official",
    type=_PATH,
    required=True,
    help="Folder of the official probe's records: its WorkingFolder, or a copy.",
)
@click.option(
    "--ours", type=_PATH, help="Folder of our records (default: the shadow outbox)."
)
@click.option(
    "--since",
    type=Time(),
    help="Jobs that ended at this time or later (default: [gratia] cutover).",
)
@click.option("--until", type=Time(), help="Jobs that ended before this time.")
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
def compare_command(
    ctx: click.Context,
    *,
    official: Path,
    ours: Path | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    output: str,
) -> None:
    """Compare our records with the official probe's: jobs, wall and CPU time.

    Sums are by VO and day of the end; then each kind of difference names its jobs.
    Exit code 3: something differs, or a file could not be read.

    \b
    Example:
        poolmeter gratia compare --official /var/lib/condor/gratia/tmp
    """  # noqa: D301 - as above
    config = settings_of(ctx).config().gratia
    ours = ours or Path(config.outbox) / "shadow"
    for folder in (official, ours):
        if not folder.is_dir():
            raise UsageError(
                str(folder),
                expected="a folder of usage records",
                found="none",
                mend="run `poolmeter gratia send` in mode shadow first"
                if folder is ours
                else "see --official",
            )
    period = Period(since or config.cutover, until)
    with _shown() as progress:
        comparison = compare(official, ours, period, progress=progress)
    _print(comparison, output)
    ctx.exit(comparison.exit_code)


def _print(comparison: Comparison, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(comparison_data(comparison), indent=2))
        return
    for line in comparison_lines(comparison):
        click.echo(line)


@contextlib.contextmanager
def _shown() -> Iterator[CompareProgress | None]:
    """Yield what counts files on a terminal; ``None`` where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.completed:,} files read"),)
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=None)

        def count(_: RecordFile) -> None:
            bars.advance(task)

        yield count
