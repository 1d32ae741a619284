"""Slots: which pair of addresses belongs to which attach, one file a slot.

A slot is taken by making its file under a name that did not exist, with its content
complete (``link(2)`` fails where the name is taken), and given back by deleting it.
The folder lies below ``/run``: a boot empties it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from collectors.errors import LinkError
from collectors.journal.entries import Job, Process


class Slot(msgspec.Struct, frozen=True):
    """Who has a slot.

    ``entered``: the process was seen in the job's namespace, so what is counted there
    is its own, whether or not the journal could be written then.
    """

    number: int
    attach_id: str
    boot_id: str
    process: Process
    job: Job
    ipv6: bool
    entered: bool = False


class SlotFolder:
    """The slots of a node, numbered from 0; a number last used is used again last."""

    def __init__(self, folder: Path, count: int) -> None:
        """Make the folder, and remove what a kill left half made.

        Raises:
            LinkError: The folder cannot be used.
        """
        self.capacity = count
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for half_made in folder.glob(".*"):
                half_made.unlink()
            self._taken = {slot.number: slot for slot in self._read()}
            self._next = self._last_number() + 1
        except OSError as error:
            raise LinkError(f"slots in {folder}", found=error.strerror) from error

    def taken(self) -> list[Slot]:
        """Return all slots that are taken, by number."""
        return [self._taken[number] for number in sorted(self._taken)]

    @property
    def free(self) -> int:
        """How many slots are free."""
        return self.capacity - len(self._taken)

    def take(self, slot: Slot) -> None:
        """Write *slot*, whose number is free.

        Raises:
            LinkError: It is taken, or the folder is full.
        """
        self._write(slot, os.link)
        self._taken[slot.number] = slot
        self._next = slot.number + 1

    def next_free(self) -> int:
        """Return the number to take next.

        Raises:
            LinkError: All slots are taken.
        """
        for step in range(self.capacity):
            number = (self._next + step) % self.capacity
            if number not in self._taken:
                return number
        raise LinkError(
            f"all {self.capacity} slots are taken",
            mend="give [node] job_block_v4 and job_block_v6 a shorter prefix",
        )

    def change(self, slot: Slot) -> None:
        """Replace what is written of a slot that is taken.

        Raises:
            LinkError: It cannot be written.
        """
        self._write(slot, os.rename)
        self._taken[slot.number] = slot

    def release(self, number: int) -> None:
        """Give a slot back; one that is free is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._path(number).unlink()
        self._taken.pop(number, None)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}"

    def _write(self, slot: Slot, publish: Callable[[Path, Path], None]) -> None:
        half_made = self._folder / f".{slot.number:05d}"
        try:
            with contextlib.suppress(FileNotFoundError):
                half_made.unlink()
            with half_made.open("xb") as file:
                file.write(msgspec.json.encode(slot))
            publish(half_made, self._path(slot.number))
            half_made.unlink(missing_ok=True)
        except OSError as error:
            raise LinkError(
                f"slot {slot.number} in {self._folder}", found=error.strerror
            ) from error

    def _read(self) -> Iterator[Slot]:
        for path in sorted(self._folder.glob("[0-9]*")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Slot)
            except msgspec.MsgspecError:
                path.unlink()  # not of this version: what it named is an orphan

    def _last_number(self) -> int:
        """Return the number taken last, as far as the files show it."""
        return max(
            self._taken, key=lambda n: self._path(n).stat().st_mtime_ns, default=-1
        )
