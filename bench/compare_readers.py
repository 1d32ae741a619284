"""Whether the fast reader gives the reference's cells, on any files, cell by cell.

Each file is read by both readers.  Compared are all cells of all rows, what was set
aside and why, what was skipped, the values left out, and how far each came.  A file
that holds one ad and no banner is given one.  Exit code 1 if anything differs.

    python -m bench.compare_readers FILE... [--chunk-bytes N]
    python -m bench.compare_readers --synthetic 20000
"""

import argparse
import collections
import dataclasses
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from bench.production_ads import history, production_ads
from poolmeter.config import Config
from poolmeter.ledger.schema import jobs_schema, table_of
from probe.fast import chunks as fast_chunks
from probe.fast.chunks import chunks_of
from probe.fast.reader import FastReader
from probe.history_file import RawRecord, TornStreamError, open_history
from probe.normalise.job import Normalised
from probe.reader import Outcome, Rejected, Skipped, read

SCHEDD = "ap.compare.example"
Item = TypeVar("Item")

#: After the end of every record, so that none is told from the time of reading.
NOW_S = 2**33


@dataclasses.dataclass(slots=True)
class Result:
    """All that a reader says of one file."""

    rows: pa.Table
    rejected: list[tuple[RawRecord, Rejected]] = dataclasses.field(default_factory=list)
    skipped: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    warnings: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    contradicted: int = 0
    read: int = 0
    end: int = 0
    earliest_s: int | None = None
    by_reference: int = 0

    def words(self) -> dict[str, Any]:
        """Return all but the rows, to be compared as a whole."""
        left_out = ("rows", "by_reference")
        fields = (field.name for field in dataclasses.fields(self))
        return {name: getattr(self, name) for name in fields if name not in left_out}


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """How many cells were compared, and every difference in words."""

    records: int
    cells: int
    by_reference: int
    differences: Sequence[str]


def compare(
    path: Path, config: Config | None = None, reader: FastReader | None = None
) -> Comparison:
    """Read *path* with both readers and compare what they say.

    A fast *reader* that is given has read other files before, and knows their names.
    """
    config = config or Config()
    reader = reader or FastReader(SCHEDD, config, now_s=NOW_S)
    fast, reference = by_fast(path, reader), by_reference(path, config)
    differences = [*_differences(fast, reference)]
    cells = reference.rows.num_rows * reference.rows.num_columns
    return Comparison(reference.read, cells, fast.by_reference, differences)


def by_reference(path: Path, config: Config) -> Result:
    """Return what the reference reader says of *path*."""
    outcomes: list[Outcome] = []
    with open_history(path) as file:
        read_outcomes = read(
            file.records(), schedd=SCHEDD, config=config, earliest_s=None, now_s=NOW_S
        )
        outcomes.extend(_until_torn(read_outcomes))
    records = [o.result.record for o in outcomes if isinstance(o.result, Normalised)]
    result = Result(table_of(records), read=len(outcomes))
    for outcome in outcomes:
        _count(outcome, result)
        result.end, result.earliest_s = outcome.raw.end, outcome.earliest_s
    return result


def _count(outcome: Outcome, result: Result) -> None:
    match outcome.result:
        case Normalised(record, warnings):
            result.warnings.update(f"{name}: {why}" for name, why in warnings.items())
            result.contradicted += bool(record.contradictions)
        case Rejected() as rejected:
            result.rejected.append((outcome.raw, rejected))
        case Skipped(kind):
            result.skipped[kind] += 1


def by_fast(path: Path, reader: FastReader) -> Result:
    """Return what the fast *reader* says of *path*."""
    result = Result(jobs_schema().empty_table())
    tables = [result.rows]
    with open_history(path) as file:
        for batch in reader.read(_until_torn(chunks_of(file, 0)), earliest_s=None):
            tables.append(batch.rows)
            result.rejected += batch.rejected
            result.skipped += batch.skipped
            result.warnings += batch.warnings
            result.contradicted += batch.contradicted
            result.read += batch.read
            result.by_reference += batch.by_reference
            result.end, result.earliest_s = batch.end, batch.earliest_s
    result.rows = pa.concat_tables(tables)
    return result


def _until_torn(items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from items
    except TornStreamError:
        return


def _differences(fast: Result, reference: Result) -> Iterator[str]:
    if fast.rows.num_rows != reference.rows.num_rows:
        yield f"rows: {fast.rows.num_rows} for {reference.rows.num_rows}"
        return
    for name in reference.rows.schema.names:
        if fast.rows[name].equals(reference.rows[name]):
            continue
        pairs = zip(
            fast.rows[name].to_pylist(), reference.rows[name].to_pylist(), strict=True
        )
        for row, (found, expected) in enumerate(pairs):
            if found != expected:
                yield f"row {row}, {name}: {found!r} for {expected!r}"
    expected_words = reference.words()
    for name, found in fast.words().items():
        if found != expected_words[name]:
            yield f"{name}: {found!r} for {expected_words[name]!r}"


def with_banner(path: Path, folder: Path) -> Path:
    """Return *path*, or a copy of it in *folder* with a banner if it has none."""
    with open_history(path) as file:
        content = file.whole()
    if b"\n***" in content or content.startswith(b"***"):
        return path
    ids = [_last(content, name) for name in (b"ClusterId", b"ProcId")]
    banner = b"*** Offset = 0 ClusterId = %s ProcId = %s\n" % (*ids,)
    copy = folder / path.name
    copy.write_bytes(content.rstrip(b"\n") + b"\n" + banner)
    return copy


def _last(content: bytes, name: bytes) -> bytes:
    found = re.findall(rb"(?im)^%s *= *(\d+)" % name, content)
    return found[-1] if found else b"0"


def main() -> None:
    """Compare the readers on the files that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--synthetic", type=int, default=0, metavar="ADS")
    parser.add_argument("--chunk-bytes", type=int, default=fast_chunks.CHUNK_BYTES)
    options = parser.parse_args()
    fast_chunks.CHUNK_BYTES = options.chunk_bytes
    with tempfile.TemporaryDirectory(prefix="poolmeter-compare-") as name:
        folder = Path(name)
        files = [(path.name, with_banner(path, folder)) for path in options.files]
        if options.synthetic:
            path = folder / "synthetic"
            ads = production_ads(options.synthetic)
            path.write_bytes(b"".join(history(ads, len(ads))))
            files.append((f"{len(ads)} synthetic ads", path))
        sys.exit(_print(files))


def _print(files: Sequence[tuple[str, Path]]) -> int:
    """Print a line for each file, and say whether anything differs."""
    print("| file | records | by the reference | cells | mismatches |")
    print("|---|---|---|---|---|")
    cells = mismatches = 0
    for name, path in files:
        found = compare(path)
        cells, mismatches = cells + found.cells, mismatches + len(found.differences)
        print(
            f"| {name} | {found.records:,} | {found.by_reference:,} "
            f"| {found.cells:,} | {len(found.differences)} |"
        )
        for difference in found.differences[:20]:
            print(f"  {difference}")
    print(f"cells compared: {cells:,}; mismatches: {mismatches}")
    return int(mismatches > 0)


if __name__ == "__main__":
    main()
