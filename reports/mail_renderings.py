"""The renderings that a mail is made of."""

import logging
from collections.abc import Callable

from poolmeter.lazy import load
from reports.mail_message import Renderings
from reports.render_csv import render_csv
from reports.render_text import render_text
from reports.statement_data import Statement


def renderings() -> Renderings:
    """Return how a statement stands in a mail.

    Raises:
        MissingPartError: The libraries that draw the page are not installed.
    """
    # A service account's home may not be writable; matplotlib helps itself then, but
    # says so, and cron would mail it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # matplotlib is not for those who never send anything.
    html: Callable[[Statement], str] = load(
        "reports.render_html:render_html", extra="reports"
    )
    return Renderings(text=render_text, html=html, csv=render_csv)
