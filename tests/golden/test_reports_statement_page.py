"""A statement of the sample ledger as a page, as text and as CSV: nothing drifts."""

import html.parser
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.monthly import monthly_statement
from reports.question import Pricing
from reports.render_csv import render_csv
from reports.render_html import render_html
from reports.render_text import render_text
from reports.statement_data import Statement
from tests.sample_ledger import MONTH, sample_book, write_sample

_EXPECTED = Path(__file__).parent / "expected"

Golden = Callable[[Path, str], None]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    ledger = write_sample(tmp_path_factory.mktemp("sample") / "ledger")
    return monthly_statement(ledger, MONTH, Pricing(book=sample_book()), months=3)


def test_the_page_says_what_it_always_said(sample: Statement, golden: Golden) -> None:
    """Its visible text; images by what they tell those who do not see them."""
    golden(_EXPECTED / "statement-page.txt", visible_text(render_html(sample)))


def test_the_text_says_what_it_always_said(sample: Statement, golden: Golden) -> None:
    golden(_EXPECTED / "statement-sample.txt", render_text(sample, 110))


def test_the_csv_says_what_it_always_said(sample: Statement, golden: Golden) -> None:
    golden(_EXPECTED / "statement.csv", render_csv(sample).replace("\r\n", "\n"))


def visible_text(page: str) -> str:
    """Return the text of *page*, a line for each row, paragraph and image."""
    reader = _Reader()
    reader.feed(page)
    return "\n".join(filter(None, (" ".join(x.split()) for x in reader.lines))) + "\n"


class _Reader(html.parser.HTMLParser):
    """Collects what a page shows."""

    _LINES = frozenset(("title", "h1", "h2", "p", "tr", "figcaption", "div"))

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in self._LINES:
            self.lines.append("")
        if tag in ("td", "th", "dd", "span"):
            self.lines[-1] += " | "
        if tag == "img":
            self.lines.append(f"[{dict(attrs)['alt']}]")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        if tag in self._LINES:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.lines[-1] += data
