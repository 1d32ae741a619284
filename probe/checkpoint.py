"""How far each history file has been read; moved only after the ledger is durable.

One JSON line a file.  A file is known by its first record, not by its name, inode or
device: rotation, compression and reboots change those.  To lose a checkpoint costs
time, never a record: what is read again is in the ledger already and stays once.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from poolmeter.durable import make_folder, write_text
from poolmeter.errors import LedgerError, LedgerMismatchError
from poolmeter.ledger.layout import file_name_of, state_folder
from probe.history_file import FileStat

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """How far one file has been read.

    ``source`` is the live file's path, ``identity`` the hash of the file's first
    record, ``tail_hash`` that of the bytes before ``offset``; ``stat`` is a hint that
    nothing has changed.  ``earliest_s`` is the latest reliable end so far, the
    neighbour of the next record.
    """

    source: str
    identity: str
    offset: int
    tail_hash: str
    stat: FileStat
    earliest_s: int | None
    read_until_s: int
    is_live: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the file was read to its end; else it has no stat to be known by."""
        return self.stat.size_bytes >= 0


def checkpoint_path(ledger: Path, schedd: str) -> Path:
    """Return the path of *schedd*'s checkpoint."""
    return state_folder(ledger) / "checkpoints" / f"{file_name_of(schedd)}.jsonl"


def known_schedds(ledger: Path) -> list[str]:
    """Return the names of the schedds that were ever read into *ledger*, sorted.

    Raises:
        LedgerError: A checkpoint is damaged.
    """
    names = []
    for path in checkpoint_path(ledger, "x").parent.glob("*.jsonl"):
        try:
            with path.open(encoding="utf-8") as file:
                names.append(str(json.loads(file.readline())["schedd"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                str(path), expected="a checkpoint", found=f"{error}"
            ) from error
    return sorted(names)


def load_checkpoint(ledger: Path, schedd: str) -> list[Position]:
    """Return the positions of *schedd*'s files, none before the first run.

    Raises:
        LedgerError: The file is damaged.
    """
    path = checkpoint_path(ledger, schedd)
    try:
        lines = path.read_text("utf-8").splitlines()
        return [_parse(line) for line in lines[1:]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            str(path),
            expected="a checkpoint",
            found=f"{type(error).__name__}: {error}",
            mend="delete it and run again: all is read anew and nothing is doubled",
        ) from error


def save_checkpoint(ledger: Path, schedd: str, positions: Iterable[Position]) -> None:
    """Durably replace *schedd*'s checkpoint.

    Raises:
        LedgerError: It cannot be written.
    """
    path = checkpoint_path(ledger, schedd)
    make_folder(path.parent)
    header = {"checkpoint_version": FORMAT_VERSION, "schedd": schedd}
    lines = [header, *(dataclasses.asdict(position) for position in positions)]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def refuse_other_schedd(ledger: Path, schedd: str, identities: set[str]) -> None:
    """Refuse to read as *schedd* a file that was read as another schedd before.

    Raises:
        LedgerMismatchError: One of *identities* stands in another checkpoint: the same
            jobs would be counted twice, under two names.
    """
    own = checkpoint_path(ledger, schedd)
    for path in sorted(own.parent.glob("*.jsonl")):
        if path == own:
            continue
        header, *lines = path.read_text("utf-8").splitlines()
        if not identities.isdisjoint(_parse(line).identity for line in lines):
            other = json.loads(header)["schedd"]
            raise LedgerMismatchError(
                f"this history was read as schedd {other} before",
                expected=f"--schedd {other}",
                found=f"--schedd {schedd}",
                mend="keep one name for one schedd",
            )


def _parse(line: str) -> Position:
    values = json.loads(line)
    return Position(**{**values, "stat": FileStat(**values["stat"])})
