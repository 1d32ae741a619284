"""Pages and CSV: numbers as numbers, and user text that can do nothing."""

import csv
import dataclasses
import html.parser
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from poolmeter.cli import main
from reports.monthly import monthly_statement
from reports.plots import statement_plots
from reports.question import By, Pricing
from reports.render_csv import HEADER, plain_cell, render_csv
from reports.render_html import render_html
from reports.statement import statement
from reports.statement_data import Statement
from tests.sample_ledger import HOSTILE, MONTH, sample_book, write_sample
from tests.unit.reports_ledger import GB, book, job, write_ledger

_WAYS: tuple[By, ...] = ("vo", "owner", "project")
_ATTACKS = (
    *HOSTILE,
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "a\n=1",
    " =1",
    'x";=1+1;"',
    "x;=1+1",
    "x|=1",
    "\uff1d1+1",
    "{{ cycler.__init__ }}{% raw %}",
    "</style><script>",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "日本語",
    "$\\sqrt{",
)
#: What may begin with a formula's character is a number of ours.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\uff1d")


@pytest.fixture(scope="module")
def sample_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "ledger")


@pytest.fixture(scope="module", params=_WAYS)
def sample(request: pytest.FixtureRequest, sample_ledger: Path) -> Statement:
    pricing = Pricing(book=sample_book())
    return monthly_statement(sample_ledger, MONTH, pricing, by=request.param, months=2)


@pytest.fixture(scope="module", params=["project", "vo"])
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Statement:
    """A statement with attacks wherever users can write."""
    rows = [row for name in _ATTACKS for row in _attacks(name)]
    ledger = write_ledger(tmp_path_factory.mktemp("attacked"), *rows)
    return statement(ledger, "2026-10", by=request.param, book=book())


def _attacks(name: str) -> list[dict[str, Any]]:
    texts = {"owner": name, "vo": name, "project": name, "payload_user": name,
             "execute_site": name, "execute_pool": name, "x509_subject": name,
             "hold_reason": name, "hold_reason_code": 34, "holds": 1,
             "removal_reason": name, "last_remote_host": name}  # fmt: skip
    return [
        job(**texts),
        job(**texts, job_status="removed"),
        job(**texts, billable=False, unbilled_reason=name),
        job(**texts, network_trust="missing", network_missing_reason=name,
            network_outgoing_external_bytes=None, contradictions=[name]),
    ]  # fmt: skip


