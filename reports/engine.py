"""Sums of charges, as integers, by an engine that reads the ledger itself.

No number here is ever a float and no Python code runs for a single job: the engine
sums whole numbers of 64 bits in 128, shapes are packed once each, and money begins
only after the last sum (``reports.lines``).
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import ibis.expr.types as ir

from poolmeter.lazy import load
from poolmeter.ledger.scan import job_files, refuse_other_version
from poolmeter.record import NETWORK_COLUMNS
from reports import charge_expression
from reports.charge_expression import (
    FLAGS,
    KEYS,
    SUMS,
    UNBILLED_FIT,
    WALL_UNKNOWN_FIT,
)
from reports.charges import PRICED, UNBILLED, UNPRICED, WALL_UNKNOWN
from reports.months import Month
from reports.packing import Fit, Packer, Shape
from reports.price_periods import PricePeriod

Row = tuple[Any, ...]

_NUMBERS = ("charges", *SUMS, "billed_share_s")
_NETWORK = frozenset(NETWORK_COLUMNS)
_NO_NETWORK = (None,) * len(NETWORK_COLUMNS)


class ShapeRow(NamedTuple):
    """A distinct shape of jobs: where it is packed, and its share of that."""

    cpus_milli: int | None
    memory_bytes: int | None
    gpus: int
    share_numerator: int | None
    fit: int


class Engine(Protocol):
    """What answers expressions over ``pm_jobs`` and ``pm_shapes``."""

    def rows(self, expression: ir.Table) -> Iterator[Row]:
        """Yield the rows of *expression*."""
        ...

    def set_shapes(self, shapes: Sequence[ShapeRow]) -> None:
        """Fill the table of shapes."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


#: By their names in the configuration: where each is, and the extra that it needs.
ENGINES = {
    "duckdb": ("reports.duckdb_engine:DuckDBEngine", "reports"),
    "spark": ("reports.spark_engine:SparkEngine", "spark"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSum:
    """The sum over charges that share the first group of fields.

    Charges that lie in the month in another way (their job ended elsewhere, say) have
    a sum of their own beside it.

    ``billed_share_s`` is billed seconds x share numerators, ``None`` where nothing
    was priced.  ``core_ms_with_cpu`` is the core time of the jobs whose CPU time is
    known.  A count is ``None`` where no job of the group has it.
    """

    site: str | None
    execute_site: str | None
    vo: str | None
    owner: str | None
    project: str | None
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


@contextlib.contextmanager
def engine_over(name: str, paths: Sequence[Path]) -> Iterator[Engine]:
    """Give the engine called *name*, with the jobs in the files *paths*.

    Raises:
        LedgerError: A file cannot be read.
        MissingPartError: What the engine needs is not installed.
    """
    target, extra = ENGINES[name]
    made: Engine = load(target, extra=extra)(paths)
    with contextlib.closing(made):
        yield made


def files_of(ledger: Path, month: Month) -> list[Path]:
    """Return the files that may hold jobs with a part in *month*.

    Jobs that ended later belong to it: one that ran in October and was removed from
    hold in December is charged in October.

    Raises:
        LedgerMismatchError: Another schema version wrote the ledger.
    """
    paths = job_files(ledger, first_day=month.first_day)
    if paths:
        refuse_other_version(ledger)
    return paths


def sum_charges(
    engine: Engine, month: Month, periods: Sequence[PricePeriod], vcpus_per_cpu: int
) -> list[ChargeSum]:
    """Return the sums of all charges of *month*, in a fixed order.

    Raises:
        LedgerError: A file cannot be read.
    """
    jobs, shapes = charge_expression.jobs_table(), charge_expression.shapes_table()
    seen = [Shape(*row) for row in engine.rows(charge_expression.shapes_of(jobs))]
    found: list[ChargeSum] = []
    for index, period in enumerate(periods):
        fits = _Fits(Packer(period.types, vcpus_per_cpu))
        engine.set_shapes([fits.row_of(shape) for shape in seen])
        charges = charge_expression.charges(jobs, shapes, period, month.start_s)
        rows = engine.rows(charge_expression.sums(charges))
        found += (_charge_sum(row, fits, index) for row in rows)
    return found


class _Fits:
    """Numbers for what becomes of shapes: a type, or a reason for none."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._numbers: dict[tuple[str, str | None, str | None], int] = {}
        self.known: dict[int, tuple[str, str | None, str | None]] = {
            WALL_UNKNOWN_FIT: (UNPRICED, WALL_UNKNOWN, None)
        }

    def row_of(self, shape: Shape) -> ShapeRow:
        """Return the row of *shape* in the engine's table."""
        fit = self._packer.fit(shape)
        if isinstance(fit, Fit):
            number = self._number((PRICED, None, fit.instance_type))
            return ShapeRow(*shape, fit.share_numerator, number)
        return ShapeRow(*shape, None, self._number((UNPRICED, fit, None)))

    def _number(self, outcome: tuple[str, str | None, str | None]) -> int:
        number = self._numbers.setdefault(outcome, len(self._numbers))
        self.known[number] = outcome
        return number


def _charge_sum(row: Row, fits: _Fits, period: int) -> ChargeSum:
    values = dict(zip((*KEYS, *_NUMBERS), row, strict=True))
    fit, flags = values.pop("fit"), flags_of(values.pop("flags"))
    unbilled_reason = values.pop("unbilled_reason")
    outcome, reason, instance_type = (
        (UNBILLED, unbilled_reason, None) if fit == UNBILLED_FIT else fits.known[fit]
    )
    numbers = {name: _whole(values.pop(name)) for name in _NUMBERS}
    charges = numbers.pop("charges") or 0
    network = tuple(numbers.pop(name) for name in NETWORK_COLUMNS)
    named: dict[str, Any] = {**values, **numbers}
    return ChargeSum(
        **named,
        outcome=outcome,
        reason=reason,
        period=period,
        instance_type=instance_type,
        memory_unknown="memory_unknown" in flags,
        has_network=flags & _NETWORK,
        jobs=charges if "is_job" in flags else 0,
        jobs_charged=charges if "is_first" in flags else 0,
        jobs_network=charges if "at_end" in flags else 0,
        core_ms_with_cpu=numbers["core_ms"] if "cpu_known" in flags else None,
        network=network if "at_end" in flags else _NO_NETWORK,
    )


@functools.cache
def flags_of(bits: int) -> frozenset[str]:
    """Return the names of ``FLAGS`` whose *bits* are set.

    >>> sorted(flags_of(0b11100000000))
    ['at_end', 'is_first', 'is_job']
    """
    return frozenset(name for bit, name in enumerate(FLAGS) if bits >> bit & 1)


def _whole(number: Any) -> int | None:  # noqa: ANN401 - an int or a Decimal
    """Return an engine's whole number; Spark's come as ``Decimal``."""
    return None if number is None else int(number)
