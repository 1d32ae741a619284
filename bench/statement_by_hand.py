"""The sums of a month as one would write them by hand, for the bench only.

``by_sql`` asks DuckDB for the rows that ``reports.engine`` makes, in one query for
one book with one price period, per-second billing and a minimum; ``by_pandas`` does
the same in pandas, the whole month at once as one would write it first; with
``file_by_file`` it takes one day's file after the other, and so a tenth of the memory.
Both leave out what the bench's ledger does not hold: times before 1970 and counts
that overflow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from poolmeter.record import NETWORK_COLUMNS
from reports.charge_expression import LABELS as ALL_LABELS
from reports.charge_expression import LEDGER_COLUMNS
from reports.engine import ShapeRow
from reports.facts import sum_labels
from reports.months import parse_month
from reports.packing import Fit, Packer, Shape
from reports.price_book_file import find_book
from reports.price_periods import PricePeriod, price_periods
from reports.reach import files_of

#: By what a statement by VO keeps its sums apart.
LABELS = sum_labels("vo")

#: What of the ledger has to be read for it.
_COLUMNS = [name for name in LEDGER_COLUMNS if name in LABELS or name not in ALL_LABELS]

#: The keys of a sum and its numbers, in one order for all ways.
KEYS = (*LABELS, "contradictions", "unbilled_reason", "fit", "unsized", "has_network")
SUMS = (
    "jobs",
    "jobs_charged",
    "jobs_network",
    "wall_s",
    "core_ms",
    "cpu_ms",
    "core_ms_with_cpu",
    "gpu_s",
    *NETWORK_COLUMNS,
)
NUMBERS = (*SUMS, "billed_share_s")

_SQL = """
WITH ran AS (
    SELECT *, epoch_ms(ended_at) // 1000 AS ended_s,
        epoch_ms(last_started_at) // 1000 AS started_s,
        CASE WHEN wall_s >= 0 THEN wall_s ELSE 0 END AS wall,
        CASE WHEN runs > 1 THEN least(coalesce(last_run_wall_s, wall_s), wall_s)
             ELSE wall_s END AS held,
        wall_s >= 0 AND (wall_s > 0 OR runs > 0) AS is_run,
        cpu_user_ms + cpu_system_ms AS cpu,
        coalesce(memory_provisioned_bytes, memory_requested_bytes) AS memory
    FROM read_parquet($paths, hive_partitioning = false)
),
ended AS (
    SELECT *, CASE WHEN started_s + coalesce(last_run_wall_s, wall) <= ended_s
                   THEN least(started_s + held, ended_s) ELSE ended_s END AS end_s
    FROM ran
),
lying AS (
    SELECT *,
        least(greatest($from_s - end_s + wall, 0), wall) AS a,
        least(greatest($to_s - end_s + wall, 0), wall) AS b,
        end_s >= $from_s AND end_s < $to_s AS at_end,
        is_run AND end_s - held >= $from_s AND end_s - held < $to_s AS begins,
        is_run AND runs > 1 AND end_s - wall >= $from_s AND end_s - wall < $to_s
            AS residual
    FROM ended
),
charged AS (
    SELECT *, b - a AS part,
        b - a + CASE WHEN begins THEN greatest($minimum_s - held, 0) ELSE 0 END
              + CASE WHEN residual
                     THEN greatest((runs - 1) * $minimum_s - (wall - held), 0)
                     ELSE 0 END AS billed,
        CASE WHEN b - a = wall THEN core_ms
             ELSE core_ms::HUGEINT * b // wall - core_ms::HUGEINT * a // wall
             END AS core,
        CASE WHEN b - a = wall THEN cpu
             ELSE cpu::HUGEINT * b // wall - cpu::HUGEINT * a // wall END AS cpu_part
    FROM lying
    WHERE b > a OR begins OR residual OR at_end
       OR (ended_s >= $from_s AND ended_s < $to_s)
)
SELECT {labels},
    array_to_string(contradictions, ',') AS named,
    CASE WHEN NOT billable THEN coalesce(unbilled_reason, 'no_reason_given') END
        AS why,
    CASE WHEN NOT billable THEN -1 WHEN c.wall_s IS NULL THEN -2 ELSE s.fit END AS fit,
    c.memory IS NULL AS unsized, {has_network} AS has_network,
    count(*) FILTER (ended_s >= $from_s AND ended_s < $to_s),
    count(*) FILTER (b > a OR begins OR residual), count(*) FILTER (at_end),
    sum(part), sum(core), sum(cpu_part), sum(core) FILTER (cpu IS NOT NULL),
    sum(part * coalesce(c.gpus, 0)), {bytes},
    sum(billed::HUGEINT * s.share_numerator) FILTER (billable)
