"""The send ledger: what follows from what happened, and that it is kept."""

from pathlib import Path
from typing import cast

import pytest

from poolmeter.errors import LedgerBusyError, LedgerError
from reports.send_ledger import (
    Delivery,
    Event,
    What,
    read_send_ledger,
    send_lock,
)
from tests.unit.mail_site import NOW


def _event(what: str, revision: int = 0) -> Event:
    return Event(
        at=NOW,
        what=cast("What", what),
        statement_sha256=f"{revision}" * 64,
        revision=revision,
        message_id="<1@x.example>",
        dated_at=NOW,
        said="250 OK\n",
    )


@pytest.mark.parametrize(
    ("happened", "standing", "received"),
    [
        ("", "due", None),
        ("failed0", "due", None),
        ("intent0", "doubt", 0),
        ("intent0 failed0", "due", None),
        ("intent0 sent0", "sent", 0),
        ("intent0 doubt0", "doubt", 0),
        ("intent0 doubt0 arrived0", "sent", 0),
        ("intent0 doubt0 failed0", "due", 0),
        ("intent0 sent0 failed1", "due", 0),
        ("intent0 sent0 intent1", "doubt", 1),
        ("intent0 sent0 intent1 failed1", "due", 0),
        ("intent0 sent0 intent1 sent1", "sent", 1),
    ],
)
def test_what_follows_from_what_happened(
    happened: str, standing: str, received: int | None
) -> None:
    events = tuple(_event(word[:-1], int(word[-1])) for word in happened.split())
    delivery = Delivery(vo="cms", to="a@b.example", events=events)

    assert delivery.standing == standing
    last = delivery.last_received
    assert (last.revision if last else None) == received


def test_what_was_noted_is_read_back(tmp_path: Path) -> None:
    sends = read_send_ledger(tmp_path, "2026-10")
    delivery = sends.delivery("c\nms", "a@b.example")
    delivery = sends.add(delivery, _event("intent"))
    delivery = sends.add(delivery, _event("sent"))
    sends.add(sends.delivery("atlas", "a@b.example"), _event("intent"))

    again = read_send_ledger(tmp_path, "2026-10")

    assert again.delivery("c\nms", "A@B.Example") == delivery
    assert again.delivery("atlas", "a@b.example").standing == "doubt"
    assert again.delivery("lhcb", "a@b.example").standing == "due"
    assert again.salt == sends.salt
    assert read_send_ledger(tmp_path, "2026-11").salt != sends.salt


def test_only_one_may_send(tmp_path: Path) -> None:
    with send_lock(tmp_path), pytest.raises(LedgerBusyError), send_lock(tmp_path):
        pass


@pytest.mark.parametrize(
    "text", ["", "{}", "null", '{"format":2}', '{"format":1,"month":"2026-10"', "\xff"]
)
def test_what_is_no_send_ledger_is_never_taken_for_an_empty_one(
    tmp_path: Path, text: str
) -> None:
    folder = tmp_path / ".state" / "mail"
    folder.mkdir(parents=True)
    (folder / "2026-10.json").write_text(text, "latin-1")

    with pytest.raises(LedgerError, match="send ledger"):
        read_send_ledger(tmp_path, "2026-10")


def test_an_event_that_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    sends = read_send_ledger(tmp_path, "2026-10")
    (tmp_path / ".state").write_text("in the way")

    with pytest.raises(LedgerError):
        sends.add(sends.delivery("cms", "a@b.example"), _event("intent"))

    assert sends.delivery("cms", "a@b.example").standing == "due"
