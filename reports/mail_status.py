"""What has been mailed of a month, and whose use nobody is told of."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.cells import cell_len, set_cell_size

from poolmeter.config import MailConfig
from reports.mail_plan import Addressee
from reports.send_ledger import Delivery, SendLedger
from reports.text_columns import NOTHING
from reports.text_words import shown

#: ``nobody``: there is use and no recipient, and the configuration does not say that
#: this is meant.
State = Literal["sent", "due", "doubt", "nobody"]

#: So many VOs stand in the message about those without recipients.
_NAMED_VOS = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MailStatus:
    """One VO's statement of a month.

    ``sent`` of the ``recipients`` have it, the last of them since ``sent_at``.
    ``revision`` is 0 for a first statement, ``None`` where none was sent.
    """

    month: str
    vo: str
    recipients: int
    sent: int
    sent_at: dt.datetime | None
    revision: int | None
    state: State

    def to_json(self) -> dict[str, Any]:
        """Return it under its names; the time is in UTC."""
        sent_at = self.sent_at and self.sent_at.astimezone(dt.UTC)
        return dataclasses.asdict(self) | {
            "sent_at": sent_at and f"{sent_at:%Y-%m-%dT%H:%M:%SZ}"
        }


def without_recipients(mail: MailConfig, used: Collection[str]) -> list[str]:
    """Return those of the VOs *used* of which ``[mail.recipients]`` says nothing.

    A VO with an empty list of recipients is one that nobody wants to be told of.
    """
    return sorted(vo for vo in used if vo not in mail.recipients)


def recipients_missing(month: str, vos: Sequence[str]) -> str:
    """Return the line that says that *vos* have use and no recipients."""
    named = ", ".join(vos[:_NAMED_VOS])
    others = len(vos) - _NAMED_VOS
    more = f" and {others} others" if others > 0 else ""
    return (
        f"no recipients for the use of {month} by {named}{more}: add them to "
        "[mail.recipients]; with = [] nobody is meant to be told"
    )


def statuses(
    month: str,
    plan: Mapping[str, tuple[Addressee, ...]],
    sends: SendLedger,
    unaddressed: Iterable[str] = (),
) -> list[MailStatus]:
    """Return the status of every VO of *plan*, and of those *unaddressed*."""
    found = [
        _status(month, vo, [sends.delivery(vo, one.to) for one in addressees])
        for vo, addressees in plan.items()
        if addressees
    ]
    nobody = [_status(month, vo, []) for vo in unaddressed]
    return sorted([*found, *nobody], key=lambda status: status.vo)


def _status(month: str, vo: str, deliveries: Sequence[Delivery]) -> MailStatus:
    sent = [one for one in deliveries if one.standing == "sent"]
    last = [one.last_received for one in sent]
    return MailStatus(
        month=month,
        vo=vo,
        recipients=len(deliveries),
        sent=len(sent),
        sent_at=max((event.at for event in last if event), default=None),
        revision=max((event.revision for event in last if event), default=None),
        state=_state([one.standing for one in deliveries]),
    )


def _state(standings: Sequence[str]) -> State:
    """Return the one of a VO: a doubt is what somebody has to decide.

    >>> _state(["sent", "due"]), _state([])
    ('due', 'nobody')
    """
    if not standings:
        return "nobody"
    if "doubt" in standings:
        return "doubt"
    return "due" if "due" in standings else "sent"


def status_table(found: Sequence[MailStatus]) -> str:
    """Return *found* as a table for a terminal, a line for each VO."""
    titles = ("Month", "VO", "Recipients", "Sent", "Sent at (UTC)", "Revision", "State")
    rows = [titles, *map(_cells, found)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _cells(status: MailStatus) -> tuple[str, ...]:
    sent_at = status.sent_at and status.sent_at.astimezone(dt.UTC)
    return (
        status.month,
        shown(status.vo),
        str(status.recipients),
        str(status.sent),
        f"{sent_at:%Y-%m-%d %H:%M}" if sent_at else NOTHING,
        NOTHING if status.revision is None else str(status.revision),
        status.state,
    )
