"""The renderings that a mail is made of."""

from reports.mail_message import Renderings
from reports.page_renderer import page_renderer
from reports.render_csv import render_csv
from reports.render_text import render_text


def renderings() -> Renderings:
    """Return how a statement stands in a mail.

    Raises:
        MissingPartError: The libraries that draw the page are not installed.
    """
    return Renderings(text=render_text, html=page_renderer(), csv=render_csv)
