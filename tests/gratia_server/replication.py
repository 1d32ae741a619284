"""The old form ``replication|RECORD|RAW|EXTRA|…``, by which collectors copied records.

No probe needs it; it is here because ``command=update`` with an envelope is answered
by it.
"""

from collections.abc import Iterator

_PARTS = 3


def replicated_records(bundle: str) -> list[str]:
    """Return the XML of each record of *bundle*; of anything else none.

    >>> replicated_records("replication|<a/>|||replication|<b/>|<raw/>||")
    ['<a/>', '<b/>']
    """
    records: list[str] = []
    tokens = iter(_tokens(bundle))
    for token in tokens:
        if token == "replication":  # noqa: S105 - a word of the protocol
            parts = [part for _, part in zip(range(_PARTS), tokens, strict=False)]
            records += parts[:1] if len(parts) == _PARTS else []
    return records


def _tokens(bundle: str) -> Iterator[str]:
    """Yield what stands between the bars of *bundle* that are not in a string."""
    start, is_quoted, is_escaped = 0, False, False
    for position, char in enumerate(bundle):
        if char == "|" and not is_quoted:
            yield bundle[start:position]
            start = position + 1
        elif char == '"':
            is_quoted = is_escaped if is_quoted else True
        is_escaped = char == "\\" and not is_escaped
    yield bundle[start:]
