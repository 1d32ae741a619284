"""What the daemon and its process of one family say to each other, in lines of JSON."""

import msgspec

from collectors.rules.xtables_rule import CounterRow, FamilyPlan, PlacedRule
from collectors.traffic import Count


class Install(msgspec.Struct, tag=True, frozen=True):
    """Make all rules of the family stand."""

    plan: FamilyPlan
    jobs: list[PlacedRule]


class Add(msgspec.Struct, tag=True, frozen=True):
    """Add the rules of a job."""

    jobs: list[PlacedRule]


class Delete(msgspec.Struct, tag=True, frozen=True):
    """Remove the rules of these devices."""

    devices: list[str]


class Read(msgspec.Struct, tag=True, frozen=True):
    """Read all counters, and look whether the shared rules of *plan* stand."""

    plan: FamilyPlan | None


class ReadChains(msgspec.Struct, tag=True, frozen=True):
    """Read comments and counters of chains, in any of these tables, by their names.

    The names are those that the regular expression *names* matches whole.
    """

    tables: list[str]
    names: str


class Check(msgspec.Struct, tag=True, frozen=True):
    """Look whether the rules stand; ``last_targets`` are those of a device by root."""

    plan: FamilyPlan
    devices: list[str]
    last_targets: dict[str, str]


class Remove(msgspec.Struct, tag=True, frozen=True):
    """Remove all that is ours."""


Request = Install | Add | Delete | Read | ReadChains | Check | Remove


class Done(msgspec.Struct, tag=True, frozen=True):
    """It was done; ``missing`` is what a check or a reading found missing."""

    rows: list[CounterRow] = []
    chains: dict[str, list[tuple[str | None, Count]]] = {}
    missing: str | None = None


class Refused(msgspec.Struct, tag=True, frozen=True):
    """It was not done, for the reason of a ``RulesError``."""

    where: str
    expected: str | None = None
    found: str | None = None
    mend: str | None = None


Reply = Done | Refused
