"""Netlink messages and attributes as bytes (``linux/netlink.h``, ``nfnetlink.h``)."""

import struct

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
    found = {}
    # Thousands of objects are read each second: no generator, no calls.
    unpack, header_bytes = ATTRIBUTE_HEADER.unpack_from, ATTRIBUTE_HEADER.size
    offset, last = 0, len(payload) - header_bytes
    while offset <= last:
        length_bytes, kind = unpack(payload, offset)
        if length_bytes < header_bytes:
            break
        content = payload[offset + header_bytes : offset + length_bytes]
        found[kind & TYPE_MASK] = content
        offset += (length_bytes + 3) & ~3
    return found


def list_of(payload: bytes) -> list[bytes]:
    r"""Return the contents of a list: attributes that are all of one kind.

    >>> list_of(attribute(1, b"abcd") + attribute(1, b"efgh"))
    [b'abcd', b'efgh']
    """
    found = []
    while len(payload) >= ATTRIBUTE_HEADER.size:
        length_bytes, _ = ATTRIBUTE_HEADER.unpack_from(payload)
        if length_bytes < ATTRIBUTE_HEADER.size:
            break
        found.append(payload[ATTRIBUTE_HEADER.size : length_bytes])
        payload = payload[aligned(length_bytes) :]
    return found


def text_of(content: bytes) -> str:
    r"""Return the text of an attribute, without its closing NUL.

    >>> text_of(b"veth0\0")
    'veth0'
    """
    return content.rstrip(b"\0").decode("utf-8", "surrogateescape")
