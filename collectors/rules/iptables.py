"""The iptables back end: legacy tables by python-iptables, a tree of chains a counter.

For nodes whose firewall is iptables-legacy.  Each family has tables of its own and a
process of its own that changes them; here their counts are put together.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collectors.errors import RulesError
from collectors.job_link import JobLink, device_of
from collectors.links.own_addresses import own_addresses
from collectors.rules.backend import NodeRules, RulesReading
from collectors.rules.iptables_client import FamilyProcess
from collectors.rules.iptables_messages import Add, Check, Delete, Install, Read, Remove
from collectors.rules.iptables_plan import family_plan, trees_of
from collectors.rules.iptables_trees import (
    TOTALS,
    TREE_PREFIX,
    branch_rules,
    counting_rules,
)
from collectors.rules.xtables_rule import CounterRow, Family, FamilyPlan, PlacedRule
from collectors.traffic import Count, Direction, JobCounts

DEVICE_PREFIX_LENGTH = len(device_of(""))
ZERO = Count()

Rows = Mapping[Family, Sequence[CounterRow]]
#: Family, root of the tree, device: one or more rules that count together.
CounterKey = tuple[Family, str, str]


class IptablesBackend:
    """Rules of a whole node in the legacy tables; see ``RuleBackend``."""

    name = "iptables"

    def __init__(self) -> None:
        self._processes = {family: FamilyProcess(family) for family in Family}
        self._rules: NodeRules | None = None
        self._plans: dict[Family, FamilyPlan] = {}
        self._links: dict[str, JobLink] = {}
        self._last: dict[CounterKey, Count] = {}

    def install(
        self,
        rules: NodeRules,
        links: Sequence[JobLink],
        counts: Mapping[str, JobCounts],
    ) -> None:
        """Make all tables whole; a table that is whole keeps its counters."""
        missing = _missing_counts(rules, links, counts, self._all_rows()[0])
        plans = {family: _plan(rules, family) for family in Family}
        for family, process in self._processes.items():
            # What both families together lack is put into the counters of one.
            starts = missing if family is Family.IPV4 else {}
            jobs = list(_rules_of(rules, links, family, starts))
            process.ask(Install(plans[family], jobs))
        self._rules, self._plans = rules, plans
        self._links = {link.attach_id: link for link in links}
        self._last = {}

    def setup(self, link: JobLink) -> None:
        """Add a job's counters, in both families or in none."""
        rules = self._installed()
        try:
            for family, process in self._processes.items():
                process.ask(Add(list(_rules_of(rules, [link], family, {}))))
        except RulesError:
            self._delete([link.attach_id])
            raise
        self._links[link.attach_id] = link

    def teardown(self, attach_ids: Sequence[str]) -> None:
        """Remove the rules of these attaches, one write a family for all of them."""
        self._delete(attach_ids)
        for attach_id in attach_ids:
            self._links.pop(attach_id, None)

    def check(self) -> str | None:
        """Return what is missing or altered, or ``None``."""
        if self._rules is None:
            return "no rules are installed"
        devices = [link.device for link in self._links.values()]
        last_targets = {tree.root: tree.last_target for tree in trees_of(self._rules)}
        for family, process in self._processes.items():
            check = Check(self._plans[family], devices, last_targets)
            missing = process.ask(check).missing
            if missing is not None:
                return f"{family}: {missing}"
        return None

    def read(self) -> RulesReading:
        """Return all counters.

        A job of which a rule is missing or a counter fell is left out, so that its
        rules are installed again with the counts of the reading before.
        """
        rows, missing = self._all_rows()
        counts = _by_key(rows)
        unsound = self._unsound(counts, missing=missing)
        self._last.update(counts)
        trees = self._trees()
        jobs: dict[str, dict[str, Count]] = {}
        for (_, root, device), count in counts.items():
            if device and device not in unsound:
                of_job = jobs.setdefault(device[DEVICE_PREFIX_LENGTH:], {})
                attribute = trees.get(root) or f"Network{root[len(TREE_PREFIX) :]}"
                of_job[attribute] = of_job.get(attribute, ZERO) + count
        return RulesReading(jobs, _totals(rows), _spoofed(rows))

    def remove(self) -> None:
        """Remove all that belongs to us, and end the processes."""
        for process in self._processes.values():
            process.ask(Remove())
        self._rules, self._plans = None, {}
        self._links = {}
        self._last = {}
        self.close()

    def close(self) -> None:
        """End the processes; the rules stay."""
        for process in self._processes.values():
            process.close()

    def _installed(self) -> NodeRules:
        if self._rules is None:
            raise RulesError("iptables", expected="installed rules", found="none")
        return self._rules

    def _trees(self) -> dict[str, str]:
        """Return the attribute of each tree by the name of its root."""
        if self._rules is None:
            return {}
        return {tree.root: tree.attribute for tree in trees_of(self._rules)}

    def _all_rows(self) -> tuple[Rows, str | None]:
        """Return all counters, and what lacks of the shared rules."""
        rows, missing = {}, None
        for family, process in self._processes.items():
            done = process.ask(Read(self._plans.get(family)))
            rows[family] = done.rows
            missing = missing or done.missing
        return rows, missing

    def _unsound(
        self, counts: Mapping[CounterKey, Count], *, missing: str | None
    ) -> set[str]:
        """Return the devices of jobs of which a rule is missing or a counter fell."""
        if self._rules is None:
            return set()
        if missing is not None:
            return {link.device for link in self._links.values()}
        unsound = {
            device
            for (family, root, device), count in counts.items()
            if count.ip_bytes < self._last.get((family, root, device), ZERO).ip_bytes
        }
        roots = self._trees()
        for link in self._links.values():
            for family, root in itertools.product(Family, roots):
                if (family, root, link.device) not in counts:
                    unsound.add(link.device)
        return unsound

    def _delete(self, attach_ids: Sequence[str]) -> None:
        devices = [device_of(attach_id) for attach_id in attach_ids]
        for process in self._processes.values() if devices else ():
            process.ask(Delete(devices))
        gone = set(devices)
        self._last = {k: count for k, count in self._last.items() if k[2] not in gone}


