"""Synthetic input in any amount: the bundled history's jobs, again with new ids."""

import datetime as dt
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from poolmeter.config import Config
from poolmeter.demo.run import bundled_history
from poolmeter.ledger.schema import jobs_schema, table_of
from poolmeter.record import JobRecord
from probe.history_file import RawRecord, open_history
from probe.normalise.job import Normalised
from probe.reader import read

IntArray = npt.NDArray[np.int64]

SCHEDD = "ap.bench.example"
FIRST_CLUSTER = 100_000


def bundled_records() -> list[RawRecord]:
    """Return the records of the bundled live history file."""
    with bundled_history() as path, open_history(path) as file:
        return list(file.records())


def history_text(jobs: int) -> bytes:
    """Return a history of *jobs* records, each with a cluster of its own."""
    records = bundled_records()
    return b"".join(
        _with_cluster(records[number % len(records)], FIRST_CLUSTER + number)
        for number in range(jobs)
    )


def _with_cluster(record: RawRecord, cluster: int) -> bytes:
    own = re.search(rb"^ClusterId = (\d+)$", record.ad, re.MULTILINE)
    assert own is not None  # noqa: S101 - the bundled file is ours
    new = str(cluster).encode()
    ad = re.sub(rb"^(ClusterId = )\d+$", rb"\g<1>" + new, record.ad, flags=re.MULTILINE)
    ad = ad.replace(b"#" + own[1] + b".", b"#" + new + b".")
    return ad + re.sub(rb"(ClusterId = )\d+", rb"\g<1>" + new, record.banner)


def job_tables(day: dt.date, first: int, count: int, step: int) -> Iterator[pa.Table]:
    """Yield *count* ledger rows that ended on *day*, *step* at a time.

    Row number n is the same in every call; its times and counts vary as real ones do,
    so that they compress no better than those.
    """
    base = table_of(_bundled_jobs())
    for start in range(first, first + count, step):
        yield _varied(base, day, np.arange(start, min(start + step, first + count)))


def _bundled_jobs() -> list[JobRecord]:

    outcomes = read(
        iter(bundled_records()),
        schedd=SCHEDD,
        config=Config(),
        earliest_s=None,
        now_s=2**31,
    )
    results = [outcome.result for outcome in outcomes]
    return [result.record for result in results if isinstance(result, Normalised)]


def _varied(base: pa.Table, day: dt.date, numbers: IntArray) -> pa.Table:
    table = base.take(numbers % base.num_rows)
    # A hash of the number: repeatable, and no pattern that compression finds.
    mixed = (numbers * np.int64(0x9E3779B97F4A7C1) & np.int64(2**62 - 1)) >> 20
    midnight_ms = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1000
    ended_ms = midnight_ms + mixed % 86_400 * 1000
    columns = {
        "cluster_id": FIRST_CLUSTER + numbers,
        "queued_at": ended_ms - mixed % 500_000 * 1000,
        "ended_at": ended_ms,
        "wall_s": mixed % 90_000,
        "cpu_user_ms": mixed % 80_000_000,
        "memory_peak_bytes": mixed % 4_000_000 * 1024,
        "network_outgoing_external_bytes": mixed % 10**11,
    }
    arrays = {name: pa.array(values, pa.int64()) for name, values in columns.items()}
    for name, array in (arrays | _texts(numbers, mixed)).items():
        field = jobs_schema().field(name)
        at = table.schema.get_field_index(name)
        table = table.set_column(at, field, array.cast(field.type))
    return table.cast(jobs_schema())


def _texts(numbers: IntArray, mixed: IntArray) -> dict[str, pa.StringArray]:
    """Return texts with as many values as a large pool has: owners, slots, job ids."""
    pairs = list(zip(numbers.tolist(), mixed.tolist(), strict=True))
    texts = {
        "global_job_id": [
            f"{SCHEDD}#{FIRST_CLUSTER + n}.0#{1_790_000_000 + m % 10**7}"
            for n, m in pairs
        ],
        "owner": [f"user{m % 300:03}" for _, m in pairs],
        "user": [f"user{m % 300:03}@pool.example" for _, m in pairs],
        "x509_subject": [
            f"/DC=org/DC=example/OU=People/CN=Somebody Number {m % 300:03} {m % 7}"
            for _, m in pairs
        ],
        "last_remote_host": [
            f"slot1_{m % 64}@node{m // 64 % 800:03}.pool.example" for _, m in pairs
        ],
    }
    return {name: pa.array(values, pa.string()) for name, values in texts.items()}
