"""The nftables back end: one table, dispatch by the device's name, named counters."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collectors.errors import RulesError
from collectors.job_link import JobLink, device_of
from collectors.rules import nftables_job as job
from collectors.rules import nftables_state as state
from collectors.rules import nftables_table as shared
from collectors.rules.backend import NodeRules, RulesReading
from collectors.rules.nftables_library import Transactions, transactions
from collectors.rules.nftables_names import (
    ATTACH_ID,
    FROM_JOB,
    JOB_CHAIN,
    JOB_COUNTER,
    JOB_DEVICES,
    PLACE,
    SPOOFED,
    TO_JOB,
    total_counter,
)
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, JobCounts

HOOK_NUMBERS = {"prerouting": 0, "forward": 2, "postrouting": 4}  # NF_INET_*


class NftablesBackend:
    """Rules of a whole node in the table ``inet poolmeter``.

    Only :meth:`read` may run beside another method, in a thread of its own.
    """

    name = "nftables"

    def __init__(self, through: Transactions | None = None) -> None:
        self._transactions = through or transactions()
        self._rules: NodeRules | None = None
        self._links: dict[str, JobLink] = {}
        self._elements: dict[str, frozenset[bytes]] = {}

    def install(
        self,
        rules: NodeRules,
        links: Sequence[JobLink],
        counts: Mapping[str, JobCounts],
    ) -> None:
        """Make the table whole; what still exists keeps its values."""
        exists = state.table_exists()
        counters = state.list_counters() if exists else {}
        commands = [f"add table {PLACE}"]
        if exists:
            commands += [f"flush table {PLACE}"]
        commands += shared.set_commands(rules)
        if exists:
            commands += _leftovers(rules, links, counters)
        commands += _totals(counts)
        commands += shared.chain_commands(rules)
        for link in links:
            commands += _job(rules, link, counts.get(link.attach_id, {}))
        commands += shared.rule_commands(shared.shared_rules(rules))
        self._transactions.apply(commands)
        self._rules = rules
        self._links = {link.attach_id: link for link in links}
        # How the kernel writes intervals is its own affair: learned, not computed.
        names = shared.interval_sets(rules)
        self._elements = {name: state.list_elements(name) for name in names}

    def setup(self, link: JobLink) -> None:
        """Add a job's counters and rules in one transaction."""
        rules = self._installed()
        if not ATTACH_ID.fullmatch(link.attach_id):
            raise RulesError("attach id", expected="ten digits", found=link.attach_id)
        self._transactions.apply(_job(rules, link, {}))
        self._links[link.attach_id] = link

    def teardown(self, attach_ids: Sequence[str]) -> None:
        """Remove these attaches' rules and counters in one transaction."""
        rules = self._installed()
        known = [
            attach_id for attach_id in attach_ids if ATTACH_ID.fullmatch(attach_id)
        ]
        if known and state.table_exists():
            self._transactions.apply([*_removals(rules, known)])
        for attach_id in known:
            self._links.pop(attach_id, None)

    def check(self) -> str | None:
        """Return the first difference between the table and what was put there."""
        if self._rules is None or not state.table_exists():
            return f"table {PLACE} is missing"
        return next(self._differences(self._rules), None)

    def read(self) -> RulesReading:
        """Return all counters of one listing."""
        return parse_counters(state.list_counters())

    def remove(self) -> None:
        """Remove the table."""
        self._transactions.apply([f"add table {PLACE}", f"delete table {PLACE}"])
        self._rules = None
        self._links = {}

    def _installed(self) -> NodeRules:
        if self._rules is None:
            raise RulesError("nftables", expected="installed rules", found="none")
        return self._rules

    def _differences(self, rules: NodeRules) -> Iterator[str]:
        hooks = state.list_chains()
        for chain in shared.base_chains(rules):
            if hooks.get(chain.name) != _hook(chain):
                yield f"chain {chain.name} is not at its hook"
        found = state.count_rules()
        for name, rule_count in self._rule_counts(rules).items():
            if found[name] != rule_count:
                yield f"chain {name} has {found[name]} of {rule_count} rules"
        devices = {link.device for link in self._links.values()}
        for name in (FROM_JOB, TO_JOB, JOB_DEVICES):
            if state.list_keys(name) != devices:
                yield f"{name} does not hold the devices of {len(devices)} jobs"
        for name, elements in self._elements.items():
            if state.list_elements(name) != elements:
                yield f"set {name} does not hold what was put there"

    def _rule_counts(self, rules: NodeRules) -> dict[str, int]:
        chains = [shared.shared_rules(rules)]
        chains += [job.job_rules(rules, link) for link in self._links.values()]
        return {name: len(found) for each in chains for name, found in each.items()}


def parse_counters(counters: Mapping[str, Count]) -> RulesReading:
    """Return what the *counters* say by job.

    >>> reading = parse_counters({"job_0123456789_spoofed": Count(40, 1)})
    >>> reading.spoofed
    {'0123456789': Count(ip_bytes=40, packets=1)}
    """
    jobs: dict[str, dict[str, Count]] = {}
    spoofed: dict[str, Count] = {}
    for name, count in counters.items():
        matched = JOB_COUNTER.fullmatch(name)
        if matched is None:
            continue
        attach_id, what = matched.groups()
        if what == SPOOFED:
            spoofed[attach_id] = count
        else:
            jobs.setdefault(attach_id, {})[what] = count
    total = {way: counters.get(total_counter(way), Count()) for way in Direction}
    return RulesReading(jobs, total, spoofed)


def _job(rules: NodeRules, link: JobLink, counts: JobCounts) -> list[str]:
    return [
        *job.counter_commands(rules, link.attach_id, counts),
        *job.chain_commands(rules, link),
        *job.element_commands("add", link.attach_id, link.device),
    ]


def _removals(rules: NodeRules, attach_ids: Sequence[str]) -> Iterator[str]:
    for attach_id in attach_ids:
        counters = job.counter_names(rules, attach_id)
        yield from job.removal_commands(attach_id, device_of(attach_id), counters)


def _totals(counts: Mapping[str, JobCounts]) -> Iterator[str]:
    """Yield commands for the totals; lost ones begin at the sum of *counts*."""
    for direction in Direction:
        total = Count()
        for of_job, traffic_class in itertools.product(
            counts.values(), TRAFFIC_CLASSES
        ):
            if traffic_class.direction is direction:
                total += of_job.get(traffic_class.attribute, Count())
        yield job.counter_command(total_counter(direction), "total", total)


def _leftovers(
    rules: NodeRules, links: Sequence[JobLink], counters: Iterable[str]
) -> Iterator[str]:
    """Yield commands that delete what does not belong to *rules* and *links*."""
    live = {link.attach_id for link in links}
    wanted = {chain.name: _hook(chain) for chain in shared.base_chains(rules)}
    for name, hook in state.list_chains().items():
        of_job = JOB_CHAIN.fullmatch(name)
        ended = of_job is not None and of_job[1] not in live
        if ended or (hook is not None and wanted.get(name) != hook):
            yield f"delete chain {PLACE} {name}"
    known = {name for each in live for name in job.counter_names(rules, each)}
    for name in counters:
        if JOB_COUNTER.fullmatch(name) and name not in known:
            yield f"delete counter {PLACE} {name}"
    sets = shared.interval_sets(rules)
    for name in state.list_sets():
        if name.startswith("site_") and name not in sets:
            yield f"delete set {PLACE} {name}"


def _hook(chain: shared.BaseChain) -> state.Hook:
    return state.Hook(HOOK_NUMBERS[chain.hook], chain.priority)
