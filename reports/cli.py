"""``poolmeter report``: statements on the terminal and by mail."""

import click

from poolmeter.cli import shared_options
from reports.compare.cli import compare_command
from reports.mail_cli import mail_command
from reports.policy.cli import policy_command
from reports.prices_cli import prices_group
from reports.statement_cli import close_command, statement_command


@click.group()
@shared_options
def report() -> None:
    """Price the ledger's usage as statements: showback, nobody is asked to pay."""


report.add_command(statement_command)
report.add_command(compare_command)
report.add_command(close_command)
report.add_command(mail_command)
report.add_command(policy_command)
report.add_command(prices_group)
