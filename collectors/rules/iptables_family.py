"""The rules of one family in its legacy tables: made whole, extended, read, removed.

Every change is one read, one write of a table under the xtables lock.  All of it is
idempotent: what stands already stays, with its counters.
"""

import dataclasses
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from collectors.rules.iptables_plan import FLOWS, FORWARD, MASQUERADE
from collectors.rules.iptables_trees import (
    RECEIVED,
    SENT,
    TOTALS,
    TRANSLATED,
    TREE_PREFIX,
    leaf_suffix,
    root_of_leaf,
)
from collectors.rules.legacy_table import Entry, LegacyTable
from collectors.rules.xtables_lock import xtables_lock
from collectors.rules.xtables_rule import (
    CounterRow,
    Family,
    FamilyPlan,
    Hook,
    PlacedRule,
    XtablesRule,
)
from collectors.traffic import Count

LOCK_TIMEOUT_S = 20.0
COUNTING_TABLE = "mangle"
#: Where our chains may stand, and the built-in chains that lead to them.
OWN_CHAINS = {
    "filter": (FORWARD, FLOWS),
    "nat": (MASQUERADE,),
    COUNTING_TABLE: (SENT, RECEIVED, TRANSLATED, *TOTALS.values()),
}
BUILT_IN_CHAINS = {
    "filter": ("INPUT", "FORWARD"),
    "nat": ("POSTROUTING",),
    COUNTING_TABLE: ("PREROUTING", "POSTROUTING"),
}
#: In the order in which they are written: nothing is counted before it can pass.
TABLES = ("filter", "nat", COUNTING_TABLE)
DROP = "DROP"


