"""Peak memory and time of inserting 10,000 rows into a day of 1,000,000.

The rows are those of the bundled history, repeated with new ids.  The merge runs in a
process of its own, whose peak is the kernel's VmHWM; the day is made in another, so
that neither's memory counts for the other.

    python -m bench.merge_memory [--rows 1000000] [--new 10000]
"""

import argparse
import dataclasses
import datetime as dt
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.synthetic import SCHEDD, job_tables
from poolmeter.ledger.layout import day_file
from poolmeter.ledger.merge import merge_day
from poolmeter.ledger.schema import (
    ROW_GROUP_ROWS,
    jobs_schema,
    marked,
    writer_options,
)

GOAL_MIB = 512
DAY = dt.date(2026, 10, 15)
KIB_PER_MIB = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What the process that merged says of itself."""

    imports_mib: float
    peak_mib: float
    seconds: float
    inserted: int


def peak_mib() -> float:
    """Return the largest resident size of this process so far (VmHWM).

    ``ru_maxrss`` would hold the parent's peak as well, from before exec.
    """
    status = Path("/proc/self/status").read_text()
    line = next(ln for ln in status.splitlines() if ln.startswith("VmHWM:"))
    return int(line.split()[1]) / KIB_PER_MIB


def make_day(ledger: Path, rows: int) -> None:
    """Write a day file of *rows* rows with the ledger's own options."""
    path = day_file(ledger, "jobs", DAY, SCHEDD)
    path.parent.mkdir(parents=True)
    schema = marked(jobs_schema(), SCHEDD)
    with pq.ParquetWriter(path, schema, **writer_options()) as writer:
        for table in job_tables(DAY, 0, rows, ROW_GROUP_ROWS):
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP_ROWS)


def make_new(path: Path, first: int, count: int) -> None:
    """Write the rows that are to be inserted as the probe's spool does."""
    (table,) = job_tables(DAY, first, count, count)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)


def merge(ledger: Path, new: Path) -> Measured:
    """Merge the rows of *new* into the day and say what it took."""
    imports_mib = peak_mib()
    with pa.OSFile(str(new), "rb") as file:
        rows = pa.ipc.open_file(file).read_all()
    start = time.monotonic()
    result = merge_day(ledger, SCHEDD, DAY, rows)
    seconds = time.monotonic() - start
    return Measured(imports_mib, peak_mib(), seconds, result.inserted)


def in_child(step: str, *arguments: str) -> str:
    """Run one step of this module in a process of its own and return its output."""
    command = [sys.executable, "-m", "bench.merge_memory", "--step", step, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(rows: int, new: int) -> tuple[Measured, int]:
    """Return the measurement, and the size of the day file in bytes."""
    with tempfile.TemporaryDirectory(prefix="poolmeter-bench-") as folder:
        ledger, spool = Path(folder) / "ledger", Path(folder) / "new.arrow"
        in_child("day", str(ledger), str(rows))
        # One in ten is there already, as after a crash.
        in_child("new", str(spool), str(rows - new // 10), str(new))
        fields = in_child("merge", str(ledger), str(spool)).split()
        size_bytes = sum(p.stat().st_size for p in ledger.glob("jobs/*/*.parquet"))
    imports_mib, mib, seconds = map(float, fields[:3])
    return Measured(imports_mib, mib, seconds, int(fields[3])), size_bytes


def main() -> None:
    """Measure and print the table; exit code 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(*options.step)
        return
    measured, size_bytes = measure(options.rows, options.new)
    print("| day, rows | file, MB | new rows | inserted | s | peak MiB | imports MiB |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {options.rows:,} | {size_bytes / 1e6:.0f} | {options.new:,} "
        f"| {measured.inserted:,} | {measured.seconds:.1f} "
        f"| {measured.peak_mib:.0f} | {measured.imports_mib:.0f} |"
    )
    sys.exit(measured.peak_mib > GOAL_MIB)


def run_step(step: str, path: str, *rest: str) -> None:
    """Run the named step; only the merge prints."""
    if step == "day":
        make_day(Path(path), int(rest[0]))
    elif step == "new":
        make_new(Path(path), int(rest[0]), int(rest[1]))
    else:
        got = merge(Path(path), Path(rest[0]))
        print(got.imports_mib, got.peak_mib, got.seconds, got.inserted)


if __name__ == "__main__":
    main()
