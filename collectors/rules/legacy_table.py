"""One legacy table by python-iptables: read it, change it, write it back at once.

python-iptables knows legacy tables only; ``MASQUERADE`` works for the first family that
a process uses (iptables 1.8.9), so one process handles one family.  Importing it takes
half a second, hence it is imported where a table is opened.
"""

import dataclasses
import importlib
from collections.abc import Iterable, Iterator
from typing import Any

from collectors.errors import RulesError
from collectors.rules.xtables_rule import Family, XtablesRule
from collectors.traffic import Count

#: What the library calls its classes.
TABLE_CLASS = {Family.IPV4: "Table", Family.IPV6: "Table6"}
RULE_CLASS = {Family.IPV4: "Rule", Family.IPV6: "Rule6"}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A rule as it stands in a chain; ``position`` counts from 0."""

    position: int
    in_device: str
    out_device: str
    target: str
    count: Count

    @property
    def device(self) -> str:
        """The device that the rule is about, or an empty text."""
        return self.in_device or self.out_device


class LegacyTable:
    """A copy of a table; nothing reaches the kernel before :meth:`commit`.

    Open it, change it and commit it under
    :func:`collectors.rules.xtables_lock.xtables_lock`.
    """

    def __init__(self, family: Family, name: str) -> None:
        """Read the table.

        Raises:
            RulesError: There is no such legacy table here, or no python-iptables.
        """
        self.family = family
        self.name = name
        self._iptc = _library()
        try:
            table_class = getattr(self._iptc, TABLE_CLASS[family])
            self._table = table_class(name, autocommit=False)
            # The library keeps one copy a process: it may be old, or another netns's.
            self._table.refresh()
        except self._iptc.IPTCError as error:
            raise RulesError(
                f"legacy {family} table {name}",
                found=_text(error),
                mend="this kernel may have none; the nftables back end needs none",
            ) from error
        self._known: dict[str, list[Entry]] = {}

    def chains(self) -> list[str]:
        """Return the names of all chains."""
        return [chain.name for chain in self._table.chains]

    def has_chain(self, chain: str) -> bool:
        """Whether the table has this chain."""
        return bool(self._table.is_chain(chain))

    def entries(self, chain: str) -> list[Entry]:
        """Return the rules of *chain* in order; none of a chain that is not there."""
        if chain not in self._known:
            self._known[chain] = list(self._read(chain))
        return self._known[chain]

    def _read(self, chain: str) -> Iterator[Entry]:
        if not self.has_chain(chain):
            return
        raw, position = self._table.first_rule(chain), 0
        while raw:
            ip = raw.ip if self.family is Family.IPV4 else raw.ipv6
            target = self._table.get_target(raw) or b""
            yield Entry(
                position,
                _device(ip.iniface, ip.iniface_mask),
                _device(ip.outiface, ip.outiface_mask),
                target.decode(),
                Count(raw.counters.bcnt, raw.counters.pcnt),
            )
            raw, position = self._table.next_rule(raw), position + 1

    def commented(self, chain: str) -> Iterator[tuple[str | None, Count]]:
        """Yield comment and count of each rule of *chain*.

        Raises:
            RulesError: A rule uses what python-iptables does not find here.
        """
        try:
            rules = self._iptc.Chain(self._table, chain).rules
        except (self._iptc.IPTCError, self._iptc.XTablesError) as error:
            raise self._refused(f"{_text(error)} in chain {chain}") from error
        for rule in rules:
            comments = [m.comment for m in rule.matches if m.name == "comment"]
            packets, ip_bytes = rule.get_counters()
            yield (comments[0] if comments else None), Count(ip_bytes, packets)

    def create_chain(self, chain: str) -> None:
        """Make an empty chain; one that is there stays as it is."""
        if not self.has_chain(chain):
            self._do("create_chain", chain)

    def append(self, chain: str, rule: XtablesRule) -> None:
        """Add *rule* at the end of *chain*."""
        self._known.pop(chain, None)
        self._do("append_entry", chain, self._compiled(rule))

    def put_first(self, chain: str, rule: XtablesRule) -> None:
        """Add *rule* at the head of *chain*."""
        self._known.pop(chain, None)
        self._do("insert_entry", chain, self._compiled(rule), 0)

    def delete(self, chain: str, entries: Iterable[Entry]) -> None:
        """Remove these entries of *chain*."""
        for entry in sorted(entries, key=lambda e: e.position, reverse=True):
            self._delete_at(chain, entry.position)
        self._known.pop(chain, None)

    def _delete_at(self, chain: str, position: int) -> None:
        """Remove by position; the library's own way compares rules byte by byte."""
        delete = self._iptc.ip4tc.iptc.iptc_delete_num_entry
        if self.family is Family.IPV6:
            delete = self._iptc.ip6tc.ip6tc.iptc_delete_num_entry
        handle = self._table._handle  # noqa: SLF001 - it offers no such method
        if delete(chain.encode(), position, handle) != 1:
            raise self._refused(f"rule {position + 1} of {chain}")

    def flush(self, chain: str) -> None:
        """Remove all rules of *chain*."""
        self._known.pop(chain, None)
        self._do("flush_entries", chain)

    def delete_chain(self, chain: str) -> None:
        """Remove an empty chain to which no rule leads."""
        self._do("delete_chain", chain)

    def commit(self) -> None:
        """Write the table back, all or nothing; untouched rules keep their counters.

        Raises:
            RulesError: The kernel refused it, or someone wrote without the lock.
        """
        self._do("commit")
        self._known.clear()

    def _do(self, method: str, *arguments: object) -> None:
        try:
            getattr(self._table, method)(*arguments)
        except self._iptc.IPTCError as error:
            raise self._refused(_text(error)) from error

    def _refused(self, found: str) -> RulesError:
        return RulesError(f"legacy {self.family} table {self.name}", found=found)

    def _compiled(self, rule: XtablesRule) -> Any:  # noqa: ANN401 - bytes of libiptc
        """Return *rule* as the kernel's structure."""
        try:
            made = self._made(rule)
            made.final_check()
        except (self._iptc.IPTCError, self._iptc.XTablesError, ValueError) as error:
            raise self._refused(f"{_text(error)} in {rule}") from error
        return made.rule

    def _made(self, rule: XtablesRule) -> Any:  # noqa: ANN401 - a Rule of the library
        made = getattr(self._iptc, RULE_CLASS[self.family])()
        for name, value in (
            ("src", rule.source),
            ("dst", rule.destination),
            ("protocol", rule.protocol),
        ):
            if value is not None:
                setattr(made, name, value)
        ip = made.entry.ip if self.family is Family.IPV4 else made.entry.ipv6
        # The library's own IPv6 masks compare one bit of each letter: lan0 is veth+.
        ip.iniface, ip.iniface_mask = _name_and_mask(rule.in_device)
        ip.outiface, ip.outiface_mask = _name_and_mask(rule.out_device)
        for match in rule.matches:
            extension = made.create_match(match.name)
            for option, value in match.options:
                extension.set_parameter(option, value)
        made.create_target(rule.target, goto=rule.goto)
        made.counters = (rule.count.packets, rule.count.ip_bytes)
        return made