def usable_families() -> list[Family]:
    """Return the families, all of whose tables can be read here.

    Raises:
        RulesError: One of them cannot be.
    """
    backend = IptablesBackend()
    try:
        backend.read()
    finally:
        backend.close()
    return [*Family]


def _plan(rules: NodeRules, family: Family) -> FamilyPlan:
    job_blocks = [b for b in (rules.job_block_v4, rules.job_block_v6) if b]
    own = [
        str(address)
        for address in own_addresses(4 if family is Family.IPV4 else 6)
        if not any(address in block for block in job_blocks)
    ]
    return family_plan(rules, family, own)


def _rules_of(
    rules: NodeRules,
    links: Iterable[JobLink],
    family: Family,
    starts: Mapping[str, JobCounts],
) -> Iterator[PlacedRule]:
    trees = trees_of(rules)
    for link in links:
        counts = starts.get(link.attach_id, {})
        for tree in trees:
            yield from branch_rules(tree, link.device)
            yield from counting_rules(tree, link, family, counts)


def _by_key(rows: Rows) -> dict[CounterKey, Count]:
    counts: dict[CounterKey, Count] = {}
    for family, of_family in rows.items():
        for row in of_family:
            if row.device:
                key = family, row.root, row.device
                counted = ZERO if row.dropped else row.count
                counts[key] = counts.get(key, ZERO) + counted
    return counts


def _missing_counts(
    rules: NodeRules,
    links: Sequence[JobLink],
    counts: Mapping[str, JobCounts],
    rows: Rows,
) -> dict[str, dict[str, Count]]:
    """Return what the IPv4 counters have to start at, where something was lost."""
    present = _by_key(rows)
    starts: dict[str, dict[str, Count]] = {}
    for link in links:
        of_job = counts.get(link.attach_id, {})
        for tree in trees_of(rules):
            wanted = of_job.get(tree.attribute, ZERO)
            v4, v6 = (
                present.get((family, tree.root, link.device), ZERO) for family in Family
            )
            start = _without(wanted, v6)
            if start.ip_bytes > v4.ip_bytes:
                starts.setdefault(link.attach_id, {})[tree.attribute] = start
    return starts


def _without(count: Count, part: Count) -> Count:
    ip_bytes = max(0, count.ip_bytes - part.ip_bytes)
    return Count(ip_bytes, max(0, count.packets - part.packets))


def _totals(rows: Rows) -> dict[Direction, Count]:
    return {
        direction: sum(
            (r.count for found in rows.values() for r in found if r.root == chain), ZERO
        )
        for direction, chain in TOTALS.items()
    }


def _spoofed(rows: Rows) -> dict[str, Count]:
    spoofed: dict[str, Count] = {}
    for row in (row for found in rows.values() for row in found if row.dropped):
        attach_id = row.device[DEVICE_PREFIX_LENGTH:]
        spoofed[attach_id] = spoofed.get(attach_id, ZERO) + row.count
    return spoofed
