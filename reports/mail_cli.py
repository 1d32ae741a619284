"""``poolmeter report mail``: what cron calls on the 3rd of the month."""

import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from poolmeter.cli import settings_of, shared_options
from poolmeter.config import Config
from poolmeter.errors import one_line
from reports.mail import Outcome, exit_code, mail_month, note_arrival
from reports.mail_dry_run import write_month
from reports.mail_letters import Mailing
from reports.mail_plan import addressees, key_for, server_of
from reports.mail_renderings import renderings
from reports.monthly import monthly_statement, pricing_of
from reports.months import Month, parse_month
from reports.question import By
from reports.readings import Readings
from reports.site_statement import pricing_for
from reports.statement_data import Statement


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
) -> int:
    """Send each VO its month's statement by mail, once.

    A month that was closed is priced as it was then, unless --prices says otherwise.

    \b
    Example:
        poolmeter report mail --month 2026-10 --vo cms --dry-run /tmp/mail
    """  # noqa: D301 - click reads the control character
    if sum((folder is not None, resend, arrived)) > 1:
        raise click.UsageError("--dry-run, --resend and --arrived exclude each other")
    config = settings_of(ctx).config()
    mailing = _mailing(config, _month(month), vos, prices)
    if folder is not None:
        outcomes = write_month(mailing, folder)
    elif arrived:
        outcomes = note_arrival(mailing)
    else:
        outcomes = mail_month(mailing, server_of(config.mail), resend=resend)
    return exit_code(_told(outcomes))


def _mailing(
    config: Config, month: Month, vos: tuple[str, ...], prices: str | None
) -> Mailing:
    """Return what is to be mailed; all of the configuration is checked before."""
    plan = addressees(config.mail, vos)
    ledger = Path(config.ledger.path)
    pricing = pricing_for(config, prices)
    if prices is None:
        pricing = pricing_of(ledger, str(month), pricing)

    readings = Readings()

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
