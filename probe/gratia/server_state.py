"""What is remembered of the server between runs: successes, failures, when to retry."""

import datetime as dt

import msgspec

from poolmeter.durable import make_folder, write_text
from poolmeter.errors import LedgerError
from probe.gratia.outbox import Outbox

FIRST_WAIT_S = 600
LONGEST_WAIT_S = 3600


class ServerState(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """One lane's server; counts are from the outbox's beginning, and at least so."""

    delivered_records: int = 0
    delivered_bundles: int = 0
    quarantined_records: int = 0
    last_success_at: dt.datetime | None = None
    failures: int = 0  # runs in a row that the server ended
    failed_at: dt.datetime | None = None
    failure: str | None = None

    @property
    def retry_at(self) -> dt.datetime | None:
        """When the next run may try, ``None`` for at once.

        >>> at = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
        >>> [str(ServerState(failures=n, failed_at=at).retry_at.time())
        ...  for n in (1, 2, 3, 4, 99)]
        ['12:10:00', '12:20:00', '12:40:00', '13:00:00', '13:00:00']
        """
        if not self.failures or self.failed_at is None:
            return None
        doublings = min(self.failures - 1, 10)
        wait_s = min(FIRST_WAIT_S * 2**doublings, LONGEST_WAIT_S)
        return self.failed_at + dt.timedelta(seconds=wait_s)


def read_state(outbox: Outbox) -> ServerState:
    """Return what is remembered, nothing before the first run.

    Raises:
        LedgerError: The file is damaged.
    """
    path = outbox.folder / "server.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServerState)
    except FileNotFoundError:
        return ServerState()
    except (OSError, msgspec.DecodeError) as error:
        raise LedgerError(
            str(path), found=str(error), mend="delete it: counts begin anew"
        ) from error


def write_state(outbox: Outbox, state: ServerState) -> None:
    """Durably remember *state*.

    Raises:
        LedgerError: It cannot be written.
    """
    make_folder(outbox.folder)
    text = msgspec.json.encode(state).decode()
    write_text(outbox.folder / "server.json", f"{text}\n")
