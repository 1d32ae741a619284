"""Bundles: the envelope around records, and the form in which it is posted.

A bundle's file is the envelope itself, one record a line.  What is posted is a pure
function of that file, so a bundle that is sent again is sent as the same bytes.
"""

import re
from collections.abc import Sequence
from xml.sax.saxutils import unescape

from poolmeter.errors import LedgerError

#: The largest body of a request: the official probe's own; the server's is 10 MB.
BODY_LIMIT_BYTES = 1_800_000

_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<RecordEnvelope>\n'
_TAIL = b"</RecordEnvelope>\n"
_COMMAND = b"command=multiupdate&arg1="
_PROBE_NAME = re.compile(rb"<ProbeName>([^<]*)</ProbeName>")
#: What ``application/x-www-form-urlencoded`` leaves as it is.
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
#: Who sends an envelope without any record.
_NOBODY = b"poolmeter"


def envelope(records: Sequence[bytes]) -> bytes:
    """Return the envelope around *records*, each of which is one line."""
    return _HEAD + b"".join(record + b"\n" for record in records) + _TAIL


def records_in(bundle: bytes) -> list[bytes]:
    """Return the records of an envelope that :func:`envelope` made.

    Raises:
        LedgerError: It is none.
    """
    if not (bundle.startswith(_HEAD) and bundle.endswith(_TAIL)):
        raise LedgerError(
            "a bundle of the outbox",
            expected="an envelope that poolmeter made",
            found=repr(bundle[:60].decode("utf-8", "replace")),
            mend="move the file out of the folder `due`",
        )
    return bundle[len(_HEAD) : -len(_TAIL)].split(b"\n")[:-1]


def form_body(bundle: bytes) -> bytes:
    """Return the body of the POST that brings *bundle* to the server.

    ``from`` is the ProbeName in the records, not that of the configuration, which may
    have changed since.
    """
    found = _PROBE_NAME.search(bundle)
    sender = unescape(found[1].decode()).encode() if found else _NOBODY
    return _COMMAND + encoded(bundle) + b"&from=" + encoded(sender)


def encoded(raw: bytes) -> bytes:
    """Return *raw* as a value of a form; ``urllib`` makes the same, 20 times slower.

    >>> encoded(b"<a b='1'> %")
    b'%3Ca+b%3D%271%27%3E+%25'
    """
    unsafe = set(raw.translate(None, _SAFE))
    if ord("%") in unsafe:
        raw = raw.replace(b"%", b"%25")
    for byte in sorted(unsafe - {ord("%"), ord(" ")}):
        raw = raw.replace(bytes([byte]), b"%%%02X" % byte)
    return raw.replace(b" ", b"+")


def encoded_bytes(record: bytes) -> int:
    """Return how many bytes the line of *record* adds to a request.

    >>> encoded_bytes(b"<a/> "), encoded(b"<a/> ") + b"%0A"
    (14, b'%3Ca%2F%3E+%0A')
    """
    unsafe = record.translate(None, _SAFE)
    return len(record) + 2 * (len(unsafe) - unsafe.count(b" ")) + len("%0A")


#: What a request holds beside its records, the sender's name at its longest included.
FRAME_BYTES = len(_COMMAND) + 3 * len(_HEAD + _TAIL) + 20_000
