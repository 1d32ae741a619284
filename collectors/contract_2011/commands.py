"""The commands ``poolmeter-netns-setup`` and ``poolmeter-netns-cleanup``."""

import os

import click

from collectors.contract_2011.by_hand import ByHand
from poolmeter.cli import run_command, settings_of, shared_options

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def _by_hand(ctx: click.Context) -> ByHand:
    folders = (os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS)
    return ByHand(settings_of(ctx).config().node, os.pathsep.join(folders))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("job_id")
@click.argument("device")
@shared_options
@click.pass_context
def setup(ctx: click.Context, job_id: str, device: str) -> None:
    """Make routing and counting rules for DEVICE; print the job's IPv4 address.

    DEVICE is the node's end of a link whose other end is in the job's namespace.
    The rules stand in the chain JOB_ID of the table mangle; their comments name what
    they count.  No daemon is needed; root is.

    \b
    Example:
        poolmeter-netns-setup 1234.0 veth1234
    """  # noqa: D301 - click reads the control character
    click.echo(str(_by_hand(ctx).set_up(job_id, device)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("job_id")
@click.argument("device")
@shared_options
@click.pass_context
def cleanup(ctx: click.Context, job_id: str, device: str) -> None:
    """Remove what `poolmeter-netns-setup JOB_ID DEVICE` made.

    Take the link down and read the counters before.

    \b
    Example:
        poolmeter-netns-cleanup 1234.0 veth1234
    """  # noqa: D301 - click reads the control character
    _by_hand(ctx).clean_up(job_id, device)


def run_setup() -> None:
    """Run ``poolmeter-netns-setup``."""
    run_command(setup)


def run_cleanup() -> None:
    """Run ``poolmeter-netns-cleanup``."""
    run_command(cleanup)
