"""Sums of charges, as integers: what ``charge_expression`` asks, by its names."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from poolmeter.record import NETWORK_COLUMNS
from reports import charge_expression
from reports.charge_expression import FLAGS, LABELS, SUMS, UNBILLED_FIT, keys_of
from reports.charges import UNBILLED
from reports.engine import Engine, whole
from reports.fits import Fate, Fits, PackedPeriod, packed_periods
from reports.months import Month
from reports.price_periods import PricePeriod

_NUMBERS = ("charges", *SUMS, "billed_share_s")
_NETWORK = frozenset(NETWORK_COLUMNS)
_NO_NETWORK = (None,) * len(NETWORK_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSum:
    """The sum over charges that share the first group of fields.

    Labels that were not asked for are ``None``.  Charges that lie in the month in
    another way (their job ended elsewhere, say) have a sum of their own beside it.

    ``billed_share_s`` is billed seconds x share numerators, ``None`` where nothing
    was priced.  ``runs_charged`` are those with a row of their own, ``jobs_charged``
    the others.  ``core_ms_with_cpu`` is the core time of the jobs whose CPU time is
    known.  A count is ``None`` where no job of the group has it.
    """

    site: str | None = None
    execute_site: str | None = None
    vo: str | None = None
    owner: str | None = None
    project: str | None = None
    payload_user: str | None = None
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
    runs_charged: int
    jobs_network: int
    wall_s: int
    core_ms: int | None
    cpu_ms: int | None
    core_ms_with_cpu: int | None
    gpu_s: int
    billed_share_s: int | None
    network: tuple[int | None, ...]


def sum_charges(
    engine: Engine,
    month: Month,
    periods: Sequence[PricePeriod],
    vcpus_per_cpu: int,
    labels: Sequence[str] = LABELS,
) -> list[ChargeSum]:
    """Return the sums of all charges of *month* by *labels*, in a fixed order.

    Raises:
        LedgerError: A file cannot be read.
    """
    return [
        charge
        for packed in packed_periods(engine, periods, vcpus_per_cpu)
        for charge in sums_in(engine, month, packed, labels)
    ]


def sums_in(
    engine: Engine, month: Month, packed: PackedPeriod, labels: Sequence[str]
) -> list[ChargeSum]:
    """Return the sums of the charges of one price period of *month*.

    Raises:
        LedgerError: A file cannot be read.
    """
    names = tuple(labels)
    expression = charge_expression.sums_of(packed.period, month.start_s, names)
    columns = (*keys_of(names), *_NUMBERS)
    return [
        _charge_sum(dict(zip(columns, row, strict=True)), packed.fits, packed.index)
        for row in engine.rows(expression)
    ]


def _charge_sum(values: dict[str, Any], fits: Fits, period: int) -> ChargeSum:
    """Return one row, *values* by their names, as a sum."""
    fit, flags = values.pop("fit"), flags_of(values.pop("flags"))
    unbilled_reason = values.pop("unbilled_reason")
    fate = Fate(UNBILLED, unbilled_reason) if fit == UNBILLED_FIT else fits[fit]
    numbers = {name: whole(values.pop(name)) for name in _NUMBERS}
    charges = numbers.pop("charges") or 0
    first_charges = charges if "is_first" in flags else 0
    network = tuple(numbers.pop(name) for name in NETWORK_COLUMNS)
    named: dict[str, Any] = {**values, **numbers}
    return ChargeSum(
        **named,
        outcome=fate.outcome,
        reason=fate.reason,
        period=period,
        instance_type=fate.instance_type,
        memory_unknown="memory_unknown" in flags,
        has_network=flags & _NETWORK,
        jobs=charges if "is_job" in flags else 0,
        jobs_charged=0 if "is_known_run" in flags else first_charges,
        runs_charged=first_charges if "is_known_run" in flags else 0,
        jobs_network=charges if {"at_end", "is_last"} <= flags else 0,
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
