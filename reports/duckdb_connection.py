"""How DuckDB is opened: quiet, small, and with its spilled rows out of sight."""

import contextlib
import tempfile
from collections.abc import Iterator

import duckdb

#: What DuckDB may hold itself; what it needs beyond that it spills to a folder.
MEMORY_LIMIT = "192MB"


@contextlib.contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a new, empty DuckDB that writes nothing to the terminal.

    By itself it draws a progress bar for every query of more than two seconds, into
    the middle of our output, takes four fifths of the machine's memory, and spills
    rows into the working directory.
    """
    with (
        tempfile.TemporaryDirectory(prefix="poolmeter-") as folder,
        duckdb.connect(":memory:") as made,
    ):
        made.execute("SET enable_progress_bar = false")
        # The order of rows in Parquet is of no use to sums, and costs memory.
        made.execute("SET preserve_insertion_order = false")
        made.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        made.execute("SET temp_directory = $folder", {"folder": folder})
        yield made
