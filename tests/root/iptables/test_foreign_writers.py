"""Other programs write to the same tables meanwhile: nobody loses a rule."""

import itertools
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.addressing import ipv4_pair, ipv6_pair
from collectors.contract_2011.saved_rules import parse_saved
from collectors.errors import RulesError
from collectors.job_link import JobLink
from collectors.rules.iptables import IptablesBackend
from collectors.rules.xtables_lock import xtables_lock as take_xtables_lock
from tests.root.hosts import Host
from tests.root.world import JOB_BLOCK_V4, JOB_BLOCK_V6, RULES

pytestmark = pytest.mark.needs("iptables")

#: A writer of rules in the table that we write, as a site's own script is one.
WRITER = """
iptables-legacy -w -t mangle -N {name}
for number in $(seq {count})
do iptables-legacy -w -t mangle -A {name} -s 192.0.2.$((number % 250)) || exit 1
done
"""


@pytest.fixture
def node() -> Iterator[Host]:
    with Host("node") as node:
        yield node


@pytest.fixture
def backend(node: Host) -> Iterator[IptablesBackend]:
    backend = IptablesBackend()
    node.run(backend.install, RULES, [], {})
    yield backend
    backend.close()


def link(number: int) -> JobLink:
    pairs = ipv4_pair(number, JOB_BLOCK_V4), ipv6_pair(number, JOB_BLOCK_V6)
    return JobLink(secrets.token_hex(5), number, *pairs)


def foreign_rules(node: Host, chain: str) -> int:
    """Return how many rules stand in a writer's chain."""
    saved = parse_saved(
        node.command(["iptables-legacy-save", "-c", "-t", "mangle"]).stdout
    )
    return sum(rule.chain == chain for rule in saved.rules)


def test_two_foreign_writers_and_ours_lose_no_rule(
    node: Host, backend: IptablesBackend, rounds: Callable[[int, int], int]
) -> None:
    count = rounds(100, 3000)
    names = ("site1", "site2")
    shells = [
        node.run(subprocess.Popen, ["sh", "-c", WRITER.format(name=name, count=count)])
        for name in names
    ]
    links, numbers = [], itertools.count()
    while any(shell.poll() is None for shell in shells):
        links.append(link(next(numbers)))
        node.run(backend.setup, links[-1])
        if links[-1].slot_number % 3 == 2:
            node.run(backend.teardown, [links.pop(0).attach_id])
    assert [shell.wait() for shell in shells] == [0, 0]

    assert [foreign_rules(node, name) for name in names] == [count, count]
    assert len(links) > 2
    assert node.run(backend.check) is None
    reading = node.run(backend.read)
    assert reading.jobs.keys() == {each.attach_id for each in links}


def test_a_lock_that_is_never_given_back_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    monkeypatch.setenv("XTABLES_LOCKFILE", str(lock))
    with subprocess.Popen(
        ["flock", lock, "sh", "-c", "echo held; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        with (
            pytest.raises(RulesError, match=f"xtables lock {lock}.*another program"),
            take_xtables_lock(0.05),
        ):
            pass
        holder.stdin.close()
        with take_xtables_lock(10):
            pass
