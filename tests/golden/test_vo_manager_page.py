"""The statement in the VO managers' page is what the demo prints."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

from poolmeter.demo.run import run_demo

_PAGE = Path(__file__).parents[2] / "docs" / "vo-manager.md"
_BLOCK = re.compile(r"(<!-- demo -->\n```text\n)(.*?)(```\n)", re.DOTALL)
_NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def test_the_page_shows_the_demos_statement(
    tmp_path: Path, golden: Callable[[Path, str], None]
) -> None:
    result = run_demo(tmp_path / "ledger", now=_NOW, width=88)

    page = _PAGE.read_text("utf-8")
    shown = _BLOCK.sub(lambda m: m[1] + result.statement_text + m[3], page, count=1)

    assert _BLOCK.search(page)
    golden(_PAGE, shown)
