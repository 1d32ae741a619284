"""Record batches made in Python, given to DuckDB without losing an error."""

import contextlib
from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa

from poolmeter.errors import LedgerError


def connection() -> duckdb.DuckDBPyConnection:
    """Return a new, empty DuckDB that writes nothing to the terminal.

    By itself it draws a progress bar for every query of more than two seconds, into
    the middle of our output.
    """
    made = duckdb.connect(":memory:")
    made.execute("SET enable_progress_bar = false")
    return made


@contextlib.contextmanager
def batch_stream(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema
) -> Iterator[pa.RecordBatchReader]:
    """Give *batches* as a reader that DuckDB can query once.

    DuckDB tells of an error inside the stream by its text only; the error itself is
    raised here in its place.

    Raises:
        LedgerError: The batches' source cannot be read.
    """
    failures: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            failures.append(error)
            raise

    try:
        yield pa.RecordBatchReader.from_batches(schema, watched())
    except duckdb.Error:
        for failure in failures:
            if isinstance(failure, (OSError, pa.ArrowInvalid)):
                raise LedgerError(
                    "a file of the ledger is damaged", found=str(failure)
                ) from failure
            raise failure from None
        raise
