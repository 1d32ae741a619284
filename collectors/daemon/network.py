"""Namespaces and links of jobs, as the daemon asks for them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from collectors.addressing import ipv4_pair, ipv6_pair
from collectors.job_link import JobLink, device_of
from collectors.links.conntrack import forget_flows
from collectors.links.namespaces import (
    create_namespace,
    delete_namespace,
    is_pinned,
    list_namespaces,
    namespace_path,
)
from collectors.links.veth import (
    bring_down,
    bring_up,
    create_link,
    delete_link,
    list_links,
)
from collectors.rules.backend import NodeRules

DEVICE_PREFIX_LENGTH = len(device_of(""))


@dataclasses.dataclass(slots=True)
class JobNetwork:
    """The node's links to jobs; main thread only, but for :meth:`forget_flows`."""

    runtime: Path
    rules: NodeRules
    mtu: int
    #: Whether new jobs get IPv6; the canary may change its mind.
    has_ipv6: bool = False

    def plan(
        self, attach_id: str, slot_number: int, *, ipv6: bool | None = None
    ) -> JobLink:
        """Return the link that a slot gives; *ipv6* is as decided unless it is said."""
        wanted = self.has_ipv6 if ipv6 is None else ipv6
        block_v6 = self.rules.job_block_v6 if wanted else None
        return JobLink(
            attach_id,
            slot_number,
            ipv4_pair(slot_number, self.rules.job_block_v4),
            ipv6_pair(slot_number, block_v6) if block_v6 else None,
        )

    def make_namespace(self, attach_id: str) -> int:
        """Make and pin a namespace; return its inode."""
        return create_namespace(self.runtime, attach_id).stat().st_ino

    def connect(self, link: JobLink) -> JobLink:
        """Make the link, after its rules, and open it; return it as it is."""
        create_link(link, self.namespace_path(link.attach_id), self.mtu)
        bring_up(link.device)
        return link

    def set_down(self, attach_id: str) -> None:
        """Take a link down: nothing goes through it any more."""
        bring_down(device_of(attach_id))

    def remove(self, attach_id: str) -> None:
        """Remove link and namespace; absent ones are fine."""
        delete_link(device_of(attach_id))
        delete_namespace(self.runtime, attach_id)

    def present(self) -> set[str]:
        """Return the attach ids of which a link or a namespace is there."""
        of_links = {name[DEVICE_PREFIX_LENGTH:] for name in list_links()}
        return of_links | set(list_namespaces(self.runtime))

    def namespace_path(self, attach_id: str) -> Path:
        """Return where a job's namespace is pinned."""
        return namespace_path(self.runtime, attach_id)

    def namespace_inode(self, attach_id: str) -> int | None:
        """Return the inode of the pinned namespace, or ``None`` without one."""
        path = self.namespace_path(attach_id)
        return path.stat().st_ino if is_pinned(path) else None

    def forget_flows(self, links: Sequence[JobLink]) -> None:
        """Delete the conntrack entries of these links' addresses; in any thread."""
        pairs = [pair for link in links for pair in (link.ipv4, link.ipv6) if pair]
        forget_flows([pair.job.ip for pair in pairs])
