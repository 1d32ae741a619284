"""``node gc`` and ``node drain``: what is left over, and the end of everything."""

import select
from collections.abc import Iterable

from collectors.daemon.adoption import remove_strangers
from collectors.daemon.node import Attach, Node, Phase
from collectors.daemon.tear_down import ask_to_end, delete_rules

DRAIN = "drain"


def collect(node: Node) -> list[str]:
    """End what has no process any more, remove what belongs to nothing; say what.

    Raises:
        NodeError: The table or the links cannot be listed now.
    """
    said = []
    for attach in [*node.attaches.values()]:
        if attach.is_live and not _is_running(attach):
            ask_to_end(node, attach.attach_id, "orphan")
            said.append(f"{attach.attach_id}: its process is gone, it is being ended")
    stuck = [a for a in node.attaches.values() if a.phase is Phase.ENDED]
    if stuck:
        delete_rules(node, stuck)
        said += [f"{a.attach_id}: removal is tried again" for a in stuck]
    strangers = remove_strangers(node, node.backend.read())
    said += [f"{name}: belonged to no run, removed" for name in strangers]
    return said


def _is_running(attach: Attach) -> bool:
    """Return whether the process runs; its pidfd becomes readable when it ends."""
    if attach.pidfd < 0:
        return False
    poll = select.poll()
    poll.register(attach.pidfd, select.POLLIN)
    return not poll.poll(0)


def drain(node: Node) -> list[str]:
    """Measure nothing new; say what is still waited for."""
    node.gate.close(DRAIN, "the node is being drained")
    return _names(node.attaches)


def _names(attach_ids: Iterable[str]) -> list[str]:
    return [f"{attach_id}: still there" for attach_id in attach_ids]


def is_drained(node: Node) -> bool:
    """Return whether a drain was asked for and no run is left."""
    asked = any(refusal.reason == DRAIN for refusal in node.gate.refusals())
    return asked and not node.attaches


def remove_everything(node: Node) -> None:
    """Remove the canary, all links of our names and the table.

    Raises:
        NodeError: Something could not be removed.
    """
    node.own_links = []
    for attach_id in node.network.present():
        node.network.remove(attach_id)
    node.backend.remove()
