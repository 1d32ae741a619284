"""Reading all counters, and making rules again that somebody removed."""

import logging

from collectors.daemon.node import Node, Phase
from collectors.errors import NodeError
from collectors.journal.entries import Restored
from collectors.journal.writer import utc_now

_log = logging.getLogger(__name__)


def take_reading(node: Node) -> None:
    """Read the whole table into the tally; restore first what is missing.

    Raises:
        RulesError: The table cannot be read or restored now.
    """
    reading = node.backend.read()
    with_rules = [link.attach_id for link in node.links()]
    missing = node.tally.missing(reading, with_rules)
    if missing:
        restore(node, f"no counters of {len(missing)} attaches")
        reading = node.backend.read()
    fell = node.tally.follow(reading)
    if fell:
        mark_partial(node, fell, "counters were reset")
    node.last_reading = reading


def verify(node: Node) -> None:
    """Restore the table if anything of it is missing or altered.

    Raises:
        RulesError: It cannot be checked or restored now.
    """
    found = node.backend.check()
    if found is not None:
        restore(node, found)


def try_verify(node: Node) -> None:
    """Verify, and log it if that is not possible now: it is done again soon."""
    try:
        verify(node)
    except NodeError as error:
        node.events["failed", "verify"] += 1
        _log.error("rules cannot be checked: %s", error)


def restore(node: Node, found: str) -> None:
    """Make the table whole again, with the counts of the last reading.

    Counters that still exist keep their own values; what passed since the last reading
    through counters that are gone is lost, so the runs are partial.

    Raises:
        RulesError: It cannot be restored now.
    """
    node.backend.install(node.rules, node.links(), node.tally.shown())
    node.events["restored", node.backend.name] += 1
    _log.warning("rules were restored: %s", found)
    live = [a.attach_id for a in node.attaches.values() if a.phase is Phase.ENTERED]
    mark_partial(node, live, found)
    node.when_restored()


def mark_partial(node: Node, attach_ids: list[str], found: str) -> None:
    """Note and journal that some of these runs' traffic may not be counted."""
    for attach_id in attach_ids:
        node.attaches[attach_id].partial = True
    if attach_ids:
        entry = Restored(at=utc_now(), attach_ids=tuple(attach_ids), found=found)
        node.journal.submit([entry])


def try_reading(node: Node) -> bool:
    """Take a reading; return whether that went well, and log it if not."""
    try:
        take_reading(node)
    except NodeError as error:
        node.events["failed", "reading"] += 1
        _log.error("no reading: %s", error)
        return False
    return True
