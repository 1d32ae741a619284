"""SIGHUP: a new configuration while jobs go on."""

import logging
from collections.abc import Callable

import msgspec

from collectors.daemon.node import Node
from collectors.daemon.preparation import node_rules
from collectors.errors import NodeError
from poolmeter.errors import PoolmeterError
from poolmeter.node_config import NodeConfig

#: What live jobs are made with; changed by a drain and a start only.
FIXED = (
    "mode",
    "rules",
    "job_block_v4",
    "job_block_v6",
    "ipv6",
    "manage_sysctls",
    "runtime_folder",
    "journal_folder",
    "journal_keep_days",
)

_log = logging.getLogger(__name__)


def reload(node: Node, read: Callable[[], NodeConfig]) -> None:
    """Use the configuration that *read* returns, as far as that is possible now.

    Counters and connections stay.  One that cannot be used changes nothing.
    """
    try:
        new = read()
    except PoolmeterError as error:
        _log.error("the configuration is as it was: %s", error)
        return
    kept = {name: getattr(node.settings, name) for name in FIXED}
    for name, value in kept.items():
        if getattr(new, name) != value:
            _log.warning(
                "[node] %s stays %r until a drain and a new start", name, value
            )
    settings = msgspec.structs.replace(new, **kept)
    rules = node_rules(
        settings,
        with_ipv6=node.rules.job_block_v6 is not None,
        drop_foreign_forwarding=node.rules.drop_foreign_forwarding,
    )
    try:
        node.backend.install(rules, node.links(), node.tally.shown())
    except NodeError as error:
        _log.error("the configuration is as it was: %s", error)
        return
    node.settings, node.rules = settings, rules
    _log.info("the configuration was read again")
