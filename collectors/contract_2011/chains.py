"""Reading job chains where they are: legacy tables, nft-compat tables, or both.

A chain that ``iptables-nft`` made is invisible to python-iptables, and ``nft`` does not
show its comments; ``iptables-save -c`` of that variant shows both.  Only IPv4: the
contract gives a job one IPv4 address.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.contract_2011.comments import counts_of
from collectors.contract_2011.saved_rules import SavedRules, parse_saved
from collectors.errors import RulesError
from collectors.rules.iptables_client import FamilyProcess
from collectors.rules.iptables_messages import ReadChains
from collectors.rules.xtables_rule import Family
from collectors.traffic import Count

#: Comment and count of the rules of chains.
Rules = Mapping[str, Sequence[tuple[str | None, Count]]]
#: The tables of legacy IPv4 that exist in the thread's net namespace, one a line.
LEGACY_TABLES = Path("/proc/thread-self/net/ip_tables_names")
SAVE_LIMIT_S = 30
#: The words behind a version that tell the variant (``iptables(8)``).
NFT_VARIANT = "(nf_tables)"
SAVE_COMMANDS = ("iptables-save", "iptables-nft-save")


class ChainReader:
    """Reads chains of job ids; *path* is the PATH of the scripts that make them."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path or os.environ.get("PATH", os.defpath)
        self._legacy = FamilyProcess(Family.IPV4)

    def read(self, names: str) -> dict[str, dict[str, Count]]:
        """Return the counts by attribute of each chain that *names* matches whole.

        A chain in several tables or variants is summed.

        Raises:
            RulesError: Tables are there and cannot be read.
        """
        rules: dict[str, list[tuple[str | None, Count]]] = {}
        for found in (self._legacy_rules(names), self._saved_rules(names)):
            for chain, of_chain in found.items():
                rules.setdefault(chain, []).extend(of_chain)
        return {chain: counts_of(of_chain) for chain, of_chain in rules.items()}

    def close(self) -> None:
        """End what was started."""
        self._legacy.close()

    def _legacy_rules(self, names: str) -> Rules:
        tables = legacy_tables()
        if not tables:
            return {}
        return self._legacy.ask(ReadChains(tables, names)).chains

    def _saved_rules(self, names: str) -> Rules:
        command = nft_save_command(self._path)
        if command is None:
            return {}
        saved, pattern = save(command, self._path), re.compile(names)
        rules: dict[str, list[tuple[str | None, Count]]] = {
            chain: [] for _, chain in saved.chains if pattern.fullmatch(chain)
        }
        for rule in saved.rules:
            if rule.chain in rules:
                rules[rule.chain].append((rule.comment, rule.count))
        return rules


def legacy_tables() -> list[str]:
    """Return the legacy tables that exist here; to open another would make it."""
    try:
        return LEGACY_TABLES.read_text("ascii").split()
    except FileNotFoundError:
        return []


def nft_save_command(path: str) -> str | None:
    """Return the nft variant's save command on *path*, or ``None`` without one."""
    for name in SAVE_COMMANDS:
        command = shutil.which(name, path=path)
        if command is not None and NFT_VARIANT in _output(command, path, "-V"):
            return command
    return None


def save(command: str, path: str) -> SavedRules:
    """Return what the save command shows, with counters.

    Raises:
        RulesError: It failed.
    """
    return parse_saved(_output(command, path, "-c"))


def _output(command: str, path: str, option: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a command of the administrator's PATH
            (command, option),
            env={"PATH": path, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SAVE_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RulesError(f"{command} {option}", found=str(error)) from error
    return done.stdout.decode("utf-8", "surrogateescape")
