"""What others change in nftables, as the kernel tells it (``linux/nfnetlink.h``).

Each transaction is a run of messages about tables, chains, rules, ... and then one
about the new generation of the rule set, which names the process that made it.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from collectors.errors import NodeError
from collectors.netlink.messages import (
    MESSAGE_HEADER,
    NETFILTER_HEADER,
    attributes_of,
)
from collectors.netlink.nfnetlink import NETLINK_NETFILTER

NFTABLES_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
NFTABLES_GROUP = 7  # NFNLGRP_NFTABLES
NEW_GENERATION = 15  # NFT_MSG_NEWGEN
GENERATION_PROCESS = 2  # NFTA_GEN_PROC_PID
#: The attribute of the table's name: the first one of every kind of message.
TABLE_NAME = 1
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
RECEIVE_BYTES = 1 << 16
#: Room for the messages of a firewall service's reload.
BUFFER_BYTES = 4 << 20


class NetfilterChanges:
    """A subscription in the calling thread's net namespace."""

    def __init__(self, table: str) -> None:
        """Subscribe; *table* is our own.

        Raises:
            NodeError: The kernel has no nftables, or refused.
        """
        self._table = table.encode() + b"\0"
        self._ours_touched = False
        self.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER
        )
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self.socket.bind((0, 0))
            self.socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, NFTABLES_GROUP)
            self.socket.setblocking(False)
        except OSError as error:
            self.socket.close()
            raise NodeError(
                "netfilter's notifications", found=error.strerror
            ) from error

    def foreign(self) -> Iterator[bool]:
        """Yield for each change by another process whether it touched our table.

        Reads all that is there.  Messages that were lost (``ENOBUFS``) may have been
        anything.
        """
        while True:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                yield True
                continue
            yield from self._parse(data)

    def _parse(self, data: bytes) -> Iterator[bool]:
        offset = 0
        while offset + MESSAGE_HEADER.size <= len(data):
            length_bytes, kind, *_ = MESSAGE_HEADER.unpack_from(data, offset)
            begin = offset + MESSAGE_HEADER.size + NETFILTER_HEADER.size
            attributes = attributes_of(data[begin : offset + length_bytes])
            if kind == NFTABLES_SUBSYSTEM << 8 | NEW_GENERATION:
                touched, self._ours_touched = self._ours_touched, False
                if not _is_own(attributes.get(GENERATION_PROCESS, b"")):
                    yield touched
            elif attributes.get(TABLE_NAME) == self._table:
                self._ours_touched = True
            offset += (length_bytes + 3) & ~3

    def close(self) -> None:
        """Unsubscribe."""
        self.socket.close()


def _is_own(process: bytes) -> bool:
    with contextlib.suppress(struct.error):
        return bool(struct.unpack(">I", process)[0] == os.getpid())
    return False
