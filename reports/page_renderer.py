"""Where the page with its plots comes from: loaded by those alone who want one."""

import logging
from collections.abc import Callable

from poolmeter.lazy import load
from reports.statement_data import Statement


def page_renderer() -> Callable[[Statement], str]:
    """Return the function that writes a statement as an HTML page.

    Raises:
        MissingPartError: The libraries that draw the page are not installed.
    """
    # A service account's home may not be writable; matplotlib helps itself then with
    # a private folder for the run, but says so, and cron would mail it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    render: Callable[[Statement], str] = load(
        "reports.render_html:render_html", extra="reports"
    )
    return render
