"""The messages of a month as files, to be looked at."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from poolmeter.durable import make_folder, replacing
from poolmeter.errors import PoolmeterError, UsageError
from poolmeter.ledger.layout import file_name_of
from reports.mail import Outcome
from reports.mail_letters import Mailing, Statements, prepare
from reports.mail_plan import Addressee
from reports.send_ledger import read_send_ledger

_LONGEST_NAME = 120


def write_month(mailing: Mailing, folder: Path) -> Iterator[Outcome]:
    """Write every message as it would be sent now into *folder*; send nothing.

    Neither what was sent nor what is in doubt is left out, and nothing is noted.

    Raises:
        LedgerError: A file cannot be written, or the send ledger cannot be read.
        UsageError: There is no statement of the month.
    """
    sends = read_send_ledger(mailing.ledger, str(mailing.month))
    make_folder(folder)
    for addressees in mailing.plan.values():
        statements = Statements(mailing)
        for one in addressees:
            delivery = sends.delivery(one.vo, one.to)
            try:
                prepared = prepare(mailing, statements, delivery, one, sends.salt)
                message = prepared.message(mailing)
            except UsageError:
                raise
            except PoolmeterError as error:
                yield Outcome(one.vo, one.to, "unusable", str(error))
                continue
            path = folder / file_name(str(mailing.month), one)
            with replacing(path) as temporary:
                temporary.write_bytes(message)
            yield Outcome(one.vo, one.to, "written", str(path))


def file_name(month: str, one: Addressee) -> str:
    """Return the name of *one*'s message: safe, and never another's.

    >>> file_name("2026-10", Addressee("../x", "a@b.example", "full"))
    '2026-10 %2E.%2Fx a@b.example.eml'
    """
    name = " ".join([month, file_name_of(one.vo), file_name_of(one.to)])
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[:_LONGEST_NAME]}~{digest}"
    return f"{name}.eml"
