"""Run the probe over the bundled history and price what it found.

The history was written by HTCondor itself, in a throw-away pool; ``data/README.md``
says how.  Parts are loaded by name: the ground floor imports none.
"""

import contextlib
import dataclasses
import datetime as dt
import importlib.resources
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from poolmeter.config import Config, ProbeConfig
from poolmeter.lazy import load

#: The name of the schedd that wrote the bundled history.
SCHEDD = "ap1.campus.example"
SITE = "campus"
PRICE_BOOK = "ec2-us-east-1-2026"
_EXTRA = "probe,reports"


@dataclasses.dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo read, where its ledger is, and the priced months, newest last."""

    report: Any
    ledger: Path
    months: tuple[str, ...]
    statement_text: str


@contextlib.contextmanager
def bundled_history() -> Iterator[Path]:
    """Yield the path of the bundled live history file; its rotations lie beside it."""
    with importlib.resources.as_file(
        importlib.resources.files("poolmeter.demo") / "data"
    ) as folder:
        yield folder / "history"


def run_demo(ledger: Path, *, now: dt.datetime, width: int) -> DemoResult:
    """Read the bundled history into *ledger* and price its last month.

    Raises:
        MissingPartError: The extras ``probe`` and ``reports`` are not installed.
        LedgerError: The ledger cannot be written.
    """
    run_probe = load("probe.run:run_probe", extra=_EXTRA)
    config = demo_config()
    with bundled_history() as history:
        report = run_probe(ledger, SCHEDD, [history], config, now=now)
    months = months_of(ledger)
    return DemoResult(report, ledger, months, statement_of(ledger, months[-1], width))


def demo_config() -> Config:
    """Return the defaults, with the demo pool's site."""
    return msgspec.structs.replace(Config(), probe=ProbeConfig(site=SITE))


def months_of(ledger: Path) -> tuple[str, ...]:
    """Return the months in which the ledger's jobs ended, as ``YYYY-MM``, in order."""
    job_files = load("poolmeter.ledger.scan:job_files", extra=_EXTRA)
    days = (path.parent.name.removeprefix("date=") for path in job_files(ledger))
    return tuple(sorted({day[: len("YYYY-MM")] for day in days}))


def statement_of(ledger: Path, month: str, width: int) -> str:
    """Return the statement of *month* by VO, as text of *width* columns."""
    find_book = load("reports.price_book_file:find_book", extra=_EXTRA)
    statement = load("reports.statement:statement", extra=_EXTRA)
    render_text = load("reports.render_text:render_text", extra=_EXTRA)
    text: str = render_text(
        statement(ledger, month, by="vo", book=find_book(PRICE_BOOK)), width
    )
    return text


def terminal_width() -> int:
    """Return the terminal's width in columns, 100 where there is none."""
    return shutil.get_terminal_size((100, 0)).columns
