"""The register: the names of all records that were ever frozen.

A name is the job's key; with it stands the revision of the row that was frozen.  One
file a bundle, in a folder a day of the jobs' end.  A name that is there is never
frozen again, whatever became of its row since.

The file is first the *intent*: it is durable before the bundle that it is named after.
"""

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from poolmeter.durable import make_folder, write_error, write_text
from poolmeter.errors import LedgerError
from probe.gratia.outbox import Box
from probe.gratia.outbox import move as move_durably

#: Cluster, proc, milliseconds of queueing (-1: none), revision of the row.
Name = tuple[int, int, int, int]

#: Stands for a job without a time of queueing: a join takes no null for a match.
NOT_QUEUED = -1
SUFFIX = ".json"
_DAY_CHARS = len("2026-11-22")

NAMES_SCHEMA = pa.schema(
    [
        pa.field("cluster_id", pa.int64()),
        pa.field("proc_id", pa.int32()),
        pa.field("queued_ms", pa.int64()),
        pa.field("revision", pa.int32()),
    ]
)


class _Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows of the ledger one bundle is made of."""

    ledger_file: str
    names: list[Name]


def bundle_name(day: dt.date, names: Sequence[Name]) -> str:
    """Return the name of the bundle of *names*: the same for the same jobs.

    >>> bundle_name(dt.date(2026, 11, 22), [(8, 0, 1795338484000, 0)])
    '2026-11-22-98bef7238a4fbdee'
    """
    keys = sorted(name[:3] for name in names)
    digest = hashlib.sha256(msgspec.json.encode(keys)).hexdigest()
    return f"{day.isoformat()}-{digest[:16]}"


def write_intent(box: Box, name: str, ledger_file: str, names: list[Name]) -> None:
    """Durably say that the bundle called *name* will be made of *names*.

    Raises:
        LedgerError: It cannot be written.
    """
    make_folder(box.making)
    content = msgspec.json.encode(_Intent(ledger_file, names)).decode()
    write_text(intent_path(box, name), f"{content}\n")


def intent_path(box: Box, name: str) -> Path:
    """Return the path of the intent of the bundle called *name*."""
    return box.making / f"{name}{SUFFIX}"


def intents(box: Box) -> list[Path]:
    """Return the intents that are not in the register yet."""
    return sorted(box.making.glob(f"*{SUFFIX}"))


def enter(box: Box, intent: Path) -> None:
    """Durably take the names of *intent* into the register.

    Raises:
        LedgerError: It cannot be moved there.
    """
    move_durably(intent, box.names / intent.name[:_DAY_CHARS])


def names_of(box: Box, days: Iterable[dt.date]) -> pa.Table:
    """Return the names that were frozen of jobs that ended on *days*.

    Raises:
        LedgerError: A file of the register cannot be read: nobody may freeze then.
    """
    names: list[Name] = []
    for day in days:
        for path in sorted((box.names / day.isoformat()).glob(f"*{SUFFIX}")):
            names += _read(path).names
    columns = list(zip(*names, strict=True)) or [()] * len(NAMES_SCHEMA)
    return pa.table(
        dict(zip(NAMES_SCHEMA.names, columns, strict=True)), schema=NAMES_SCHEMA
    )


def registered_days(box: Box) -> list[dt.date]:
    """Return the days of which names are kept."""
    return sorted(dt.date.fromisoformat(path.name) for path in box.names.glob("*"))


def forget(box: Box, day: dt.date) -> None:
    """Delete the names of *day*.

    Raises:
        LedgerError: They cannot be deleted.
    """
    folder = box.names / day.isoformat()
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise write_error(folder, error) from error


def _read(path: Path) -> _Intent:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Intent)
    except (OSError, msgspec.DecodeError) as error:
        raise LedgerError(
            str(path),
            expected="names of records that were frozen",
            found=str(error),
            mend="put it back from a backup: without it records are sent twice",
        ) from error
