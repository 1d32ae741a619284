"""Rules as ``iptables-save -c`` writes them."""

import dataclasses
import re
import shlex
from collections.abc import Iterator

from collectors.traffic import Count

COUNTED_RULE = re.compile(r"\[(\d+):(\d+)\] -A (\S+) ?(.*)")
COMMENT_OPTION = "--comment"


@dataclasses.dataclass(frozen=True, slots=True)
class SavedRule:
    """One rule; ``words`` are those behind ``-A CHAIN``."""

    table: str
    chain: str
    words: tuple[str, ...]
    count: Count

    @property
    def comment(self) -> str | None:
        """The rule's comment, or ``None`` without one."""
        if COMMENT_OPTION not in self.words[:-1]:
            return None
        return self.words[self.words.index(COMMENT_OPTION) + 1]


@dataclasses.dataclass(slots=True)
class SavedRules:
    """All rules of a family, and which chains there are."""

    rules: list[SavedRule]
    chains: set[tuple[str, str]]


def parse_saved(text: str) -> SavedRules:
    r"""Return what the output *text* says.

    >>> saved = parse_saved("*filter\n:J1 - [0:0]\n[1:60] -A J1 -j ACCEPT\nCOMMIT\n")
    >>> saved.rules[0].chain, saved.rules[0].count
    ('J1', Count(ip_bytes=60, packets=1))

    A line that is no rule with counters, or cannot be split into words, is left out or
    without words: somebody's comment may hold a line's end or a quote.
    """
    saved = SavedRules([], set())
    table = ""
    for line in text.split("\n"):
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            saved.chains.add((table, line[1:].split(" ", 1)[0]))
        elif matched := COUNTED_RULE.fullmatch(line):
            packets, ip_bytes, chain, rest = matched.groups()
            count = Count(int(ip_bytes), int(packets))
            saved.rules.append(SavedRule(table, chain, _words(rest), count))
    return saved


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()


def rules_of(saved: SavedRules, chain: str) -> Iterator[SavedRule]:
    """Yield the rules of *chain*, in whatever table it stands."""
    return (rule for rule in saved.rules if rule.chain == chain)
