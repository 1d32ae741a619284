"""The command ``poolmeter demo``."""

import datetime as dt
import tempfile
from pathlib import Path

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.demo.run import SCHEDD, DemoResult, run_demo, terminal_width


@click.command()
@shared_options
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Turn bundled history of a real pool into a ledger and a priced statement.

    Needs no service and no root, and touches nothing but the ledger that it makes: a
    temporary folder, or the one that --ledger names.

    \b
    Example:
        poolmeter demo --ledger demo-ledger
    """  # noqa: D301 - click reads the control character
    chosen = settings_of(ctx).ledger_path
    with tempfile.TemporaryDirectory(prefix="poolmeter-demo-") as folder:
        ledger = chosen or Path(folder) / "ledger"
        result = run_demo(ledger, now=dt.datetime.now(dt.UTC), width=terminal_width())
        click.echo(_text(result, is_kept=chosen is not None))
    ctx.exit(result.report.exit_code)


def _text(result: DemoResult, *, is_kept: bool) -> str:
    merged = result.report.merged
    ledger = str(result.ledger) if is_kept else "a temporary folder (--ledger keeps it)"
    return f"""\
history  written by HTCondor, {result.report.read:,} records
ledger   {ledger}: {merged.inserted:,} jobs new, {merged.repeated:,} known already
months   {", ".join(result.months)}

{result.statement_text}
The same on an access point, with its own history:
  poolmeter --ledger DIR probe run --history FILE --schedd {SCHEDD}
  poolmeter --ledger DIR report statement --month {result.months[-1]}"""
