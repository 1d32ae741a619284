"""A site's own scripts under the daemon: both variants, both ways to name counters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.daemon.protocol import NotMeasured
from tests.root import traffic
from tests.root.contract_2011.site import Site
from tests.root.served_node import ServedNode, served_node, until
from tests.root.world import CAMPUS_V4, WAN_V4

pytestmark = pytest.mark.needs("iptables")

EXTERNAL = "NetworkOutgoingExternal"
FOUR = (
    "NetworkIncomingExternal",
    "NetworkIncomingInternal",
    "NetworkOutgoingExternal",
    "NetworkOutgoingInternal",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def served(
    variant: str, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedNode]:
    """A node whose daemon has the site's scripts."""
    site.write()
    folder: Path = tmp_path_factory.mktemp(variant)
    with served_node(folder, ipv6="off", **site.options()) as served:
        served.start()
        yield served


@pytest.fixture(autouse=True)
def as_agreed(site: Site) -> None:
    site.name_counters("")
    site.breach("")


def counts_of(served: ServedNode, attach_id: str) -> dict[str, tuple[int, int]]:
    """Return a live run's counts as the daemon has them."""
    runs = {run["attach_id"]: run for run in served.status()["runs"]}
    return {name: tuple(count) for name, count in runs[attach_id]["counts"].items()}


@pytest.mark.parametrize("prefix", ["", "Network"])
def test_the_four_attributes_of_2011_are_counted_and_journaled(
    served: ServedNode, site: Site, prefix: str
) -> None:
    site.name_counters(prefix)
    world = served.world
    attached = served.process("sleep", "60").attach()
    name = attached.attach_id
    with attached.inside() as job:
        assert traffic.exchange_datagrams(job, world.wan, WAN_V4, 10, 72) == 10
        assert traffic.exchange_datagrams(job, world.campus, CAMPUS_V4, 5, 72) == 5
    until(lambda: sorted(counts_of(served, name)) == sorted(FOUR), "a reading")
    # A daemon that is killed and comes back finds the chain and the address again.
    served.kill()
    with attached.inside() as job:
        assert traffic.exchange_datagrams(job, world.wan, WAN_V4, 10, 72) == 10
    served.start()
    ended = attached.detach()

    assert ended.counts == {
        "NetworkOutgoingExternal": (2000, 20),
        "NetworkIncomingExternal": (2000, 20),
        "NetworkOutgoingInternal": (500, 5),
        "NetworkIncomingInternal": (500, 5),
    }
    assert not ended.partial
    assert served.summary().runs[name].counts == ended.counts
    until(lambda: site.has_cleaned(name), "the clean-up script")
    served.wait_clean()


#: How scripts break the contract, and what is said of it.
BREACHES = {
    "echo done": "one line on standard output",
    "exit 3": "expected exit code 0, found 3",
    'iptables -w -F "$job"; iptables -w -A "$job" -j RETURN': "no such comment",
    'ip route del "$address"; ip route add "$address" dev lo': "a route to 192.168.200",
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_script_that_breaks_the_contract_leaves_the_job_uncounted_and_says_why(
    served: ServedNode, site: Site, breach: str
) -> None:
    site.breach(breach)
    reply = served.process("sleep", "60").ask()

    assert isinstance(reply, NotMeasured), reply
    assert reply.reason == "setup"
    assert reply.detail is not None
    assert BREACHES[breach] in reply.detail
    assert str(site.folder / "set-up") in reply.detail
    until(
        lambda: reply.detail in [u.detail for u in served.summary().unmeasured],
        "a line in the journal",
    )
    assert served.leftovers() == []


def test_a_chain_that_is_gone_keeps_its_last_counts_and_is_partial(
    served: ServedNode,
) -> None:
    attached = served.process("sleep", "60").attach()
    name = attached.attach_id
    attached.send(WAN_V4, 10)
    until(lambda: counts_of(served, name).get(EXTERNAL) == (1280, 10), "counts")
    for command in ("-F", f"-X {name}"):
        served.command("iptables", "-w", *command.split())
    told = f"the chain {name} is gone; its script is not run again"
    until(lambda: told in served.log.read_text(), "a note of it")
    ended = attached.detach()

    assert ended.counts[EXTERNAL] == (1280, 10)
    assert ended.partial
    assert served.log.read_text().count(told) == 1


def test_check_runs_the_pair_once_and_shows_what_it_counts(
    served: ServedNode, site: Site
) -> None:
    done = served.poolmeter("node", "check")
    assert f"scripts     {site.folder}/set-up counts {', '.join(FOUR)}" in done.stdout
    assert done.returncode == 0, done.stdout
    site.breach("exit 3")
    done = served.poolmeter("node", "check")
    assert "fail  scripts" in done.stdout
    assert "expected exit code 0, found 3" in done.stdout
    assert done.returncode == 1
    assert served.leftovers() == []
