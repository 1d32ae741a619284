"""The renderings that a mail is made of."""

import csv
import html
import io

from reports.mail_message import Renderings
from reports.render_text import render_text
from reports.statement_data import Statement


def renderings() -> Renderings:
    """Return how a statement stands in a mail."""
    return Renderings(text=render_text, html=_html, csv=_csv)


def _html(statement: Statement) -> str:
    return f"<html><body><pre>{html.escape(render_text(statement))}</pre></body></html>"


def _csv(statement: Statement) -> str:
    out = io.StringIO()
    rows = [line.to_json() for line in (*statement.lines, statement.totals)]
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
