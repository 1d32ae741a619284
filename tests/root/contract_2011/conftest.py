"""The two variants of iptables, each as the `iptables` of a PATH."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIANTS = ("legacy", "nft")
COMMANDS = ("iptables", "iptables-save", "iptables-restore")


@pytest.fixture(scope="module", params=VARIANTS)
def variant(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The variant that `iptables` is, for this module and what it starts."""
    name = str(request.param)
    with pytest.MonkeyPatch.context() as patch:
        choose_variant(name, tmp_path_factory.mktemp("bin"), patch)
        yield name


def choose_variant(name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the commands of a variant first on the PATH, under their common names."""
    for command in COMMANDS:
        own = command.replace("iptables", f"iptables-{name}")
        found = shutil.which(own, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found, own
        # The programs tell by their names what they are.
        wrapper = folder / command
        wrapper.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
        wrapper.chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    patch.setenv("XTABLES_LOCKFILE", str(folder / "xtables.lock"))
