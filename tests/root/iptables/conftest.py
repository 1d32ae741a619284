"""The tests of this folder: what holds for nftables, with the iptables back end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.rules.iptables import IptablesBackend
from tests.root.world import World, small_world


@pytest.fixture(scope="session", autouse=True)
def xtables_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A lock of the tests' own: the machine's programs have nothing to wait for."""
    file = tmp_path_factory.mktemp("xtables") / "lock"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XTABLES_LOCKFILE", str(file))
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A worker node, a WAN and a campus; the rules are iptables'."""
    runtime: Path = tmp_path_factory.mktemp("poolmeter-iptables")
    backend = IptablesBackend()
    try:
        with small_world(runtime, backend) as shared:
            yield shared
    finally:
        backend.close()
