"""What the node itself must have before a job can be measured on it."""

import contextlib
import dataclasses
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import msgspec

from collectors.addressing import refuse_overlap
from collectors.errors import NodeError
from collectors.links.sysctls import SysctlChange
from collectors.links.uplinks import (
    DefaultRoute,
    Family,
    default_routes,
    forward_packets,
    is_forwarding,
    job_mtu,
    why_no_ipv6,
)
from collectors.rules.backend import NodeRules, SiteClass
from collectors.traffic import Direction
from poolmeter.node_config import NodeConfig, SiteClassConfig

SYSCTLS_FILE = "sysctls.json"
DATA_PLANE_FILE = "data-plane.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """What was found out about the node, and what was changed on it."""

    rules: NodeRules
    routes: tuple[DefaultRoute, ...]
    mtu: int
    #: Why jobs have no IPv6, or ``None``.
    why_no_ipv6: str | None
    #: Every setting that we changed since the node was booted.
    sysctls: tuple[SysctlChange, ...]


def prepare(settings: NodeConfig) -> Prepared:
    """Find uplinks, turn forwarding on where that is asked for, and say what jobs get.

    Raises:
        NodeError: Forwarding is off and not ours to turn on, or a block is in use.
    """
    why = _why_no_ipv6(settings)
    routes = (*default_routes(4), *(default_routes(6) if why is None else ()))
    sysctls = _forwarding(settings, with_ipv6=why is None)
    rules = node_rules(
        settings, with_ipv6=why is None, drop_foreign_forwarding=bool(sysctls)
    )
    _refuse_overlaps(rules)
    return Prepared(rules, routes, job_mtu(routes), why, sysctls)


def node_rules(
    settings: NodeConfig, *, with_ipv6: bool, drop_foreign_forwarding: bool
) -> NodeRules:
    """Return what the configuration says, as rules have it."""
    return NodeRules(
        internal=tuple(ip_network(text) for text in settings.internal),
        job_block_v4=IPv4Network(settings.job_block_v4),
        job_block_v6=IPv6Network(settings.job_block_v6) if with_ipv6 else None,
        site_classes=tuple(_site_class(each) for each in settings.classes),
        drop_foreign_forwarding=drop_foreign_forwarding,
        flows_per_job_limit=settings.flows_per_job_limit,
    )


def _site_class(config: SiteClassConfig) -> SiteClass:
    outgoing = config.attribute.startswith("NetworkOutgoing")
    return SiteClass(
        attribute=config.attribute,
        direction=Direction.OUTGOING if outgoing else Direction.INCOMING,
        networks=tuple(ip_network(text) for text in config.networks),
        protocol=config.protocol,
        ports=config.ports,
    )


def _why_no_ipv6(settings: NodeConfig) -> str | None:
    if settings.ipv6 == "off":
        return "[node] ipv6 is off"
    return None if settings.ipv6 == "on" else why_no_ipv6()


def _forwarding(settings: NodeConfig, *, with_ipv6: bool) -> tuple[SysctlChange, ...]:
    """Turn forwarding on; return all changes of ours since the boot.

    They are remembered below ``/run``: after a restart of the daemon forwarding is on
    because of us just the same, and what is not a job's is still dropped.
    """
    file = Path(settings.runtime_folder) / SYSCTLS_FILE
    families: list[Family] = [4, 6] if with_ipv6 else [4]
    off: list[Family] = [family for family in families if not is_forwarding(family)]
    if off and not settings.manage_sysctls:
        raise NodeError(
            f"IPv{off[0]} forwarding",
            expected="on, so that jobs reach the network",
            found="off",
            mend="turn it on in /etc/sysctl.d, or set [node] manage_sysctls = true",
        )
    changes = (*_remembered(file), *forward_packets(off))
    with contextlib.suppress(OSError):
        file.write_bytes(msgspec.json.encode(changes))
    return changes


def _remembered(file: Path) -> tuple[SysctlChange, ...]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[SysctlChange, ...])
    except (FileNotFoundError, msgspec.MsgspecError):
        return ()


def refuse_change(settings: NodeConfig, rules_name: str, live: int) -> None:
    """Refuse other addresses or another back end than live jobs were made with.

    Remembers those of this start where no job is live.

    Raises:
        NodeError: They changed.
    """
    file = Path(settings.runtime_folder) / DATA_PLANE_FILE
    now = {
        "rules": rules_name,
        "job_block_v4": settings.job_block_v4,
        "job_block_v6": settings.job_block_v6,
    }
    try:
        before = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.MsgspecError):
        before = {}
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    if live and changed:
        name = changed[0]
        raise NodeError(
            f"[node] {name}",
            expected=f"{before[name]}, with which {live} live jobs were made",
            found=now[name],
            mend="put it back, `poolmeter node drain`, then change it",
        )
    file.write_bytes(msgspec.json.encode(now))


def _refuse_overlaps(rules: NodeRules) -> None:
    for block in (rules.job_block_v4, rules.job_block_v6):
        if block is not None:
            refuse_overlap(block, rules.internal, "[node] internal network")
