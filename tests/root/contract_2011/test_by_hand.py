"""The two commands: done twice, at once, with names that are no chain's; refused."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.contract_2011.chains import ChainReader
from collectors.contract_2011.names import chain_name
from tests.root.hosts import Host

pytestmark = pytest.mark.needs("iptables")

FOLDER = Path(sys.executable).parent
AT_ONCE = 4


@pytest.fixture(scope="module")
def node(variant: str) -> Iterator[Host]:
    """A machine that forwards, with devices for jobs and a /run of its own."""
    with Host(variant) as node:
        node.command(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        node.sysctl("net/ipv4/ip_forward", "1")
        for number in range(AT_ONCE):
            add_device(node, f"veth{number}")
        yield node


def add_device(node: Host, name: str) -> None:
    pair = ["type", "veth", "peer", "name", f"p-{name}"]
    added = node.command(["ip", "link", "add", name, *pair])
    assert added.returncode == 0, added.stderr


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "poolmeter.toml"
    file.write_text('[node]\ninternal = ["10.10.0.0/16"]\nlocal = "internal"\n')
    monkeypatch.setenv("POOLMETER_CONFIG", str(file))


def command(name: str, job_id: str, device: str) -> list[str]:
    return [str(FOLDER / f"poolmeter-netns-{name}"), "--", job_id, device]


def done(
    node: Host, name: str, job_id: str, device: str
) -> subprocess.CompletedProcess[str]:
    return node.command(command(name, job_id, device))


def saved(node: Host) -> str:
    lines = node.command(["iptables-save"]).stdout.splitlines()
    return "\n".join(line for line in lines if line.startswith("-A"))


def test_what_is_done_twice_is_done_once(node: Host) -> None:
    first = done(node, "setup", "1234.0", "veth0")
    assert (first.stdout, first.stderr) == ("100.64.0.1\n", "")
    rules = saved(node)
    again = done(node, "setup", "1234.0", "veth0")
    assert (again.stdout, saved(node)) == (first.stdout, rules)
    reader = ChainReader()
    found = node.run(reader.read, "1234[.]0")["1234.0"]
    # `local = "internal"` leaves the four attributes of 2011.
    assert sorted(found) == [
        "NetworkIncomingExternal",
        "NetworkIncomingInternal",
        "NetworkOutgoingExternal",
        "NetworkOutgoingInternal",
    ]
    reader.close()
    for _ in range(2):
        cleaned = done(node, "cleanup", "1234.0", "veth0")
        assert (cleaned.stdout, cleaned.stderr, cleaned.returncode) == ("", "", 0)
    assert saved(node) == ""
    assert "100.64" not in node.command(["ip", "address"]).stdout


def test_rules_that_are_not_whole_are_made_anew(node: Host) -> None:
    done(node, "setup", "1234.0", "veth0")
    rules = saved(node)
    node.command(["iptables", "-w", "-D", "FORWARD", "1"])
    node.command(["iptables", "-w", "-t", "mangle", "-D", "1234.0", "3"])
    assert done(node, "setup", "1234.0", "veth0").returncode == 0
    assert saved(node) == rules
    node.command(["ip", "link", "delete", "veth0"])
    assert done(node, "cleanup", "1234.0", "veth0").returncode == 0
    assert saved(node) == ""
    add_device(node, "veth0")


def test_set_ups_at_once_get_addresses_of_their_own(node: Host) -> None:
    running = [
        node.run(
            subprocess.Popen,
            command("setup", f"job.{number}", f"veth{number}"),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(AT_ONCE)
    ]
    addresses = [process.communicate()[0] for process in running]
    assert set(addresses) == {f"100.64.0.{2 * n + 1}\n" for n in range(AT_ONCE)}
    cleaning = [
        node.run(subprocess.Popen, command("cleanup", f"job.{n}", f"veth{n}"))
        for n in range(AT_ONCE)
    ]
    assert [process.wait() for process in cleaning] == [0] * AT_ONCE
    assert saved(node) == ""


@pytest.mark.parametrize("job_id", ["FORWARD", "a.very_long-id.1" * 9])
def test_an_id_that_cannot_be_a_chain_is_in_a_comment(node: Host, job_id: str) -> None:
    assert done(node, "setup", job_id, "veth0").returncode == 0
    rules = saved(node)
    assert f"-A {chain_name(job_id)} " in rules
    assert f'--comment "#id {job_id}"' in rules
    assert done(node, "cleanup", job_id, "veth0").returncode == 0
    assert saved(node) == ""


def test_a_device_that_is_not_there_is_one_clear_error(node: Host) -> None:
    refused = done(node, "setup", "1", "veth99")
    assert refused.returncode == 1
    said = "poolmeter: veth99: expected the node's end of a link, found none\n"
    assert (refused.stdout, refused.stderr) == ("", said)
    assert saved(node) == ""
