"""What stands in our table now, listed straight from the kernel.

Numbers are those of ``linux/netfilter/nf_tables.h``.  Nothing is ever reset: a reset
that is interrupted has zeroed the counter and loses its value.
"""

import collections
import dataclasses
import struct

from collectors.netlink.messages import (
    attributes_of,
    list_of,
    text_attribute,
    text_of,
)
from collectors.netlink.nfnetlink import listing
from collectors.rules.nftables_names import TABLE
from collectors.traffic import Count

SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
FAMILY_INET = 1  # NFPROTO_INET
GET_TABLE, GET_CHAIN, GET_RULE, GET_SET = 1, 4, 7, 10
GET_SET_ELEMENTS, GET_OBJECT = 13, 19
NAME_OF = {GET_TABLE: 1, GET_CHAIN: 3, GET_SET: 2, GET_OBJECT: 2}
TABLE_OF = 1
RULE_CHAIN = 2
CHAIN_HOOK, HOOK_NUMBER, HOOK_PRIORITY = 4, 1, 2
SET_NAME, SET_ELEMENTS, ELEMENT_KEY, DATA_VALUE = 2, 3, 1, 1
OBJECT_DATA, COUNTER_BYTES, COUNTER_PACKETS = 4, 1, 2

UNSIGNED_64 = struct.Struct("!Q")
SIGNED_32 = struct.Struct("!i")


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """Where the kernel calls a chain: ``NF_INET_*`` number and priority."""

    number: int
    priority: int


def table_exists() -> bool:
    """Whether our table is there."""
    found = listing(SUBSYSTEM, GET_TABLE, FAMILY_INET, b"")
    return any(text_of(attributes_of(table)[1]) == TABLE for table in found)


def list_chains() -> dict[str, Hook | None]:
    """Return each chain's hook by name; ``None`` for one that only rules reach."""
    found = {}
    for chain in _ours(GET_CHAIN):
        hook = chain.get(CHAIN_HOOK)
        found[text_of(chain[NAME_OF[GET_CHAIN]])] = _hook(hook) if hook else None
    return found


def list_sets() -> set[str]:
    """Return the names of sets and maps."""
    return {text_of(found[NAME_OF[GET_SET]]) for found in _ours(GET_SET)}


def count_rules() -> collections.Counter[str]:
    """Return how many rules each chain has."""
    return collections.Counter(text_of(rule[RULE_CHAIN]) for rule in _ours(GET_RULE))


def list_elements(name: str) -> frozenset[bytes]:
    """Return the elements of the set or map *name*, each as the kernel writes it."""
    of_table = text_attribute(TABLE_OF, TABLE) + text_attribute(SET_NAME, name)
    found = listing(SUBSYSTEM, GET_SET_ELEMENTS, FAMILY_INET, of_table)
    each = (attributes_of(message).get(SET_ELEMENTS, b"") for message in found)
    return frozenset(element for elements in each for element in list_of(elements))


def list_keys(name: str) -> set[str]:
    """Return the keys of the set or map *name*, whose keys are texts."""
    return {_key(element) for element in list_elements(name)}


def list_counters() -> dict[str, Count]:
    """Return every counter's value by name."""
    found = {}
    for counter in _ours(GET_OBJECT):
        data = attributes_of(counter[OBJECT_DATA])
        found[text_of(counter[NAME_OF[GET_OBJECT]])] = Count(
            UNSIGNED_64.unpack(data[COUNTER_BYTES])[0],
            UNSIGNED_64.unpack(data[COUNTER_PACKETS])[0],
        )
    return found


def _ours(message: int) -> list[dict[int, bytes]]:
    """Return the attributes of what our table holds; old kernels list all tables."""
    found = listing(SUBSYSTEM, message, FAMILY_INET, text_attribute(TABLE_OF, TABLE))
    each = (attributes_of(attributes) for attributes in found)
    return [attributes for attributes in each if text_of(attributes[TABLE_OF]) == TABLE]


def _hook(content: bytes) -> Hook:
    attributes = attributes_of(content)
    return Hook(
        SIGNED_32.unpack(attributes[HOOK_NUMBER])[0],
        SIGNED_32.unpack(attributes[HOOK_PRIORITY])[0],
    )


def _key(element: bytes) -> str:
    key = attributes_of(attributes_of(element)[ELEMENT_KEY])
    return text_of(key[DATA_VALUE])
