"""How far a statement's figures can be trusted, and what stands aside from them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from poolmeter.ledger.gaps import Gap
from poolmeter.record import NETWORK_COLUMNS, NETWORK_TRUSTS, TIME_TRUSTS
from reports.charge_sums import ChargeSum
from reports.charges import PRICED, UNBILLED
from reports.lines import network_is_complete
from reports.statement_data import (
    UNKNOWN,
    Amount,
    Aside,
    ContradictedJob,
    Coverage,
    Line,
    Trust,
    add_known,
)

_NOT_ALL_COUNTED = "not_all_counted"


def asides(sums: Iterable[ChargeSum], outcome: str) -> tuple[Aside, ...]:
    """Return what has *outcome* (unpriced or unbilled), one entry a reason."""
    found: dict[str, Aside] = {}
    for charge in sums:
        if charge.outcome != outcome:
            continue
        reason = charge.reason or UNKNOWN
        known = found.get(reason, Aside(reason=reason))
        pairs = zip(known.network, charge.network, strict=True)
        found[reason] = Aside(
            reason=reason,
            jobs=known.jobs + charge.jobs,
            wall_s=known.wall_s + charge.wall_s,
            network=tuple(add_known(old, new) for old, new in pairs),
        )
    return tuple(found[reason] for reason in sorted(found))


def totals_of(sums: Iterable[ChargeSum], outcome: str) -> dict[str, int]:
    """Return jobs, seconds and known bytes of one *outcome*, for reconciliation."""
    chosen = [charge for charge in sums if charge.outcome == outcome]
    totals = {
        "jobs": sum(charge.jobs for charge in chosen),
        "wall_s": sum(charge.wall_s for charge in chosen),
    }
    for index, name in enumerate(NETWORK_COLUMNS):
        totals[name] = sum(charge.network[index] or 0 for charge in chosen)
    return totals


def trust_of(sums: Sequence[ChargeSum], jobs: Sequence[ContradictedJob]) -> Trust:
    """Return how much stands under each level of trust, the surest level first."""
    network: dict[str, Amount] = defaultdict(Amount)
    time: dict[str, Amount] = defaultdict(Amount)
    contradictions: dict[str, Amount] = defaultdict(Amount)
    for charge in sums:
        amount = Amount(charge.jobs, charge.wall_s)
        time[charge.time_trust or UNKNOWN] += amount
        if charge.outcome != UNBILLED:
            network[charge.network_trust or UNKNOWN] += amount
        for name in filter(None, charge.contradictions.split(",")):
            contradictions[name] += amount
    return Trust(
        network=_in_order(network, NETWORK_TRUSTS),
        time=_in_order(time, TIME_TRUSTS),
        contradictions=_in_order(contradictions, ()),
        contradicted_jobs=tuple(jobs),
    )


def coverage_of(
    sums: Iterable[ChargeSum],
    charged: frozenset[str],
    lines: Sequence[Line],
    gaps: Sequence[Gap],
) -> Coverage:
    """Return for how much of the priced work the *charged* traffic is known."""
    priced = [charge for charge in sums if charge.outcome == PRICED]
    known = [charge for charge in priced if charged <= charge.has_network]
    missing: dict[str, int] = defaultdict(int)
    for charge in priced:
        if charge.jobs_network and not network_is_complete(charge, charged):
            reason = charge.network_missing_reason or _default_reason(charge, charged)
            missing[reason] += charge.jobs_network
    return Coverage(
        jobs=sum(charge.jobs_network for charge in priced),
        jobs_with_network=sum(charge.jobs_network for charge in known),
        wall_s=sum(charge.wall_s for charge in priced),
        wall_s_with_network=sum(charge.wall_s for charge in known),
        core_s_with_cpu=sum(line.core_s_with_cpu or 0 for line in lines),
        missing=dict(sorted(missing.items())),
        incomplete_lines=tuple(x.key for x in lines if not x.network_complete),
        gaps=tuple(gaps),
    )


def memory_unknown(sums: Iterable[ChargeSum]) -> Amount:
    """Return how much was packed by its cpus alone, its memory being unknown."""
    total = Amount()
    for charge in sums:
        if charge.outcome == PRICED and charge.memory_unknown:
            total += Amount(charge.jobs, charge.wall_s)
    return total


def _default_reason(charge: ChargeSum, charged: frozenset[str]) -> str:
    if charged <= charge.has_network:
        return charge.network_trust or UNKNOWN
    return _NOT_ALL_COUNTED


def _in_order(amounts: dict[str, Amount], first: Sequence[str]) -> dict[str, Amount]:
    names = [name for name in first if name in amounts]
    names += sorted(name for name in amounts if name not in first)
    return {name: amounts[name] for name in names}
