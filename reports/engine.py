"""Sums of charges, as integers, by DuckDB.

No number here is ever a float: DuckDB sums 64-bit integers in 128 bits, and money
begins only after the last sum (``reports.pricing``).
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from poolmeter.record import NETWORK_COLUMNS
from reports.batch_stream import batch_stream, connection
from reports.charges import CHARGES_SCHEMA

_KEYS = (
    "site",
    "vo",
    "owner",
    "payload_user",
    "network_trust",
    "network_missing_reason",
    "time_trust",
    "contradictions",
    "outcome",
    "reason",
    "period",
    "instance_type",
    "memory_unknown",
    *(f"has_{name}" for name in NETWORK_COLUMNS),
)
_SUMMED = (
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
_SHARES = "sum(billed_s::HUGEINT * share_numerator::HUGEINT) AS billed_share_s"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSum:
    """The sum over all charges that share the first group of fields.

    ``billed_share_s`` is billed seconds x share numerators, ``None`` where nothing
    was priced.  ``core_ms_with_cpu`` is the core time of the jobs whose CPU time is
    known.  A count is ``None`` where no job of the group has it.
    """

    site: str | None
    vo: str | None
    owner: str | None
    payload_user: str | None
    network_trust: str | None
    network_missing_reason: str | None
    time_trust: str | None
    contradictions: str
    outcome: str
    reason: str | None
    period: int
    instance_type: str | None
    memory_unknown: bool
    has_network: frozenset[str]

    jobs: int
    jobs_charged: int
    jobs_network: int
    wall_s: int
    core_ms: int | None
    cpu_ms: int | None
    core_ms_with_cpu: int | None
    gpu_s: int
    billed_share_s: int | None
    network: tuple[int | None, ...]


def sum_charges(batches: Iterable[pa.RecordBatch]) -> list[ChargeSum]:
    """Return the sums of *batches* (``CHARGES_SCHEMA``), in one pass over them.

    Raises:
        LedgerError: Their source cannot be read.
    """
    sums = ", ".join(f"sum({name}) AS {name}" for name in _SUMMED)
    keys = ", ".join(_KEYS)
    query = f"SELECT {keys}, {sums}, {_SHARES} FROM charges GROUP BY ALL ORDER BY ALL"  # noqa: S608 - names of ours
    with (
        batch_stream(batches, CHARGES_SCHEMA) as reader,
        connection() as database,
    ):
        database.register("charges", reader)
        result = database.execute(query)
        names = [column[0] for column in result.description or []]
        return [
            _charge_sum(dict(zip(names, row, strict=True))) for row in result.fetchall()
        ]


def _charge_sum(row: dict[str, Any]) -> ChargeSum:
    has = frozenset(name for name in NETWORK_COLUMNS if row.pop(f"has_{name}"))
    network = tuple(row.pop(name) for name in NETWORK_COLUMNS)
    return ChargeSum(**row, has_network=has, network=network)