FROM charged c
LEFT JOIN shapes s ON s.cpus_milli IS NOT DISTINCT FROM c.cpus_milli
    AND s.memory_bytes IS NOT DISTINCT FROM c.memory
    AND s.gpus = coalesce(c.gpus, 0)
GROUP BY ALL
"""


def by_sql(
    database: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    period: PricePeriod,
    shapes: pd.DataFrame,
) -> list[tuple[Any, ...]]:
    """Return keys and numbers of every sum."""
    database.register("shapes", shapes)
    query = _SQL.format(
        labels=", ".join(LABELS),
        has_network=" + ".join(
            f"({name} IS NOT NULL)::INTEGER * {1 << bit}"
            for bit, name in enumerate(NETWORK_COLUMNS)
        ),
        bytes=", ".join(f"sum({name}) FILTER (at_end)" for name in NETWORK_COLUMNS),
    )
    values = {"paths": [str(path) for path in paths], **_numbers(period)}
    return database.execute(query, values).fetchall()


def by_pandas(
    paths: Sequence[Path],
    period: PricePeriod,
    shapes: pd.DataFrame,
    *,
    file_by_file: bool,
) -> list[tuple[Any, ...]]:
    """Return keys and numbers of every sum."""
    values = _numbers(period)
    read = [[path] for path in paths] if file_by_file else [list(paths)]
    parts = [
        _grouped(_charged(_read(some), shapes, **values)).reset_index() for some in read
    ]
    return list(_grouped(pd.concat(parts)).reset_index().itertuples(index=False))


def prepared(
    ledger: Path, month_name: str
) -> tuple[list[Path], PricePeriod, pd.DataFrame]:
    """Return files, period and packed shapes, found as the engine finds them."""
    month = parse_month(month_name)
    (period,) = price_periods(find_book("ec2-us-east-1-2026").terms, month)
    paths = files_of(ledger, month)
    packer = Packer(period.types, 1)
    numbers: dict[str, int] = {}
    rows = []
    for shape in _shapes(paths):
        fit = packer.fit(shape)
        name, share = fit if isinstance(fit, Fit) else (fit, None)
        place = numbers.setdefault(name, len(numbers))
        rows.append(ShapeRow(*shape, share, place))
    frame = pd.DataFrame(rows, columns=list(ShapeRow._fields))
    return paths, period, frame.astype("Int64")


def jobs_of(rows: Sequence[tuple[Any, ...]]) -> int:
    """Return how many jobs ended in the month, by the sums in *rows*."""
    return sum(int(row[len(KEYS)]) for row in rows)


def _shapes(paths: Sequence[Path]) -> list[Shape]:
    query = """SELECT DISTINCT cpus_milli,
        coalesce(memory_provisioned_bytes, memory_requested_bytes), coalesce(gpus, 0)
        FROM read_parquet($paths, hive_partitioning = false)"""
    with duckdb.connect(":memory:") as database:
        names = {"paths": [str(path) for path in paths]}
        return [Shape(*row) for row in database.execute(query, names).fetchall()]


def _numbers(period: PricePeriod) -> dict[str, int]:
    minimum_s = period.billing.minimum_s if period.billing else 0
    return {"from_s": period.start_s, "to_s": period.end_s, "minimum_s": minimum_s}


def _read(paths: Sequence[Path]) -> pd.DataFrame:
    """Return what is needed of all jobs in Arrow types; others lose whole numbers."""
    names = [str(path) for path in paths]
    table = pq.read_table(names, columns=_COLUMNS, partitioning=None)
    return table.to_pandas(types_mapper=pd.ArrowDtype, self_destruct=True)


def _charged(
    jobs: pd.DataFrame, shapes: pd.DataFrame, *, from_s: int, to_s: int, minimum_s: int
) -> pd.DataFrame:
    """Return *jobs* with the columns of ``KEYS`` and ``NUMBERS``."""
    ended = jobs["ended_at"].astype("int64[pyarrow]") // 1000
    started = jobs["last_started_at"].astype("int64[pyarrow]") // 1000
    wall, told = jobs["wall_s"], jobs["last_run_wall_s"]
    held = wall.where(jobs["runs"] <= 1, told)
    fits = (started + told <= ended).fillna(value=False)
    end = ended.where(~fits, started + held)
    a = (from_s - end + wall).clip(0, wall)
    b = (to_s - end + wall).clip(0, wall)
    begins = (end - held >= from_s) & (end - held < to_s)
    residual = (jobs["runs"] > 1) & (end - wall >= from_s) & (end - wall < to_s)
    at_end = (end >= from_s) & (end < to_s)
    top_up = (minimum_s - held).clip(0).where(begins, 0)
    missing_s = (jobs["runs"] - 1) * minimum_s - (wall - held)
    jobs["billed"] = b - a + top_up + missing_s.clip(0).where(residual, 0)
    cpu = jobs["cpu_user_ms"] + jobs["cpu_system_ms"]
    whole = wall.where(wall > 0, 1)
    for name, total in (("core_ms", jobs["core_ms"]), ("cpu_ms", cpu)):
        divided = total * b // whole - total * a // whole
        jobs[name] = total.where(b - a == wall, divided)
    jobs["core_ms_with_cpu"] = jobs["core_ms"].where(cpu.notna())
    jobs["jobs"] = ((ended >= from_s) & (ended < to_s)).astype("int64[pyarrow]")
    jobs["jobs_charged"] = ((b > a) | begins | residual).astype("int64[pyarrow]")
    jobs["jobs_network"] = at_end.astype("int64[pyarrow]")
    jobs["gpu_s"] = (b - a) * jobs["gpus"].fillna(0)
    memory = jobs["memory_provisioned_bytes"]
    jobs["memory_bytes"] = memory.fillna(jobs["memory_requested_bytes"])
    jobs["unsized"] = jobs["memory_bytes"].isna()
    jobs["has_network"] = sum(
        jobs[name].notna().astype("int64[pyarrow]") * (1 << bit)
        for bit, name in enumerate(NETWORK_COLUMNS)
    )
    for name in NETWORK_COLUMNS:
        jobs[name] = jobs[name].where(at_end)
    jobs["contradictions"] = (
        jobs["contradictions"].list.len().map({0: "", 1: "wall_too_long"})
    )
    jobs["wall_s"] = b - a
    jobs["gpus"] = jobs["gpus"].fillna(0)
    kept = jobs[(b > a) | begins | residual | at_end | (jobs["jobs"] > 0)]
    packed = kept.merge(shapes, on=["cpus_milli", "memory_bytes", "gpus"], how="left")
    packed["fit"] = packed["fit"].where(packed["billable"], -1)
    numerator = packed["share_numerator"].where(packed["billable"])
    # Python's own whole numbers: the product needs more than 64 bits.
    packed["billed_share_s"] = numerator.astype(object) * packed["billed"].astype(
        object
    )
    return packed


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    groups = rows.groupby(list(KEYS), dropna=False, sort=False)
    sums = groups[list(SUMS)].sum(min_count=1)
    sums["billed_share_s"] = groups["billed_share_s"].sum()
    return sums
