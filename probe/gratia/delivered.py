"""What the server took: one line a bundle, kept as long as names are.

It is written before the bundle is deleted: of a run that was killed in between the
bundle is sent again, and then stands here twice with the same hash.
"""

import datetime as dt
import hashlib
from pathlib import Path

import msgspec

from poolmeter.durable import FILE_MODE, make_folder, write_error
from probe.gratia.outbox import Outbox, remove
from probe.gratia.scanned import KEEP_DAYS


class _Delivery(msgspec.Struct, frozen=True):
    at: dt.datetime
    bundle: str
    records: int
    sha256: str


def note_delivery(
    outbox: Outbox, name: str, content: bytes, records: int, *, now: dt.datetime
) -> None:
    """Note that the server took the bundle called *name*.

    Raises:
        LedgerError: It cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = _folder(outbox) / f"{now.date().isoformat()}.jsonl"
    make_folder(path.parent)
    try:
        path.touch(FILE_MODE)
        with path.open("ab") as out:
            out.write(msgspec.json.encode(_Delivery(now, name, records, digest)))
            out.write(b"\n")
    except OSError as error:
        raise write_error(path, error) from error


def forget_old_deliveries(outbox: Outbox, *, now: dt.datetime) -> None:
    """Delete the lines of days that are long past.

    Raises:
        LedgerError: A file cannot be deleted.
    """
    last_kept = (now - dt.timedelta(days=KEEP_DAYS)).date().isoformat()
    for path in _folder(outbox).glob("*.jsonl"):
        if path.stem < last_kept:
            remove(path)


def _folder(outbox: Outbox) -> Path:
    return outbox.folder / "delivered"
