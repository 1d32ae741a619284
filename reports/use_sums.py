"""Sums of use, as integers: what ``use_expression`` and ``hold_expression`` ask."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from poolmeter.record import NETWORK_COLUMNS
from reports import charge_expression, hold_expression, use_expression
from reports.engine import Engine, whole
from reports.fits import Fits, PackedPeriod
from reports.hold_expression import SHOWN_REASONS
from reports.keys import labels_of, name_of, payer_name
from reports.question import By
from reports.use_kinds import KINDS, RESOURCES

_NONE: tuple[int | None, ...] = (None,) * len(NETWORK_COLUMNS)
_NOBODY = (0,) * len(NETWORK_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UseSum:
    """What one key used of one instance type, on one resource, in one kind of use.

    ``billed_share_s`` is billed seconds x share numerators.  ``scaled_core`` is core
    milliseconds x benchmark scaling in millionths.  ``jobs`` ended in the month,
    ``jobs_touched`` have seconds in it or ended in it.  The bytes of ``jobs_network``
    belong to the month, and of those ``counted`` have each of the six counts.
    Of a job's sums that are of no kind (memory, scaling, bytes) all are with its last
    run.
    """

    payer: str
    name: str
    site: str | None
    resource: str
    kind: str
    period: int
    instance_type: str
    jobs: int = 0
    jobs_touched: int = 0
    jobs_network: int = 0
    jobs_partial: int = 0
    wall_s: int = 0
    billed_share_s: int = 0
    core_ms: int | None = None
    gpu_s: int = 0
    memory_used_byte_s: int | None = None
    memory_held_byte_s: int | None = None
    scaled_core: int | None = None
    core_ms_with_scaling: int | None = None
    network: tuple[int | None, ...] = _NONE
    counted: tuple[int, ...] = _NOBODY


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HoldSum:
    """What a payer's jobs with one reason of a hold lost of one instance type.

    The ranks, from 0 on, are those of the reason: among all, and among the payer's.
    """

    payer: str
    code: int | None
    reason: str
    period: int
    instance_type: str
    jobs: int
    held_s: int
    share_s: int
    rank_of_all: int
    rank_of_payer: int


@dataclasses.dataclass(frozen=True, slots=True)
class UseSums:
    """All priced use, and what was lost to the first reasons of holds."""

    use: list[UseSum]
    holds: list[HoldSum]


def use_sums_in(
    engine: Engine, packed: PackedPeriod, by: By, own_resources: tuple[str, ...]
) -> UseSums:
    """Return the sums of all priced use in one price period.

    Raises:
        LedgerError: A file cannot be read.
    """
    shapes = charge_expression.shapes_table()
    labels = ("site", "vo", *labels_of(by))
    columns = (*use_expression.keys_of(labels), *use_expression.NUMBERS)
    asked = use_expression.use(shapes, packed.period, labels, own_resources)
    use = [
        charge
        for row in engine.rows(asked)
        for charge in _use_sums(
            dict(zip(columns, row, strict=True)), packed.fits, packed.index, by
        )
    ]
    held = engine.rows(hold_expression.holds(shapes, packed.period))
    holds = [
        _hold_sum(dict(zip(hold_expression.COLUMNS, row, strict=True)), packed)
        for row in held
    ]
    return UseSums(use, holds)


def joined(found: Iterable[UseSums]) -> UseSums:
    """Return the sums of several price periods together."""
    parts = list(found)
    return UseSums(
        [charge for part in parts for charge in part.use],
        [hold for part in parts for hold in part.holds],
    )


def shown_holds(holds: Iterable[HoldSum], vo: str | None) -> list[HoldSum]:
    """Return what is shown of *holds* in the statement of *vo*, or in that of all."""
    if vo is None:
        shown = [hold for hold in holds if hold.rank_of_all < SHOWN_REASONS]
        return sorted(shown, key=lambda hold: hold.rank_of_all)
    shown = [
        hold
        for hold in holds
        if hold.payer == vo and hold.rank_of_payer < SHOWN_REASONS
    ]
    return sorted(shown, key=lambda hold: hold.rank_of_payer)


def _use_sums(row: dict[str, Any], fits: Fits, period: int, by: By) -> Iterator[UseSum]:
    """Yield the last runs of one *row* and, where there are any, those before."""
    numbers = {name: whole(row[name]) for name in use_expression.NUMBERS}
    instance_type = fits[row["fit"]].instance_type
    assert instance_type is not None  # noqa: S101 - only what is packed is asked for
    place: dict[str, Any] = {
        "payer": payer_name(row["vo"]),
        "name": name_of(row, by),
        "site": row["site"],
        "resource": RESOURCES[row["resource"]],
        "period": period,
        "instance_type": instance_type,
    }
    yield UseSum(
        **place,
        kind=KINDS[row["kind"]],
        jobs=numbers["jobs"] or 0,
        jobs_touched=numbers["touched_last"] or 0,
        **_of_runs("last", numbers),
        memory_used_byte_s=numbers["memory_used_byte_s"],
        memory_held_byte_s=numbers["memory_held_byte_s"],
        scaled_core=numbers["scaled_core"],
        core_ms_with_scaling=numbers["core_ms_with_scaling"],
        jobs_network=numbers["jobs_network"] or 0,
        jobs_partial=numbers["jobs_partial"] or 0,
        network=tuple(numbers[name] for name in NETWORK_COLUMNS),
        counted=tuple(numbers[f"jobs_{name}"] or 0 for name in NETWORK_COLUMNS),
    )
    if numbers["touched_before"] or numbers["before_share_s"]:
        yield UseSum(
            **place,
            kind="held" if row["was_held"] else "evicted",
            jobs_touched=numbers["touched_before"] or 0,
            **_of_runs("before", numbers),
        )


def _of_runs(which: str, numbers: dict[str, int | None]) -> dict[str, Any]:
    """Return the sums of the last runs or of those before, by a sum's names."""
    return {
        "wall_s": numbers[f"{which}_s"] or 0,
        "billed_share_s": numbers[f"{which}_share_s"] or 0,
        "core_ms": numbers[f"{which}_core_ms"],
        "gpu_s": numbers[f"{which}_gpu_s"] or 0,
    }


def _hold_sum(row: dict[str, Any], packed: PackedPeriod) -> HoldSum:
    instance_type = packed.fits[row.pop("fit")].instance_type
    assert instance_type is not None  # noqa: S101 - as above
    for name in ("jobs", "held_s", "share_s", "rank_of_all", "rank_of_payer"):
        row[name] = whole(row[name]) or 0
    return HoldSum(**row, period=packed.index, instance_type=instance_type)
