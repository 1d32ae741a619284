"""What the comments of a chain's rules say: which attribute each rule counts."""

import re
from collections.abc import Iterable

from collectors.traffic import TRAFFIC_CLASSES, Count

PREFIX = "Network"
#: The name of a ClassAd attribute.
ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPELLINGS = {c.attribute.lower(): str(c.attribute) for c in TRAFFIC_CLASSES}


def attribute_of(comment: str | None) -> str | None:
    """Return the attribute that a rule with this comment counts, or ``None``.

    The scripts of 2012 leave ``Network`` out; names of ClassAds fold case.  A comment
    that begins with "#" is only a remark.

    >>> attribute_of("OutgoingInternal"), attribute_of("networkIncomingExternal")
    ('NetworkOutgoingInternal', 'NetworkIncomingExternal')
    >>> attribute_of("NetworkOutgoingStorage")
    'NetworkOutgoingStorage'
    >>> attribute_of("#id 1234.0"), attribute_of("to the campus"), attribute_of(None)
    (None, None, None)
    """
    if comment is None or ATTRIBUTE.fullmatch(comment) is None:
        return None
    has_prefix = comment.lower().startswith(PREFIX.lower())
    name = comment if has_prefix else PREFIX + comment
    return _SPELLINGS.get(name.lower(), name)


def counts_of(rules: Iterable[tuple[str | None, Count]]) -> dict[str, Count]:
    """Return the sums by attribute of rules given as (comment, count).

    >>> counts_of([("OutgoingInternal", Count(100, 1)), ("#note", Count(7, 1))])
    {'NetworkOutgoingInternal': Count(ip_bytes=100, packets=1)}
    """
    sums: dict[str, Count] = {}
    for comment, count in rules:
        attribute = attribute_of(comment)
        if attribute is not None:
            sums[attribute] = sums.get(attribute, Count()) + count
    return sums
