"""Fixtures of the tests with real namespaces: a world that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.world import World, small_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A worker node, a WAN and a campus; whoever changes it puts it back."""
    runtime: Path = tmp_path_factory.mktemp("poolmeter-runtime")
    with small_world(runtime) as shared:
        yield shared
