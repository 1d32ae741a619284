"""Netlink messages and attributes as bytes (``linux/netlink.h``, ``nfnetlink.h``)."""

import struct
from collections.abc import Iterator

MESSAGE_HEADER = struct.Struct("=IHHII")
NETFILTER_HEADER = struct.Struct("!BBH")
ATTRIBUTE_HEADER = struct.Struct("=HH")
ALIGNMENT_BYTES = 4

#: ``NLA_F_NESTED`` and ``NLA_F_NET_BYTEORDER`` are flags within an attribute's type.
NESTED = 0x8000
TYPE_MASK = 0x3FFF


def aligned(length_bytes: int) -> int:
    """Return *length_bytes* rounded up to netlink's alignment.

    >>> aligned(5), aligned(8)
    (8, 8)
    """
    return (length_bytes + ALIGNMENT_BYTES - 1) & ~(ALIGNMENT_BYTES - 1)


def attribute(kind: int, payload: bytes) -> bytes:
    r"""Return one attribute with its padding.

    >>> attribute(1, b"abc\0")
    b'\x08\x00\x01\x00abc\x00'
    """
    length_bytes = ATTRIBUTE_HEADER.size + len(payload)
    padding = bytes(aligned(length_bytes) - length_bytes)
    return ATTRIBUTE_HEADER.pack(length_bytes, kind) + payload + padding


def text_attribute(kind: int, text: str) -> bytes:
    """Return an attribute that holds *text* and its closing NUL."""
    return attribute(kind, text.encode("ascii") + b"\0")


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds *attributes*."""
    return attribute(kind | NESTED, b"".join(attributes))


def attributes_of(payload: bytes) -> dict[int, bytes]:
    r"""Return the attributes in *payload* by kind; the last of a kind counts.

    >>> attributes_of(attribute(1, b"a\0") + attribute(2, b"b\0"))
    {1: b'a\x00', 2: b'b\x00'}
    """
    return dict(each_attribute(payload))


def each_attribute(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each attribute in *payload*, in order."""
    offset, end = 0, len(payload)
    while offset + ATTRIBUTE_HEADER.size <= end:
        length_bytes, kind = ATTRIBUTE_HEADER.unpack_from(payload, offset)
        if length_bytes < ATTRIBUTE_HEADER.size:
            return
        content = payload[offset + ATTRIBUTE_HEADER.size : offset + length_bytes]
        yield kind & TYPE_MASK, content
        offset += aligned(length_bytes)


def text_of(content: bytes) -> str:
    r"""Return the text of an attribute, without its closing NUL.

    >>> text_of(b"veth0\0")
    'veth0'
    """
    return content.rstrip(b"\0").decode("utf-8", "surrogateescape")
