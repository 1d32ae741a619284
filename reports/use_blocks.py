"""The month's lines once more, apart by whose machines the jobs ran on.

Three blocks: our own pool, pools and sites that jobs flocked out to, and machines of
which nothing is known.  Inside a payer each line's amounts are divided among the
blocks by largest remainder, so that the blocks add up to the statement's lines.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby

from poolmeter.record import NETWORK_COLUMNS
from poolmeter.units import MS_PER_S
from reports.line import Line, add_known
from reports.network_cost import User, network_costs
from reports.price_book import Tariff
from reports.rounding import apportion, cents, money
from reports.use_data import Block
from reports.use_kinds import RESOURCES
from reports.use_sums import UseSum

_NONE: tuple[int | None, ...] = (None,) * len(NETWORK_COLUMNS)


@dataclasses.dataclass(slots=True)
class _Cell:
    """What one key of one payer used on one kind of resource, before rounding."""

    jobs: int = 0
    wall_s: int = 0
    gpu_s: int = 0
    core_ms: int | None = None
    network: tuple[int | None, ...] = _NONE
    compute: Fraction = Fraction(0)
    egress: Fraction | None = Fraction(0)
    jobs_network: int = 0
    is_complete: bool = True
    is_counted: bool = False


#: Payer, the line's key, resource: sorted, those of one line stand together.
_Place = tuple[str, str, str]


def blocks_of(
    sums: Sequence[UseSum],
    cost_of: Callable[[UseSum], Fraction],
    tariffs: Mapping[str, Tariff],
    vo: str | None = None,
) -> tuple[Block, ...]:
    """Return the blocks that have anything, our own pool first.

    With *vo* only that VO's, as they stand in the statement of all.
    """
    charged = [i for i, n in enumerate(NETWORK_COLUMNS) if not tariffs[n].is_free]
    cells = _cells(sums, cost_of, charged)
    _add_network_costs(cells, sums, tariffs)
    lines: dict[str, dict[str, Line]] = defaultdict(dict)
    for payer in sorted({place[0] for place in cells} if vo is None else {vo}):
        mine = {place: cells[place] for place in sorted(cells) if place[0] == payer}
        for resource, line in _rounded(mine):
            known = lines[resource].get(line.key)
            lines[resource][line.key] = line if known is None else known + line
    return tuple(
        _block(resource, lines[resource].values())
        for resource in RESOURCES
        if resource in lines
    )


def _block(resource: str, lines: Iterable[Line]) -> Block:
    ordered = sorted(lines, key=lambda line: (-line.total_cost, line.key))
    totals = sum(ordered, start=Line(key="total"))
    return Block(resource=resource, lines=tuple(ordered), totals=totals)


def _cells(
    sums: Iterable[UseSum],
    cost_of: Callable[[UseSum], Fraction],
    charged: Sequence[int],
) -> dict[_Place, _Cell]:
    cells: dict[_Place, _Cell] = defaultdict(_Cell)
    for charge in sums:
        cell = cells[charge.payer, charge.name, charge.resource]
        cell.jobs += charge.jobs
        cell.wall_s += charge.wall_s
        cell.gpu_s += charge.gpu_s
        cell.core_ms = add_known(cell.core_ms, charge.core_ms)
        pairs = zip(cell.network, charge.network, strict=True)
        cell.network = tuple(add_known(old, new) for old, new in pairs)
        cell.compute += cost_of(charge)
        cell.jobs_network += charge.jobs_network
        counted = [charge.counted[index] for index in charged]
        complete = all(count == charge.jobs_network for count in counted)
        cell.is_complete &= complete and not charge.jobs_partial
        cell.is_counted |= not charged or any(counted)
    return cells


def _add_network_costs(
    cells: Mapping[_Place, _Cell],
    sums: Iterable[UseSum],
    tariffs: Mapping[str, Tariff],
) -> None:
    traffic: dict[User, tuple[int | None, ...]] = {}
    places: dict[User, _Place] = {}
    for charge in sums:
        place = (charge.payer, charge.name, charge.resource)
        user = User(charge.site, charge.payer, repr(place))
        places[user] = place
        pairs = zip(traffic.get(user, _NONE), charge.network, strict=True)
        traffic[user] = tuple(add_known(old, new) for old, new in pairs)
    for user, cost in network_costs(traffic, tariffs).items():
        cell = cells[places[user]]
        cell.egress = (cell.egress or Fraction(0)) + cost
    for cell in cells.values():
        if cell.jobs_network and not cell.is_counted:
            cell.egress = None


def _rounded(cells: Mapping[_Place, _Cell]) -> Iterable[tuple[str, Line]]:
    """Yield resource and line of one payer's *cells*, which come sorted by place."""
    places, rows = list(cells), list(cells.values())
    compute = _in_lines(places, [cents(cell.compute) for cell in rows])
    egress = _in_lines(
        places, [None if c.egress is None else cents(c.egress) for c in rows]
    )
    core_s = _in_lines(
        places,
        [None if c.core_ms is None else Fraction(c.core_ms, MS_PER_S) for c in rows],
    )
    for index, ((_, key, resource), cell) in enumerate(cells.items()):
        compute_cents, egress_cents = compute[index], egress[index]
        yield (
            resource,
            Line(
                key=key,
                jobs=cell.jobs,
                wall_s=cell.wall_s,
                core_s=core_s[index],
                gpu_s=cell.gpu_s,
                network=cell.network,
                compute_cost=money(compute_cents or 0),
                network_cost=None if egress_cents is None else money(egress_cents),
                network_complete=cell.is_complete,
            ),
        )


def _in_lines(
    places: Sequence[_Place], parts: Sequence[Fraction | None]
) -> list[int | None]:
    """Round *parts* of one payer: first its lines, then each line's parts.

    What is unknown stays ``None``.
    """
    groups = [
        [index for index, _ in found]
        for _, found in groupby(
            ((i, p) for i, p in enumerate(places) if parts[i] is not None),
            key=lambda numbered: numbered[1][1],
        )
    ]
    known = [[parts[index] or Fraction(0) for index in group] for group in groups]
    totals = apportion([sum(group, Fraction(0)) for group in known])
    rounded: list[int | None] = [None] * len(parts)
    for group, values, total in zip(groups, known, totals, strict=True):
        for index, value in zip(group, apportion(values, total), strict=True):
            rounded[index] = value
    return rounded
