"""What could not be read, kept with its bytes, its place and the reason.

One file a record, named by where it stood and what it was, so that reading it again
after a crash writes the same file.  Raw ads hold environments, which hold secrets:
only the probe's account may read them.
"""

import base64
import dataclasses
import hashlib
import json
from pathlib import Path

from poolmeter.durable import SECRET_FILE_MODE, make_folder, write_text
from poolmeter.ledger.layout import state_folder
from probe.history_file import RawRecord


@dataclasses.dataclass(frozen=True, slots=True)
class SetAside:
    """A record that is not in the ledger."""

    schedd: str
    source: str
    identity: str
    raw: RawRecord
    kind: str
    reason: str

    @property
    def name(self) -> str:
        """The record's name: the same for the same bytes at the same place."""
        digest = hashlib.sha256(f"{self.identity}:{self.raw.start}:".encode())
        digest.update(self.raw.ad + self.raw.banner)
        return digest.hexdigest()[:32]


def quarantine_folder(ledger: Path) -> Path:
    """Return the folder of the records that were set aside."""
    return state_folder(ledger) / "quarantine"


def keep(ledger: Path, record: SetAside) -> None:
    """Durably keep *record* in the ledger's quarantine; a second time is no change.

    Raises:
        LedgerError: It cannot be written.
    """
    path = quarantine_folder(ledger) / f"{record.name}.json"
    if not path.exists():
        make_folder(path.parent)
        write_text(path, _as_json(record), mode=SECRET_FILE_MODE)


def _as_json(record: SetAside) -> str:
    """Return *record* as one JSON object; bytes in base64, for they may be anything."""
    fields = {
        "schedd": record.schedd,
        "source": record.source,
        "file_identity": record.identity,
        "start_byte": record.raw.start,
        "end_byte": record.raw.end,
        "kind": record.kind,
        "reason": record.reason,
        "banner_base64": base64.b64encode(record.raw.banner).decode("ascii"),
        "ad_base64": base64.b64encode(record.raw.ad).decode("ascii"),
    }
    return json.dumps(fields, indent=1) + "\n"
