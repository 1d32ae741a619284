"""Records of a run on their way to the ledger, on disk instead of in memory.

Rows are kept by day as Arrow files; each touched day is then merged once.  The spool
of a run that was killed is thrown away: its records are read again.
"""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from poolmeter.durable import make_folder, write_error
from poolmeter.ledger.layout import file_name_of, state_folder
from poolmeter.ledger.schema import table_with
from poolmeter.ledger.tables import JOBS, MergedTable
from poolmeter.record import JobRecord
from poolmeter.run_record import RunRecord

#: Records held in memory before they go to disk.
BUFFER_ROWS = 8192


class Spool:
    """Collects records of one table; afterwards gives them back by day."""

    def __init__(self, ledger: Path, schedd: str, table: MergedTable = JOBS) -> None:
        self.table = table
        folder = state_folder(ledger) / "spool" / file_name_of(schedd)
        self._folder = folder / table.name
        self._buffer: list[JobRecord | RunRecord] = []
        self._parts = 0
        self.rows = 0

    def clear(self) -> None:
        """Throw away all that is there.

        Raises:
            LedgerError: The folder cannot be removed.
        """
        try:
            if self._folder.exists():
                shutil.rmtree(self._folder)
        except OSError as error:
            raise write_error(self._folder, error) from error
        self._buffer.clear()
        self.rows = 0

    def add(self, record: JobRecord | RunRecord) -> None:
        """Take *record*.

        Raises:
            LedgerError: The spool cannot be written.
        """
        self._buffer.append(record)
        self.rows += 1
        if len(self._buffer) >= BUFFER_ROWS:
            self._flush()

    def extend(self, rows: pa.Table) -> None:
        """Take many *rows* at once.

        Raises:
            LedgerError: The spool cannot be written.
        """
        self._flush()
        self._write_rows(rows)
        self.rows += rows.num_rows

    def days(self) -> Iterator[tuple[dt.date, pa.Table]]:
        """Yield each day and its rows, in the order of days.

        Raises:
            LedgerError: The spool cannot be written.
        """
        self._flush()
        for folder in sorted(self._folder.glob("*")):
            parts = [_read(path) for path in sorted(folder.glob("*.arrow"))]
            yield dt.date.fromisoformat(folder.name), pa.concat_tables(parts)

    def _flush(self) -> None:
        if not self._buffer:
            return
        table = table_with(self.table.schema(), self._buffer)
        self._buffer.clear()
        self._write_rows(table)

    def _write_rows(self, table: pa.Table) -> None:
        days = pc.cast(pc.floor_temporal(table["ended_at"], unit="day"), pa.date32())
        for day in pc.unique(days).to_pylist():
            is_of_day = pc.equal(days, pa.scalar(day, pa.date32()))
            self._write(str(day), table.filter(is_of_day))
        self._parts += 1

    def _write(self, day: str, table: pa.Table) -> None:
        path = self._folder / day / f"{self._parts:08d}.arrow"
        make_folder(path.parent)
        try:
            with (
                pa.OSFile(str(path), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table)
        except OSError as error:
            raise write_error(path, error) from error


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()
