"""What became of many records at once."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from probe.history_file import RawRecord
from probe.reader import Rejected


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What became of the next *read* records of a file, each in exactly one count.

    ``rows`` are those of the table ``jobs``, in the records' order; ``by_reference``
    counts the records that the reference reader was asked about.  ``end`` is the
    offset behind the last record, ``tail`` the up to 256 bytes before it, and
    ``earliest_s`` the reliable end to hold the next record against.
    """

    read: int
    rows: pa.Table
    rejected: Sequence[tuple[RawRecord, Rejected]]
    skipped: Counter[str]
    warnings: Counter[str]
    contradicted: int
    by_reference: int
    end: int
    tail: bytes
    earliest_s: int | None
