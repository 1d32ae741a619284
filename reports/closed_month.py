"""A closed month as data, and its file: written once, never changed.

``LEDGER/closed/YYYY-MM.json`` holds the lines of every division, each VO's apart, the
whole price book, and what they were made of: the day files by content.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from poolmeter.durable import make_folder, write_text
from poolmeter.errors import LedgerError
from poolmeter.record import NETWORK_COLUMNS
from reports.line import Line, joined
from reports.months import Month
from reports.price_book import Terms
from reports.price_book_file import PriceBook
from reports.question import By


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One file of the ledger, by its path inside it and its content."""

    path: str
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClosedMonth:
    """The month as it was closed.

    ``lines`` has, for each division, the lines of each VO.  ``statement`` is the
    statement by VO in its JSON form, for people and programs that read the file.
    """

    format: Literal[1] = 1
    month: str
    closed_at: dt.datetime
    inputs_sha256: str
    book_sha256: str
    vcpus_per_cpu: int
    own_resources: tuple[str, ...]
    lines: Mapping[By, Mapping[str, tuple[Line, ...]]]
    statement: dict[str, Any]
    inputs: tuple[Input, ...]
    book: Terms

    def lines_of(self, by: By, vo: str | None) -> tuple[Line, ...]:
        """Return the closed lines, of all VOs or of one, the most costly first."""
        of_vos = self.lines[by]
        chosen = of_vos.values() if vo is None else [of_vos.get(vo, ())]
        return joined(line for lines in chosen for line in lines)

    def price_book(self) -> PriceBook:
        """Return the book that the month was priced with."""
        return PriceBook(self.book, self.book_sha256)


def corrections(now: Iterable[Line], closed: Iterable[Line]) -> tuple[Line, ...]:
    """Return what *now* has more than *closed*, line by line, where they differ.

    Closed lines and corrections add up to the lines of now, to the second, the byte
    and the cent.
    """
    before = {line.key: line for line in closed}
    after = {line.key: line for line in now}
    return tuple(
        _difference(after.get(key, Line(key=key)), before.get(key, Line(key=key)))
        for key in sorted(before.keys() | after.keys())
        if after.get(key) != before.get(key)
    )


def _difference(now: Line, then: Line) -> Line:
    pairs = zip(now.network, then.network, strict=True)
    return Line(
        key=now.key,
        jobs=now.jobs - then.jobs,
        wall_s=now.wall_s - then.wall_s,
        core_s=_less(now.core_s, then.core_s),
        cpu_s=_less(now.cpu_s, then.cpu_s),
        core_s_with_cpu=_less(now.core_s_with_cpu, then.core_s_with_cpu),
        gpu_s=now.gpu_s - then.gpu_s,
        network=tuple(_less(mine, theirs) for mine, theirs in pairs),
        compute_cost=now.compute_cost - then.compute_cost,
        network_cost=_cost_less(now.network_cost, then.network_cost),
        network_complete=now.network_complete,
    )


def _less(now: int | None, then: int | None) -> int | None:
    """Return the difference; what was unknown and is known now is added whole."""
    return None if now is None and then is None else (now or 0) - (then or 0)


def _cost_less(now: Decimal | None, then: Decimal | None) -> Decimal | None:
    if now is None and then is None:
        return None
    return (now or Decimal("0.00")) - (then or Decimal("0.00"))


def closed_path(ledger: Path, month: Month) -> Path:
    """Return the file of *month* once it is closed."""
    return ledger / "closed" / f"{month}.json"


def read_closed(ledger: Path, month: Month) -> ClosedMonth | None:
    """Return *month* as it was closed, ``None`` if it has not been.

    Raises:
        LedgerError: The file cannot be read, or is not as we wrote it.
    """
    path = closed_path(ledger, month)
    try:
        closed = msgspec.json.decode(path.read_bytes(), type=ClosedMonth)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LedgerError(str(path), found=error.strerror or str(error)) from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise LedgerError(
            str(path), expected="a closed month", found=str(error)
        ) from error
    _check(closed, path, month)
    return closed


def _check(closed: ClosedMonth, path: Path, month: Month) -> None:
    """Refuse another month's file, and lines that have lost a count."""
    counts = {
        len(line.network)
        for of_vos in closed.lines.values()
        for lines in of_vos.values()
        for line in lines
    }
    if closed.month != str(month) or counts - {len(NETWORK_COLUMNS)}:
        raise LedgerError(
            str(path), expected=f"the closed {month}", found=f"one of {closed.month}"
        )


def write_closed(ledger: Path, month: Month, closed: ClosedMonth) -> None:
    """Durably write *month*'s file; the caller holds the lock and has looked for one.

    Raises:
        LedgerError: It cannot be written.
    """
    path = closed_path(ledger, month)
    make_folder(path.parent)
    content = msgspec.json.format(msgspec.json.encode(closed), indent=1)
    write_text(path, content.decode("utf-8") + "\n")
