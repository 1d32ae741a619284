"""Runs the queries of ``reports.use_query`` over a ledger: integer sums come out."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from poolmeter.errors import LedgerError
from poolmeter.record import NETWORK_COLUMNS
from reports.duckdb_connection import connection
from reports.line import UNKNOWN
from reports.packing import Fit, Packer, Shape
from reports.parquet_names import literal
from reports.question import Question
from reports.use_query import HOLD_REASONS, SHAPES, WHOLE_SECONDS, use_query

SHOWN_REASONS = 12

_FIT_FIELDS: list["pa.Field[Any]"] = [
    pa.field("period", pa.int64()),
    pa.field("cpus_milli", pa.int64()),
    pa.field("memory_bytes", pa.int64()),
    pa.field("gpu_count", pa.int64()),
    pa.field("instance_type", pa.string()),
    pa.field("numerator", pa.int64()),
]
_FITS = pa.schema(_FIT_FIELDS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UseSum:
    """What one key used of one instance type, on one resource, in one kind of use.

    ``billed_share_s`` is billed seconds x share numerators.  ``scaled_core`` is core
    milliseconds x benchmark scaling in millionths.  ``jobs`` ended in the month,
    ``jobs_touched`` have seconds in it or ended in it.  The bytes of ``jobs_network``
    belong to the month, and of those ``counted`` have each of the six counts.
    """

    payer: str
    name: str
    site: str | None
    resource: str
    kind: str
    period: int
    instance_type: str
    jobs: int
    jobs_touched: int
    jobs_network: int
    jobs_partial: int
    wall_s: int
    billed_share_s: int
    core_ms: int | None
    gpu_s: int
    memory_used_byte_s: int | None
    memory_held_byte_s: int | None
    scaled_core: int | None
    core_ms_with_scaling: int | None
    network: tuple[int | None, ...]
    counted: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HoldSum:
    """What jobs with one reason of a hold lost of one instance type."""

    code: int | None
    reason: str
    period: int
    instance_type: str
    jobs: int
    held_s: int
    share_s: int


@dataclasses.dataclass(frozen=True, slots=True)
class UseSums:
    """All priced use, and what was lost to each reason of a hold."""

    use: list[UseSum]
    holds: list[HoldSum]


def use_sums(question: Question, paths: Sequence[Path]) -> UseSums:
    """Return the sums of all priced use in the files *paths*, and those by hold.

    Raises:
        LedgerError: A file cannot be read.
    """
    if not paths:
        return UseSums([], [])
    with _asked_of_files(), connection() as database:
        _prepare(database, paths, question)
        whose = {"vo": question.vo, "unknown": UNKNOWN}
        query = use_query(question.by, NETWORK_COLUMNS)
        use = _rows(
            database, query, {**whose, "own": list(question.pricing.own_resources)}
        )
        holds = _rows(database, HOLD_REASONS, {**whose, "shown": SHOWN_REASONS})
    return UseSums([_use_sum(x) for x in use], [HoldSum(**x) for x in holds])


def _prepare(
    database: duckdb.DuckDBPyConnection, paths: Sequence[Path], question: Question
) -> None:
    """Make the views and tables that the queries name."""
    database.execute(WHOLE_SECONDS)
    names = [literal(path) for path in paths]
    database.read_parquet(names, hive_partitioning=False).create_view("jobs")
    rows = [
        (
            index,
            period.start_s,
            period.end_s,
            None if period.billing is None else period.billing.increment_s,
            None if period.billing is None else period.billing.minimum_s,
        )
        for index, period in enumerate(question.periods)
    ]
    database.execute(
        "CREATE TABLE periods (period BIGINT, start_at BIGINT, end_at BIGINT, "
        "increment_s BIGINT, minimum_s BIGINT)"
    )
    database.executemany("INSERT INTO periods VALUES (?, ?, ?, ?, ?)", rows)
    database.register("fits", _fits(database, question))


def _fits(database: duckdb.DuckDBPyConnection, question: Question) -> pa.Table:
    """Return where each shape of the ledger's jobs is packed, in each period."""
    shapes = [Shape(*row) for row in database.execute(SHAPES).fetchall()]
    found: list[dict[str, Any]] = []
    for index, period in enumerate(question.periods):
        packer = Packer(period.types, question.pricing.vcpus_per_cpu)
        for shape in shapes:
            fit = packer.fit(shape)
            if isinstance(fit, Fit):
                found.append(_fit_row(index, shape, fit))
    return pa.Table.from_pylist(found, _FITS)


def _fit_row(period: int, shape: Shape, fit: Fit) -> dict[str, Any]:
    return {
        "period": period,
        "cpus_milli": shape.cpus_milli,
        "memory_bytes": shape.memory_bytes,
        "gpu_count": shape.gpus,
        "instance_type": fit.instance_type,
        "numerator": fit.share_numerator,
    }


def _rows(
    database: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    result = database.execute(query, parameters)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _use_sum(row: dict[str, Any]) -> UseSum:
    network = tuple(row.pop(name) for name in NETWORK_COLUMNS)
    counted = tuple(row.pop(f"jobs_{name}") for name in NETWORK_COLUMNS)
    return UseSum(**row, network=network, counted=counted)


@contextlib.contextmanager
def _asked_of_files() -> Iterator[None]:
    """Say of a file that DuckDB cannot read what the ledger says of it.

    Raises:
        LedgerError: A file cannot be read.
    """
    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise LedgerError(
            "a file of the ledger is damaged", found=str(error).splitlines()[0]
        ) from error