def _device(name: bytes, mask: bytes) -> str:
    r"""Return a device as rules name it: the mask of a whole name holds its end, too.

    >>> _device(b"veth", b"\xff" * 4), _device(b"eth0", b"\xff" * 5), _device(b"", b"")
    ('veth+', 'eth0', '')
    """
    is_prefix = name and len(mask) == len(name)
    return f"{name.decode()}+" if is_prefix else name.decode()


def _name_and_mask(device: str | None) -> tuple[bytes, bytes]:
    r"""Return what the kernel compares a device's name with, and which bytes of it.

    >>> _name_and_mask("veth+"), _name_and_mask("lo"), _name_and_mask(None)
    ((b'veth', b'\xff\xff\xff\xff'), (b'lo', b'\xff\xff\xff'), (b'', b''))
    """
    if device is None:
        return b"", b""
    name = device.removesuffix("+").encode()
    is_prefix = device.endswith("+")
    return name, b"\xff" * (len(name) if is_prefix else len(name) + 1)


def _text(error: Exception) -> str:
    return str(error).replace("b'", "").strip("'")


def _library() -> Any:  # noqa: ANN401 - it ships no types
    try:
        return importlib.import_module("iptc")
    except Exception as error:
        # It raises plain Exception where it finds no libraries of iptables.
        raise RulesError(
            "python-iptables",
            found=str(error),
            mend="install iptables and pip install 'poolmeter[node]'",
        ) from error
