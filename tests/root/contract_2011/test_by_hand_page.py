"""docs/by-hand.md works when it is typed, under both variants of iptables."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.world import World, small_world

pytestmark = pytest.mark.needs("iptables")

PAGE = Path(__file__).parents[3] / "docs" / "by-hand.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: ``echo hello`` in a datagram: 20 bytes IP, 8 bytes UDP, 6 bytes text.
DATAGRAM = ("1", "34")
#: What comes back: a closed port is told with the datagram and 28 bytes of headers.
ANSWER = ("1", "62")


@pytest.fixture(scope="module")
def world(variant: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node without any rules of ours, and with folders below /run of its own."""
    with small_world(tmp_path_factory.mktemp(variant)) as world:
        world.node.run(world.backend.remove)
        mounted = world.node.command(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        assert mounted.returncode == 0, mounted.stderr
        yield world


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "poolmeter.toml"
    file.write_text('[node]\ninternal = ["10.10.0.0/16"]\n')
    monkeypatch.setenv("POOLMETER_CONFIG", str(file))
    commands = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(commands), prepend=":")


def blocks(heading: str) -> list[str]:
    """Return the commands of a chapter, block by block."""
    chapter = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return BLOCK.findall(chapter)


def typed(world: World, heading: str) -> str:
    """Type a chapter's commands into one shell; return what they print."""
    done = world.node.command(["bash", "-e", "-c", "\n".join(blocks(heading))])
    assert done.returncode == 0, done.stderr
    return done.stdout


def counters(listing: str) -> dict[str, tuple[str, str]]:
    """Return packets and bytes by attribute of the rules that counted anything."""
    rules = [line.split() for line in listing.splitlines() if "/*" in line]
    counted = [(words[words.index("/*") + 1], words[:2]) for words in rules]
    return {name: (one, other) for name, (one, other) in counted if one != "0"}


@pytest.mark.parametrize("heading", ["The recipe", "The two commands"])
@pytest.mark.usefixtures("configuration")
def test_a_chapter_works_as_it_stands(world: World, heading: str) -> None:
    rules_before = rules(world)

    assert counters(typed(world, heading)) == {
        "NetworkOutgoingInternal": DATAGRAM,
        "NetworkOutgoingExternal": DATAGRAM,
        "NetworkIncomingInternal": ANSWER,
        "NetworkIncomingExternal": ANSWER,
    }
    assert rules(world) == rules_before
    devices = world.node.command(["ip", "-brief", "link"]).stdout
    assert "veth" not in devices


def rules(world: World) -> list[str]:
    """Return all rules, and all chains that are no built-in ones."""
    lines = world.node.command(["iptables-save"]).stdout.splitlines()
    return [line for line in lines if line.startswith("-A") or " - [" in line]
