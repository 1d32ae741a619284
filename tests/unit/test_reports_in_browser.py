"""The page in Chromium, at a desk and on a phone.

``POOLMETER_PICTURES=DIR`` keeps the pictures, for a person to look at.
"""

import os
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest

from reports.monthly import monthly_statement
from reports.question import Pricing
from reports.render_html import render_html
from tests.browser import document, screenshot
from tests.sample_ledger import MONTH, sample_book, write_sample

pytestmark = pytest.mark.needs("chromium")

_SIZES = {"desk": (1280, 1600), "tablet": (800, 1600), "phone": (390, 1600)}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    ledger = write_sample(folder / "ledger")
    made = monthly_statement(ledger, MONTH, Pricing(book=sample_book()), months=3)
    path = folder / "statement.html"
    path.write_text(render_html(made), "utf-8")
    return path


@pytest.mark.parametrize("name", _SIZES)
def test_the_page_fits_its_window(page: Path, tmp_path: Path, name: str) -> None:
    """Nothing reaches into the margin at the right, and the page is not blank."""
    width, height = _SIZES[name]
    folder = Path(os.environ.get("POOLMETER_PICTURES", tmp_path))
    picture = folder / f"{name}.png"

    screenshot(page, picture, width, height)

    seen: npt.NDArray[np.float32] = matplotlib.image.imread(picture)
    assert seen.shape[:2] == (height, width)
    paper = seen[0, 0]
    assert (seen[:, -6:] == paper).all()
    assert (seen != paper).any(axis=2).mean() > 0.05


def test_the_browser_reads_the_page_as_it_was_written(page: Path) -> None:
    """No text of users became an element or ran."""
    dom = document(page)

    assert "<script" not in dom
    assert "onerror=" in dom  # as text
    assert "<img src=x" not in dom
    assert dom.count("<table>") == 5
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in dom
