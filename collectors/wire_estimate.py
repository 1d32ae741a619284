"""What a counted transfer was on the wire, estimated from its bytes and packets.

Netfilter sees packets before the network card cuts them (GSO) and after it has merged
them (GRO): up to 64 KiB with one header.  The wire had a header for each segment.
"""

from collectors.traffic import Count

#: IPv4, TCP, and the timestamps that Linux puts into each segment (RFC 7323).
IPV4_TCP_HEADERS_BYTES = 20 + 20 + 12
#: The same with IPv6's header.
IPV6_TCP_HEADERS_BYTES = 40 + 20 + 12


def estimate_wire_bytes(
    count: Count, *, mtu: int = 1500, headers_bytes: int = IPV4_TCP_HEADERS_BYTES
) -> int:
    """Return about how many IP bytes *count* was on the wire.

    Right for bulk TCP, where it is within 0.1 %: all packets are taken to be full but
    the last.  Never less than what was counted.  For IPv6 give its *headers_bytes*;
    with those of IPv4 the estimate is 1.4 % too low.

    >>> estimate_wire_bytes(Count(ip_bytes=60_052, packets=1))
    62184
    >>> estimate_wire_bytes(Count(ip_bytes=368, packets=7))
    368
    """
    payload_bytes = count.ip_bytes - headers_bytes * count.packets
    segment_bytes = mtu - headers_bytes
    segments = max(count.packets, -(-payload_bytes // segment_bytes))
    return count.ip_bytes + headers_bytes * (segments - count.packets)