class _Tags(html.parser.HTMLParser):
    """Collects the tags of a page and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.names.add(name)
            if name in ("src", "href", "action"):
                self.targets.append(value or "")


def _tags(page: str) -> _Tags:
    reader = _Tags()
    reader.feed(page)
    return reader


_ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2",
    "section", "div", "span", "figure", "figcaption", "img", "table", "thead", "tbody",
    "tfoot", "tr", "th", "td", "dl", "dt", "dd",
}  # fmt: skip
_ALLOWED_NAMES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "aria-label", "src",
    "alt", "scope",
}  # fmt: skip


def test_hostile_text_reaches_no_tag(attacked: Statement) -> None:
    page = render_html(attacked)

    reader = _tags(page)
    assert len(attacked.lines) == len(_ATTACKS)
    assert reader.tags <= _ALLOWED
    assert reader.names <= _ALLOWED_NAMES
    assert all(target.startswith("data:image/png;") for target in reader.targets)
    body = page.partition("</head>")[2]
    assert all(char.isprintable() or char in "\n\N{NO-BREAK SPACE}" for char in body)


def test_the_page_asks_for_nothing(sample: Statement) -> None:
    page = render_html(sample)

    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_has_every_line_and_amount(sample: Statement) -> None:
    page = render_html(sample)

    for line in (*sample.lines[:20], sample.totals):
        assert f"${line.compute_cost:,}" in page
    assert "Flocked out" in page
    assert "Own pool" in page
    assert "held" in page


def test_the_same_statement_is_the_same_page(sample: Statement) -> None:
    """To the byte, its plots too: a resent mail is the same mail."""
    assert render_html(sample) == render_html(sample)


def test_headers_stand_above_their_numbers(sample: Statement) -> None:
    page = render_html(sample)

    for row in page.split("<tr")[1:]:
        kinds = [
            "num" in attributes for attributes in re.findall(r"<t[hd]\b([^>]*)>", row)
        ]
        assert kinds[0] is False
        assert kinds[-1] is True


def test_plots_have_words_for_those_who_do_not_see_them(sample: Statement) -> None:
    plots = statement_plots(sample)

    assert [plot.name for plot in plots] == ["lines", "trend", "waste"]
    assert all(plot.alternative and plot.png[:4] == b"\x89PNG" for plot in plots)


def test_an_empty_month_is_a_page(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())

    page = render_html(statement(ledger, "2026-09", book=book()))

    assert "The ledger holds no jobs of this month." in page
    assert "<img" not in page


def test_a_difference_is_not_overlooked(tmp_path: Path) -> None:
    made = statement(write_ledger(tmp_path, job()), "2026-10", book=book())
    assert made.use is not None
    wrong = dataclasses.replace(made, use=dataclasses.replace(made.use, difference=7))

    assert "do not use this statement" in render_html(wrong)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_hostile_text_is_no_formula(attacked: Statement) -> None:
    """Neither to a reader that splits at commas nor to one that does not."""
    text = render_csv(attacked)

    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert all(len(row) == len(HEADER) for row in rows)
    cells = [row[i] for row in rows for i in (2, 4)]
    cells += [part for cell in cells for part in cell.replace("|", ";").split(";")]
    assert not [cell for cell in cells if cell.strip(' "').startswith(_FORMULA_BEGINS)]
    assert len(text.split("\r\n")) == len(rows) + 1


def test_names_that_are_no_formula_stay_as_they_are() -> None:
    for name in ("cms", "a-b", "alice@example.org", "CMS/Role=pilot", "O'Brien"):
        assert plain_cell(name) == name


def test_numbers_stay_numbers_and_add_up(sample: Statement) -> None:
    text = render_csv(sample)

    rows = _rows(text)
    (total,) = [row for row in rows if row["row"] == "total"]
    lines = [row for row in rows if row["row"] == "line"]
    for name in HEADER[5:-3]:
        values = [Decimal(row[name]) for row in lines if row[name]]
        assert sum(values, Decimal(0)) == Decimal(total[name] or 0)
    assert f",{sample.totals.compute_cost}," in text


def test_what_is_unknown_is_an_empty_cell(tmp_path: Path) -> None:
    dark = job(network_outgoing_external_bytes=None, network_trust="missing")
    ledger = write_ledger(
        tmp_path, dark, job(vo="x", network_outgoing_external_bytes=GB)
    )

    rows = {row["key"]: row for row in _rows(render_csv(
        statement(ledger, "2026-10", book=book())))}  # fmt: skip

    assert (rows["cms"]["network_cost"], rows["cms"]["is_lower_bound"]) == ("", "yes")
    assert (rows["x"]["network_cost"], rows["x"]["is_lower_bound"]) == ("0.00", "no")


@pytest.mark.parametrize(
    ("output", "begin"), [("html", "<!DOCTYPE html>"), ("csv", '"row","month"')]
)
def test_the_command_writes_pages_and_csv(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, output: str, begin: str
) -> None:
    ledger = write_ledger(tmp_path, job(vo="naïve 日本"))

    with pytest.raises(SystemExit) as stop:
        main(["report", "statement", "--month=2026-10", f"--format={output}",
              "--ledger", str(ledger), "--trend=1"])  # fmt: skip

    assert stop.value.code == 0
    out = capfd.readouterr().out
    assert out.startswith(begin)
    assert "naïve 日本" in out
