"""``poolmeter report mail``: what cron calls on the 3rd of the month."""

import datetime as dt
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.config import Config
from poolmeter.errors import ExitCode, one_line
from reports.facts import read_payers
from reports.mail import Outcome, exit_code, mail_month, note_arrival
from reports.mail_dry_run import write_month
from reports.mail_letters import Mailing
from reports.mail_plan import addressees, key_for, server_of
from reports.mail_renderings import renderings
from reports.mail_status import (
    MailStatus,
    recipients_missing,
    status_table,
    statuses,
    without_recipients,
)
from reports.monthly import monthly_statement, pricing_of
from reports.months import Month, parse_month
from reports.question import By, ask
from reports.readings import Readings
from reports.send_ledger import read_send_ledger
from reports.site_statement import pricing_for
from reports.statement_data import Statement
from reports.text_words import encodable


@click.command("mail")
@click.option(
    "--month", metavar="YYYY-MM", help="The month, in UTC (default: the last one)."
)
@click.option("--vo", "vos", multiple=True, help="Only this VO; may be repeated.")
@click.option(
    "--prices", metavar="BOOK", help="A shipped price book's name or a file's path."
)
@click.option(
    "--dry-run",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the messages as .eml files into DIR; send nothing.",
)
@click.option(
    "--resend",
    is_flag=True,
    help="Send what is in doubt again, and what has changed since it was sent.",
)
@click.option(
    "--arrived",
    is_flag=True,
    help="Take what is in doubt as arrived; send nothing.",
)
@click.option(
    "--status",
    is_flag=True,
    help="Show what has been mailed of the month; send nothing.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of --status.",
)
@shared_options
@click.pass_context
def mail_command(
    ctx: click.Context,
    *,
    month: str | None,
    vos: tuple[str, ...],
    prices: str | None,
    folder: Path | None,
    resend: bool,
    arrived: bool,
    status: bool,
    output: str,
) -> int:
    """Send each VO its month's statement by mail, once.

    A month that was closed is priced as it was then, unless --prices says otherwise.

    \b
    Example:
        poolmeter report mail --month 2026-10 --vo cms --dry-run /tmp/mail
        poolmeter report mail --month 2026-10 --status
    """  # noqa: D301 - click reads the control character
    if sum((folder is not None, resend, arrived, status)) > 1:
        raise click.UsageError(
            "--dry-run, --resend, --arrived and --status exclude each other"
        )
    config = settings_of(ctx).config()
    if status:
        _show(_statuses(config, _month(month), vos, prices), output)
        return ExitCode.DONE
    readings = Readings()
    mailing = _mailing(config, _month(month), vos, prices, readings)
    if folder is not None:
        outcomes = write_month(mailing, folder)
    elif arrived:
        outcomes = note_arrival(mailing)
    else:
        outcomes = mail_month(mailing, server_of(config.mail), resend=resend)
    code = exit_code(_told(outcomes))
    if vos or arrived:
        return code
    unaddressed = without_recipients(config.mail, readings.payers())
    if not unaddressed:
        return code
    line = one_line(recipients_missing(str(mailing.month), unaddressed))
    click.echo(f"poolmeter: {line}", err=True)
    return ExitCode.SET_ASIDE if code == ExitCode.DONE else code


def _statuses(
    config: Config, month: Month, vos: tuple[str, ...], prices: str | None
) -> list[MailStatus]:
    """Return what has been mailed, of *vos* or of all that are or should be."""
    ledger, plan = Path(config.ledger.path), addressees(config.mail, vos)
    unaddressed: list[str] = []
    if not vos:
        question = ask(ledger, month, pricing_for(config, prices), "vo", None)
        unaddressed = without_recipients(config.mail, read_payers(question))
    sends = read_send_ledger(ledger, str(month))
    return statuses(str(month), plan, sends, unaddressed)


def _show(found: Sequence[MailStatus], output: str) -> None:
    if output == "json":
        click.echo(json.dumps([status.to_json() for status in found], indent=2))
    else:
        click.echo(encodable(status_table(found), sys.stdout.encoding))


def _mailing(
    config: Config,
    month: Month,
    vos: tuple[str, ...],
    prices: str | None,
    readings: Readings,
) -> Mailing:
    """Return what is to be mailed; all of the configuration is checked before."""
    plan = addressees(config.mail, vos)
    ledger = Path(config.ledger.path)
    pricing = pricing_for(config, prices)
    if prices is None:
        pricing = pricing_of(ledger, str(month), pricing)

    def statement_of(vo: str, by: By) -> Statement:
        return monthly_statement(
            ledger, month, pricing, by=by, vo=vo, readings=readings
        )

    return Mailing(
        ledger=ledger,
        month=month,
        mail=config.mail,
        plan=plan,
        statement_of=statement_of,
        renderings=renderings(),
        key=key_for(config.mail, plan),
        now=_now,
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _month(text: str | None) -> Month:
    """Return the month that *text* names, or the one before this."""
    if text is not None:
        return parse_month(text)
    last_day = _now().date().replace(day=1) - dt.timedelta(days=1)
    return Month(last_day.year, last_day.month)


def _told(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Pass *outcomes* on; say what went wrong, and on a terminal the rest as well."""
    for outcome in outcomes:
        text = f"{outcome.vo} to {outcome.to}: {outcome.result}"
        line = one_line(f"{text}: {outcome.said}" if outcome.said else text)
        if not outcome.is_fine:
            click.echo(f"poolmeter: {line}", err=True)
        elif sys.stdout.isatty():
            click.echo(line)
        yield outcome
