"""The lines of a statement: sums of charges priced, rounded and added up.

A payer is a VO.  Every payer's costs are rounded once; inside it the users' parts
are rounded by largest remainder.  So the lines of any ``by`` add up to the same
totals, to the second, the byte and the cent.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from poolmeter.record import NETWORK_COLUMNS
from poolmeter.units import MS_PER_S, SECONDS_PER_HOUR
from reports.charge_sums import ChargeSum
from reports.charges import PRICED
from reports.keys import labels_of, name_of, payer_name
from reports.line import joined
from reports.network_cost import User, network_costs
from reports.packing import PricedType
from reports.price_book import Tariff
from reports.price_periods import PricePeriod
from reports.rounding import apportion, cents, money
from reports.statement_data import By, Line, add_known

_PARTIAL = "partial"


@dataclasses.dataclass(slots=True)
class _Cell:
    """What one key used inside one VO, before rounding."""

    jobs: int = 0
    wall_s: int = 0
    gpu_s: int = 0
    core_ms: int | None = None
    cpu_ms: int | None = None
    core_ms_with_cpu: int | None = None
    network: tuple[int | None, ...] = (None,) * len(NETWORK_COLUMNS)
    compute: Fraction = Fraction(0)
    egress: Fraction | None = Fraction(0)
    jobs_network: int = 0
    is_complete: bool = True
    is_counted: bool = False


def vo_of(charge: ChargeSum) -> str:
    """Return the VO as a statement names it."""
    return payer_name(charge.vo)


def key_of(charge: ChargeSum, by: By) -> str:
    """Return whose line *charge* stands on, as ``reports.keys`` has it."""
    labels = {name: getattr(charge, name) for name in ("site", "vo", *labels_of(by))}
    return name_of(labels, by)


def charged_columns(tariffs: Mapping[str, Tariff]) -> frozenset[str]:
    """Return the network columns whose traffic costs money."""
    return frozenset(name for name, tariff in tariffs.items() if not tariff.is_free)


def network_is_complete(charge: ChargeSum, charged: frozenset[str]) -> bool:
    """Tell whether all traffic that costs money was counted, and to the end."""
    return charged <= charge.has_network and charge.network_trust != _PARTIAL


def statement_lines(
    sums: Iterable[ChargeSum],
    *,
    by: By,
    vo: str | None,
    periods: Sequence[PricePeriod],
    tariffs: Mapping[str, Tariff],
) -> tuple[Line, ...]:
    """Return the lines of everything that was priced, the most costly first.

    With *vo* only that VO's, as they stand in the statement of all.
    """
    payers = lines_by_payer(sums, by=by, periods=periods, tariffs=tariffs)
    if vo is not None:
        return payers.get(vo, ())
    return joined(line for lines in payers.values() for line in lines)


def lines_by_payer(
    sums: Iterable[ChargeSum],
    *,
    by: By,
    periods: Sequence[PricePeriod],
    tariffs: Mapping[str, Tariff],
) -> dict[str, tuple[Line, ...]]:
    """Return the lines of each VO that has any, the most costly first."""
    priced = [charge for charge in sums if charge.outcome == PRICED]
    cells = _cells(priced, by, periods, charged_columns(tariffs))
    _add_network_costs(cells, priced, by, tariffs)
    return {payer: joined(_rounded(keys)) for payer, keys in _by_payer(cells).items()}


def _cells(
    priced: Iterable[ChargeSum],
    by: By,
    periods: Sequence[PricePeriod],
    charged: frozenset[str],
) -> dict[tuple[str, str], _Cell]:
    types = [{kind.name: kind for kind in period.types} for period in periods]
    cells: dict[tuple[str, str], _Cell] = defaultdict(_Cell)
    for charge in priced:
        cell = cells[vo_of(charge), key_of(charge, by)]
        cell.jobs += charge.jobs
        cell.wall_s += charge.wall_s
        cell.gpu_s += charge.gpu_s
        cell.core_ms = add_known(cell.core_ms, charge.core_ms)
        cell.cpu_ms = add_known(cell.cpu_ms, charge.cpu_ms)
        cell.core_ms_with_cpu = add_known(
            cell.core_ms_with_cpu, charge.core_ms_with_cpu
        )
        pairs = zip(cell.network, charge.network, strict=True)
        cell.network = tuple(add_known(old, new) for old, new in pairs)
        if charge.instance_type is not None:
            cell.compute += _compute_cost(
                charge, types[charge.period][charge.instance_type]
            )
        _note_network(cell, charge, charged)
    return cells


def _compute_cost(charge: ChargeSum, kind: PricedType) -> Fraction:
    """Return billed seconds x share x rate, exactly."""
    share_s = Fraction(charge.billed_share_s or 0, kind.share_denominator)
    return share_s * kind.per_hour / SECONDS_PER_HOUR


def _note_network(cell: _Cell, charge: ChargeSum, charged: frozenset[str]) -> None:
    if charge.jobs_network == 0:
        return
    cell.jobs_network += charge.jobs_network
    cell.is_complete = cell.is_complete and network_is_complete(charge, charged)
    cell.is_counted = (
        cell.is_counted or not charged or bool(charged & charge.has_network)
    )


def _add_network_costs(
    cells: dict[tuple[str, str], _Cell],
    priced: Iterable[ChargeSum],
    by: By,
    tariffs: Mapping[str, Tariff],
) -> None:
    traffic: dict[User, tuple[int | None, ...]] = {}
    for charge in priced:
        user = User(charge.site, vo_of(charge), key_of(charge, by))
        known = traffic.get(user, (None,) * len(NETWORK_COLUMNS))
        pairs = zip(known, charge.network, strict=True)
        traffic[user] = tuple(add_known(old, new) for old, new in pairs)
    for user, cost in network_costs(traffic, tariffs).items():
        cell = cells[user.vo, user.key]
        cell.egress = (cell.egress or Fraction(0)) + cost
    for cell in cells.values():
        if cell.jobs_network and not cell.is_counted:
            cell.egress = None


def _by_payer(
    cells: Mapping[tuple[str, str], _Cell],
) -> dict[str, dict[str, _Cell]]:
    payers: dict[str, dict[str, _Cell]] = defaultdict(dict)
    for (payer, key), cell in sorted(cells.items()):
        payers[payer][key] = cell
    return payers


def _rounded(keys: Mapping[str, _Cell]) -> list[Line]:
    """Return one payer's lines, rounded so that they add up to the payer's own."""
    cells = list(keys.values())
    compute = apportion([cents(cell.compute) for cell in cells])
    egress = _apportion_known(
        [None if cell.egress is None else cents(cell.egress) for cell in cells]
    )
    core_s = _apportion_known([_seconds(cell.core_ms) for cell in cells])
    cpu_s = _apportion_known([_seconds(cell.cpu_ms) for cell in cells])
    with_cpu_s = _apportion_known([_seconds(cell.core_ms_with_cpu) for cell in cells])
    return [
        Line(
            key=key,
            jobs=cell.jobs,
            wall_s=cell.wall_s,
            core_s=core_s[index],
            cpu_s=cpu_s[index],
            core_s_with_cpu=with_cpu_s[index],
            gpu_s=cell.gpu_s,
            network=cell.network,
            compute_cost=money(compute[index]),
            network_cost=_money_or_none(egress[index]),
            network_complete=cell.is_complete,
        )
        for index, (key, cell) in enumerate(keys.items())
    ]


def _seconds(count_ms: int | None) -> Fraction | None:
    return None if count_ms is None else Fraction(count_ms, MS_PER_S)


def _money_or_none(count_cents: int | None) -> Decimal | None:
    return None if count_cents is None else money(count_cents)


def _apportion_known(parts: Sequence[Fraction | None]) -> list[int | None]:
    """Apportion what is known; what is not stays ``None``."""
    shares = iter(apportion([part for part in parts if part is not None]))
    return [None if part is None else next(shares) for part in parts]
