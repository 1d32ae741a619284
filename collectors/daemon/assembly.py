"""What the daemon is made of: its state, its data plane, its canary."""

import contextlib
import secrets
from pathlib import Path

from collectors.addressing import slot_capacity
from collectors.contract_2011.scripted_node import scripted, scripts_of
from collectors.daemon.canary import Canary, find_targets
from collectors.daemon.gate import Gate
from collectors.daemon.network import JobNetwork
from collectors.daemon.node import Node
from collectors.daemon.preparation import Prepared, refuse_change
from collectors.daemon.processes import boot_id
from collectors.daemon.set_up import ATTACH_ID_BYTES
from collectors.daemon.sweeper import Sweeper
from collectors.daemon.work_queue import WorkQueue
from collectors.errors import NodeError
from collectors.journal.appender import Appender
from collectors.journal.writer import JournalWriter
from collectors.rules.backend import RuleBackend
from collectors.rules.iptables import IptablesBackend
from collectors.rules.nftables import NftablesBackend
from collectors.slots import SlotFolder
from poolmeter.node_config import NodeConfig

#: A job may leave hundreds of thousands of entries: their end is in no hurry.
FLOWS_NICE = 10


def build_node(settings: NodeConfig, prepared: Prepared, appender: Appender) -> Node:
    """Return the daemon's state before anything was adopted."""
    runtime = Path(settings.runtime_folder)
    rules = prepared.rules
    capacity = slot_capacity(rules.job_block_v4)
    network = JobNetwork(runtime, rules, prepared.mtu, prepared.why_no_ipv6 is None)
    network, backend = chosen_data_plane(settings, network)
    # The last one is the canary's.
    slots = SlotFolder(runtime / "slots", capacity - 1)
    this_boot = boot_id()
    live = sum(slot.boot_id == this_boot for slot in slots.taken())
    refuse_change(settings, backend.name, live)
    return Node(
        settings=settings,
        boot_id=this_boot,
        rules=rules,
        backend=backend,
        network=network,
        slots=slots,
        journal=JournalWriter(appender),
        queue=WorkQueue(),
        gate=Gate(),
        sweeper=Sweeper("sweeper"),
        flow_sweeper=Sweeper("flows", nice=FLOWS_NICE),
    )


def make_canary(node: Node, prepared: Prepared) -> Canary:
    """Return the canary in a namespace made like a job's."""
    attach_id = secrets.token_hex(ATTACH_ID_BYTES)
    number = slot_capacity(node.rules.job_block_v4) - 1
    link = node.network.plan(attach_id, number)
    with_ipv6 = link.ipv6 is not None
    node.network.make_namespace(attach_id)
    node.backend.setup(link)
    node.own_links = [node.network.connect(link)]

    def set_ipv6(passes: bool) -> None:
        if node.settings.ipv6 == "auto":
            node.network.has_ipv6 = passes

    return Canary(
        node.network.namespace_path(attach_id),
        lambda: find_targets(
            node.settings.canary_targets, prepared.routes, with_ipv6=with_ipv6
        ),
        node.gate,
        period_s=node.settings.canary_period_s,
        set_ipv6=set_ipv6,
    )


def remove_canary(node: Node) -> None:
    """Remove the canary's link and rules; what stays is the next start's stranger."""
    with contextlib.suppress(NodeError):
        for link in node.own_links:
            node.backend.teardown([link.attach_id])
            node.network.remove(link.attach_id)
    node.own_links = []


def chosen_data_plane(
    settings: NodeConfig, network: JobNetwork
) -> tuple[JobNetwork, RuleBackend]:
    """Return what the site's own scripts make, else the back end of ``[node] rules``.

    ``auto`` is nftables.
    """
    scripts = scripts_of(settings)
    if scripts is not None:
        return scripted(scripts, network)
    if settings.rules == "iptables":
        return network, IptablesBackend()
    return network, NftablesBackend()
