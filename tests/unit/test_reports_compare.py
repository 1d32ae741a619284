"""The same usage under two books: each side is that book's own statement."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from poolmeter.cli import main
from reports.compare.comparison import Comparison, compare
from reports.compare.render import render_comparison_csv, render_comparison_text
from reports.question import Pricing
from reports.statement import statement
from tests.sample_ledger import HOSTILE, MONTH, sample_book, write_sample
from tests.unit.reports_ledger import BOOK_TOML, book


def dearer_book() -> str:
    """Return the book of three types with one dearer type and another currency's id."""
    return BOOK_TOML.replace('"0.085", source', '"0.170", source').replace(
        'id = "three-types"', 'id = "dearer"'
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("compare") / "ledger")


@pytest.fixture(scope="module")
def comparison(ledger: Path) -> Comparison:
    second = book(("0.085", "0.170"))
    pricings = (Pricing(book=sample_book()), Pricing(book=second))
    return compare(ledger, MONTH, pricings, by="owner")


def test_each_side_is_the_statement_of_its_book(
    ledger: Path, comparison: Comparison
) -> None:
    for side, priced in (
        ("first", sample_book()),
        ("second", book(("0.085", "0.170"))),
    ):
        expected = statement(ledger, MONTH, by="owner", book=priced)
        totals = getattr(comparison.totals, side)
        assert totals.total == expected.totals.total_cost
        costs = {line.key: getattr(line, side).total for line in comparison.lines}
        assert {key: cost for key, cost in costs.items() if cost} == {
            line.key: line.total_cost for line in expected.lines if line.total_cost
        }


def test_differences_add_up_to_the_totals_difference(comparison: Comparison) -> None:
    for part in ("compute", "total"):
        parts = [line.difference(part) for line in comparison.lines]
        assert sum(part for part in parts if part is not None) == (
            comparison.totals.difference(part)
        )


def test_what_one_book_cannot_price_is_said(comparison: Comparison) -> None:
    text = render_comparison_text(comparison, 200)
    assert comparison.unpriced_jobs[1] > comparison.unpriced_jobs[0]
    assert f"No price in three-types: {comparison.unpriced_jobs[1]} job" in text


def test_hostile_names_are_inert_and_amounts_are_numbers(
    comparison: Comparison,
) -> None:
    rows = list(csv.DictReader(io.StringIO(render_comparison_csv(comparison))))
    assert not any(row["key"].startswith(("=", "+", "-", "@")) for row in rows)
    assert Decimal(rows[-1]["total_cost_first"]) == comparison.totals.first.total
    assert "\u202e" not in render_comparison_text(comparison, 200)
    assert len(rows) == len(comparison.lines) + 1
    assert any(line.key in HOSTILE for line in comparison.lines)


def test_money_is_never_converted(
    capsys: pytest.CaptureFixture[str], ledger: Path, tmp_path: Path
) -> None:
    euro = tmp_path / "euro.toml"
    euro.write_text(BOOK_TOML.replace('"USD"', '"EUR"'))
    code, err = _failed(capsys, ledger, "--prices", "ec2-2011", "--prices", str(euro))
    assert code == 2
    assert "expected two books of one currency, found USD and EUR" in err


def test_one_book_is_none_to_compare(
    capsys: pytest.CaptureFixture[str], ledger: Path
) -> None:
    code, err = _failed(capsys, ledger, "--prices", "ec2-2011")
    assert (code, "expected two books" in err) == (2, True)


def test_the_command_prints_json(
    capsys: pytest.CaptureFixture[str], ledger: Path, tmp_path: Path
) -> None:
    dearer = tmp_path / "dearer.toml"
    dearer.write_text(dearer_book())
    with pytest.raises(SystemExit) as stop:
        main(_arguments(ledger, "--prices", str(dearer), "--prices", "ec2-2011",
                        "--format", "json"))  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert told["books"] == ["dearer", "ec2-2011"]
    assert told["totals"]["difference"]["compute"]


def _arguments(ledger: Path, *more: str) -> list[str]:
    return ["--ledger", str(ledger), "report", "compare", "--month", MONTH, *more]


def _failed(
    capsys: pytest.CaptureFixture[str], ledger: Path, *more: str
) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stop:
        main(_arguments(ledger, *more))
    return stop.value.code, capsys.readouterr().err
