"""Debian's Chromium without a window: what a reader of a page sees.

No test needs the network; the page is a file and may ask for nothing.
"""

import shutil
import subprocess
from pathlib import Path

LIMIT_S = 120

_COMMON = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
)


def why_no_browser() -> str | None:
    """Return why no page can be shown here, or ``None``."""
    if browser() is None:
        return "chromium is not installed (Debian: apt-get install chromium)"
    return None


def browser() -> str | None:
    """Return the browser's path."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    """Show *page* in a window of that size and write what is seen to *picture*."""
    _run(page, f"--window-size={width},{height}", f"--screenshot={picture}")


def document(page: Path) -> str:
    """Return the document as the browser understood *page*."""
    return _run(page, "--dump-dom")


def _run(page: Path, *options: str) -> str:
    name = browser()
    assert name is not None
    done = subprocess.run(
        [name, *_COMMON, f"--user-data-dir={page.parent / 'profile'}", *options,
         page.as_uri()],
        capture_output=True, timeout=LIMIT_S, check=True, text=True,
    )  # fmt: skip
    return done.stdout
