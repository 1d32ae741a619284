"""The outbox: frozen bundles on their way to the server, in folders.

::

    OUTBOX/LANE/ledger.json         the one ledger that feeds it
    OUTBOX/LANE/SCHEDD/making/      what is being frozen (see probe.gratia.freeze)
    OUTBOX/LANE/SCHEDD/due/         bundles to be sent
    OUTBOX/LANE/SCHEDD/quarantine/  bundles that must not be sent, each with its reason
    OUTBOX/LANE/SCHEDD/names/       what was ever frozen (see probe.gratia.register)

Every file is written beside, made durable and renamed; what is moved is renamed.  A
bundle is in exactly one folder, and its bytes never change.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from poolmeter.durable import (
    fsync_folder,
    make_folder,
    replacing,
    temporary_path,
    write_error,
)
from poolmeter.durable import write_text as write_durably
from poolmeter.errors import LedgerError, LedgerMismatchError
from poolmeter.ledger.layout import file_name_of

Lane = Literal["live", "shadow"]
SUFFIX = ".xml"
_STAGES = ("making", "due", "quarantine")


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """The folders of one schedd."""

    folder: Path

    @property
    def making(self) -> Path:
        """What is frozen and not registered yet."""
        return self.folder / "making"

    @property
    def due(self) -> Path:
        """What is to be sent."""
        return self.folder / "due"

    @property
    def quarantine(self) -> Path:
        """What must not be sent."""
        return self.folder / "quarantine"

    @property
    def names(self) -> Path:
        """The register."""
        return self.folder / "names"


@dataclasses.dataclass(frozen=True, slots=True)
class Outbox:
    """One lane of the outbox: ``live``, or ``shadow``, which is never sent."""

    folder: Path

    def box(self, schedd: str) -> Box:
        """Return the folders of the schedd called *schedd*."""
        return Box(self.folder / "schedds" / file_name_of(schedd))

    def boxes(self) -> list[Box]:
        """Return the folders of every schedd that has some."""
        return [Box(path) for path in sorted(self.folder.glob("schedds/*"))]

    @property
    def lock(self) -> Path:
        """What a run holds that freezes or sends."""
        return self.folder / "lock"

    @property
    def size_bytes(self) -> int:
        """How much all bundles take."""
        return sum(
            file.stat().st_size
            for box in self.boxes()
            for stage in _STAGES
            for file in _files(box.folder / stage)
        )


def outbox_at(root: Path, lane: Lane) -> Outbox:
    """Return the lane called *lane* of the outbox at *root*."""
    return Outbox(root / lane)


def tie_to_ledger(outbox: Outbox, ledger: Path) -> None:
    """Refuse another ledger than the one that the outbox has been fed from.

    A copy of a ledger, or one made for a trial, would report its jobs once more.

    Raises:
        LedgerMismatchError: It is another one.
        LedgerError: The note of it cannot be read or written.
    """
    note = outbox.folder / "ledger.json"
    path = str(ledger.absolute())
    try:
        known = json.loads(note.read_text("utf-8"))["ledger"]
    except FileNotFoundError:
        make_folder(outbox.folder)
        write_durably(note, json.dumps({"ledger": path}) + "\n")
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(str(note), expected="our note", found=str(error)) from error
    if known != path:
        raise LedgerMismatchError(
            f"the outbox {outbox.folder} reports the ledger {known}",
            found=f"--ledger {path}",
            mend=f"another [gratia] outbox; if the ledger was moved, delete {note}",
        )


def due_bundles(box: Box) -> list[Path]:
    """Return the bundles to be sent, the oldest jobs first."""
    return sorted(_files(box.due))


def quarantined_bundles(box: Box) -> list[Path]:
    """Return the bundles that were set aside."""
    return sorted(_files(box.quarantine))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def read_bundle(path: Path) -> bytes:
    """Return the bytes of a bundle.

    Raises:
        LedgerError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise LedgerError(
            f"cannot read {path}", found=error.strerror or str(error)
        ) from error


def write_bundle(path: Path, content: bytes) -> None:
    """Durably write a bundle.

    Raises:
        LedgerError: It cannot be written.
    """
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_reason(box: Box, name: str, reason: str) -> None:
    """Durably say why the bundle called *name* is, or will be, in the quarantine.

    Raises:
        LedgerError: It cannot be written.
    """
    make_folder(box.quarantine)
    path = box.quarantine / f"{name}.json"
    write_durably(path, json.dumps({"reason": reason}) + "\n")


def reason_of(bundle: Path) -> str | None:
    """Return why *bundle* is in the quarantine, ``None`` if nothing is said."""
    try:
        reason = json.loads(bundle.with_suffix(".json").read_text("utf-8"))["reason"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(reason)


def has_reason(box: Box, name: str) -> bool:
    """Whether it is settled that the bundle called *name* goes to the quarantine."""
    return (box.quarantine / f"{name}.json").exists()


def move(bundle: Path, folder: Path) -> None:
    """Durably move *bundle* into *folder*.

    Only the new place is waited for: what a power cut leaves in both is moved again,
    or sent again as the same bytes.

    Raises:
        LedgerError: It cannot be moved.
    """
    make_folder(folder)
    try:
        bundle.rename(folder / bundle.name)
        fsync_folder(folder)
    except OSError as error:
        raise write_error(bundle, error) from error


def delete_delivered(bundle: Path) -> None:
    """Delete a bundle that the server has.

    It is not waited for: what comes back after a power cut is sent again as it was.

    Raises:
        LedgerError: It cannot be deleted.
    """
    try:
        bundle.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(bundle, error) from error


def remove(path: Path) -> None:
    """Durably delete *path*; it may be gone already.

    Raises:
        LedgerError: It cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
        if path.parent.exists():
            fsync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


def remove_temporary_files(folder: Path) -> None:
    """Delete what a killed run was writing; nobody else writes into *folder*.

    Raises:
        LedgerError: A file cannot be deleted.
    """
    for path in folder.glob(temporary_path(Path("*")).name):
        remove(path)
