"""Whose traffic climbs the tiers together, and how its cost is divided again."""

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from poolmeter.record import NETWORK_COLUMNS
from reports.egress import traffic_cost
from reports.price_book import Tariff


class User(NamedTuple):
    """Who moved bytes, as finely as a statement tells: one key inside one VO."""

    site: str | None
    vo: str
    key: str


def network_costs(
    traffic: Mapping[User, tuple[int | None, ...]], tariffs: Mapping[str, Tariff]
) -> dict[User, Fraction]:
    """Return the exact cost of each user's *traffic* (six counts, null unknown).

    The bytes of one scope are priced together, tier by tier; its cost is divided
    pro rata by bytes, so that the users' costs sum to the scope's.  Unknown counts
    add nothing, which makes the result a lower bound.
    """
    costs: dict[User, Fraction] = defaultdict(Fraction)
    for index, column in enumerate(NETWORK_COLUMNS):
        tariff = tariffs[column]
        counts = {user: row[index] or 0 for user, row in traffic.items()}
        for members in _scopes(counts, tariff).values():
            together = sum(counts[user] for user in members)
            if together == 0:
                continue
            cost = traffic_cost(tariff, together)
            for user in members:
                costs[user] += cost * counts[user] / together
    return {user: costs[user] for user in traffic}


def _scopes(
    counts: Mapping[User, int], tariff: Tariff
) -> Mapping[str | None, list[User]]:
    """Return the users whose traffic is priced together, by the tariff's scope."""
    scopes: dict[str | None, list[User]] = defaultdict(list)
    for user in counts:
        name = {"payer": user.vo, "site": user.site, "pool": None}[tariff.scope]
        scopes[name].append(user)
    return scopes