class FamilyRules:
    """All that a node has in the legacy tables of one family."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def install(self, plan: FamilyPlan, jobs: Sequence[PlacedRule]) -> None:
        """Make every rule of *plan* and of *jobs* stand, and no other of ours.

        Each table is written once.
        """
        with xtables_lock(LOCK_TIMEOUT_S):
            for name in TABLES:
                table = LegacyTable(self.family, name)
                placed = jobs if name == COUNTING_TABLE else ()
                _install_table(table, plan, placed)
                table.commit()

    def add(self, jobs: Sequence[PlacedRule]) -> None:
        """Add the rules of a job."""
        with xtables_lock(LOCK_TIMEOUT_S):
            table = LegacyTable(self.family, COUNTING_TABLE)
            _place(table, jobs)
            table.commit()

    def delete(self, devices: Collection[str]) -> None:
        """Remove the rules of these devices."""
        with xtables_lock(LOCK_TIMEOUT_S):
            table = LegacyTable(self.family, COUNTING_TABLE)
            suffixes = tuple({leaf_suffix(device) for device in devices})
            changed = False
            for chain in table.chains():
                if root_of_leaf(chain) and chain.endswith(suffixes):
                    rules = [e for e in table.entries(chain) if e.device in devices]
                    table.delete(chain, rules)
                    changed = changed or bool(rules)
            if changed:
                table.commit()

    def read(self, plan: FamilyPlan | None) -> tuple[list[CounterRow], str | None]:
        """Return all counters, and what lacks of the rules in *plan*.

        The totals have no device.
        """
        names = TABLES if plan else (COUNTING_TABLE,)
        with xtables_lock(LOCK_TIMEOUT_S):
            # A write of another program sets the counters back, then adds the old ones.
            tables = {name: LegacyTable(self.family, name) for name in names}
        missing = _missing_of_plan(tables, plan) if plan else None
        return _rows(tables[COUNTING_TABLE]), missing

    def read_chains(
        self, tables: Sequence[str], names: str
    ) -> dict[str, list[tuple[str | None, Count]]]:
        """Return comment and count of each rule of chains that *names* matches."""
        pattern = re.compile(names)
        found: dict[str, list[tuple[str | None, Count]]] = {}
        with xtables_lock(LOCK_TIMEOUT_S):
            opened = [LegacyTable(self.family, name) for name in tables]
        for table in opened:
            for name in filter(pattern.fullmatch, table.chains()):
                found.setdefault(name, []).extend(table.commented(name))
        return found

    def missing(
        self,
        plan: FamilyPlan,
        devices: Sequence[str],
        last_targets: Mapping[str, str],
    ) -> str | None:
        """Return what lacks or was altered, in one line, or ``None``.

        Compared are the order, the devices and the targets of shared rules; of a job,
        that each tree leads to its rules and how they end.
        """
        with xtables_lock(LOCK_TIMEOUT_S):
            tables = {name: LegacyTable(self.family, name) for name in TABLES}
        return _missing_of_plan(tables, plan) or _missing_of_jobs(
            tables[COUNTING_TABLE], devices, last_targets
        )

    def remove(self) -> None:
        """Remove all that belongs to us."""
        with xtables_lock(LOCK_TIMEOUT_S):
            for name in OWN_CHAINS:
                table = LegacyTable(self.family, name)
                _unhook(table, BUILT_IN_CHAINS[name])
                _drop_chains(table, _own_chains(table))
                table.commit()


def _rows(table: LegacyTable) -> list[CounterRow]:
    rows = [
        CounterRow(root, entry.device, entry.target == DROP, entry.count)
        for chain in table.chains()
        if (root := root_of_leaf(chain))
        for entry in table.entries(chain)
    ]
    rows += [
        CounterRow(chain, "", False, entry.count)
        for chain in TOTALS.values()
        for entry in table.entries(chain)
    ]
    return rows


def _install_table(
    table: LegacyTable, plan: FamilyPlan, jobs: Sequence[PlacedRule]
) -> None:
    static = plan.chains[table.name]
    roots = plan.roots if table.name == COUNTING_TABLE else ()
    for chain in (*static, *roots):
        table.create_chain(chain)
    for chain, rules in static.items():
        _make_chain(table, chain, rules)
    _place(table, jobs)
    kept = {(placed.chain, _device(placed.rule)) for placed in jobs}
    _drop_strangers(table, kept)
    for hook in plan.hooks:
        if hook.table == table.name and not _leads(table, hook):
            _unhook(table, [hook.chain], {hook.rule.target})
            table.put_first(hook.chain, hook.rule)
    known = {*static, *roots}
    _drop_chains(table, [c for c in _own_chains(table) if not _belongs(c, known)])


def _make_chain(table: LegacyTable, chain: str, rules: Sequence[XtablesRule]) -> None:
    """Write the rules anew: a reload changes networks that are not compared.

    The totals have counters, so they are written once only.
    """
    if chain in TOTALS.values() and _stands(table.entries(chain), rules):
        return
    table.flush(chain)
    for rule in rules:
        table.append(chain, rule)


def _place(table: LegacyTable, jobs: Sequence[PlacedRule]) -> None:
    """Make the rules of jobs stand; a device's rules in a chain stand in their order.

    Where they are not whole or count less than given, they are written anew with the
    greater of both counts.
    """
    for (chain, device), group in itertools.groupby(jobs, _chain_and_device):
        rules = [placed.rule for placed in group]
        table.create_chain(chain)
        for rule in rules:
            if rule.target.startswith(TREE_PREFIX):
                table.create_chain(rule.target)
        present = [e for e in table.entries(chain) if e.device == device]
        if _stands(present, rules) and not _has_less(present, rules):
            continue
        table.delete(chain, present)
        for rule in _with_counts(rules, present):
            table.append(chain, rule)


def _chain_and_device(placed: PlacedRule) -> tuple[str, str]:
    return placed.chain, _device(placed.rule)


def _device(rule: XtablesRule) -> str:
    return rule.in_device or rule.out_device or ""


def _with_counts(
    rules: Sequence[XtablesRule], present: Sequence[Entry]
) -> list[XtablesRule]:
    """Return *rules* with the counts of those in whose place they come.

    Of the rules with one target the first starts at the greater of its own count and
    of what all had together, the others at nothing.
    """
    carried, seen = [], set[str]()
    for rule in rules:
        old = sum((e.count for e in present if e.target == rule.target), Count())
        start = Count() if rule.target in seen else max(rule.count, old, key=_bytes)
        seen.add(rule.target)
        carried.append(dataclasses.replace(rule, count=start))
    return carried


def _bytes(count: Count) -> int:
    return count.ip_bytes


def _has_less(present: Sequence[Entry], rules: Sequence[XtablesRule]) -> bool:
    """Whether the counters that stand are behind what *rules* are to start at."""
    return any(
        rule.count.ip_bytes
        > sum(e.count.ip_bytes for e in present if e.target == rule.target)
        for rule in rules
    )


def _stands(present: Sequence[Entry], rules: Sequence[XtablesRule]) -> bool:
    return [(e.in_device, e.out_device, e.target) for e in present] == [
        (r.in_device or "", r.out_device or "", r.target) for r in rules
    ]


def _leads(table: LegacyTable, hook: Hook) -> bool:
    return _stands(table.entries(hook.chain)[:1], [hook.rule])


def _missing_of_plan(tables: Mapping[str, LegacyTable], plan: FamilyPlan) -> str | None:
    for hook in plan.hooks:
        if not _leads(tables[hook.table], hook):
            return f"{hook.table} {hook.chain} does not lead to {hook.rule.target}"
    for name, chains in plan.chains.items():
        for chain, rules in chains.items():
            if not _stands(tables[name].entries(chain), rules):
                return f"{name} {chain} is missing or altered"
    return None


def _missing_of_jobs(
    table: LegacyTable, devices: Sequence[str], last_targets: Mapping[str, str]
) -> str | None:
    chains = {
        c: [(e.device, e.target) for e in table.entries(c)] for c in table.chains()
    }
    led_to = {target for found in chains.values() for _, target in found}
    for root, last_target in last_targets.items():
        for device in devices:
            leaf = root + leaf_suffix(device)
            if (device, last_target) not in chains.get(leaf, ()):
                return f"{table.name} {leaf} lacks rules of {device}"
            if not {leaf, leaf[:-1]} <= led_to:
                return f"{table.name} {root} does not lead to {leaf}"
    return None


def _own_chains(table: LegacyTable) -> list[str]:
    own = OWN_CHAINS[table.name]
    trees = table.name == COUNTING_TABLE
    return [
        chain
        for chain in table.chains()
        if chain in own or (trees and chain.startswith(TREE_PREFIX))
    ]


def _belongs(chain: str, known: set[str]) -> bool:
    return chain in known or any(
        chain.startswith(f"{root}-") for root in known if root.startswith(TREE_PREFIX)
    )


def _drop_strangers(table: LegacyTable, kept: set[tuple[str, str]]) -> None:
    """Remove the rules of devices that no job has any more."""
    for chain in table.chains():
        if root_of_leaf(chain):
            strangers = [
                e for e in table.entries(chain) if (chain, e.device) not in kept
            ]
            if strangers:
                table.delete(chain, strangers)


def _unhook(
    table: LegacyTable, chains: Iterable[str], targets: set[str] | None = None
) -> None:
    """Remove the rules of built-in *chains* that lead to our chains."""
    own = targets or set(OWN_CHAINS[table.name])
    for chain in chains:
        leading = [e for e in table.entries(chain) if e.target in own]
        if leading:
            table.delete(chain, leading)


def _drop_chains(table: LegacyTable, chains: Sequence[str]) -> None:
    for chain in chains:
        table.flush(chain)
    for chain in chains:
        table.delete_chain(chain)
