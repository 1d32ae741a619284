"""Gaps: times of which records may have been lost before we could read them."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from poolmeter.durable import make_folder, replacing
from poolmeter.ledger.layout import day_file, day_lock
from poolmeter.ledger.scan import read_table
from poolmeter.ledger.schema import check_mark, gaps_schema, marked, writer_options
from poolmeter.locks import locked


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Records of *source* that ended between the two times may be missing."""

    schedd: str
    source: str
    reason: str
    from_at: dt.datetime
    to_at: dt.datetime

    def is_about(self, other: "Gap") -> bool:
        """Whether both tell of the same loss, seen by two runs."""
        mine = (self.schedd, self.source, self.reason, self.from_at)
        return mine == (other.schedd, other.source, other.reason, other.from_at)


def add_gaps(ledger: Path, gaps: Sequence[Gap]) -> None:
    """Insert *gaps*; one that an earlier run has noted already is left as it is.

    Raises:
        LedgerError: A file cannot be written, is locked, or is another schedd's.
    """
    for gap in gaps:
        day = gap.to_at.astimezone(dt.UTC).date()
        with locked(day_lock(ledger, day, gap.schedd), what=f"gaps of {day}"):
            if not any(gap.is_about(known) for known in read_gaps(ledger)):
                _append(day_file(ledger, "gaps", day, gap.schedd), gap)


def read_gaps(ledger: Path) -> list[Gap]:
    """Return every gap that the ledger has noted, the oldest first.

    Raises:
        LedgerError: A file is of another schema version or cannot be read.
    """
    rows = read_table(ledger, "gaps", gaps_schema()).to_pylist()
    return sorted((Gap(**row) for row in rows), key=lambda gap: gap.from_at)


def _append(path: Path, gap: Gap) -> None:
    make_folder(path.parent)
    tables = [pa.Table.from_pylist([dataclasses.asdict(gap)], gaps_schema())]
    if path.exists():
        old = pq.read_table(path)
        check_mark(old.schema, path, schedd=gap.schedd)
        tables.insert(0, old.cast(gaps_schema()))
    with replacing(path) as temporary:
        table = pa.concat_tables(tables).cast(marked(gaps_schema(), gap.schedd))
        pq.write_table(table, temporary, **writer_options())
