"""What `poolmeter node status` shows and what the metrics are made of."""

import dataclasses
import importlib.metadata
import os
import time
from typing import Any

import msgspec

from collectors.daemon.canary import Verdict
from collectors.daemon.node import Node, Phase
from collectors.daemon.preparation import Prepared
from collectors.daemon.set_up import refusal_of
from collectors.daemon.work_queue import Turn
from collectors.journal.entries import journal_counts
from collectors.links.conntrack import headroom

REFUSAL = ("reason", "detail")


def status_of(
    node: Node, prepared: Prepared, verdicts: tuple[Verdict, ...], started_s: float
) -> dict[str, Any]:
    """Return the node's state as plain data; names of numbers end in their units."""
    refusal = refusal_of(node)
    room = headroom(os.cpu_count() or 1, node.settings.flows_per_job)
    return {
        "version": importlib.metadata.version("poolmeter"),
        "up_s": round(time.monotonic() - started_s),
        "rules": node.backend.name,
        "measuring": refusal is None,
        "refusal": None
        if refusal is None
        else {"reason": refusal[0], "detail": refusal[1]},
        "ipv6": node.network.has_ipv6,
        "why_no_ipv6": prepared.why_no_ipv6,
        "uplinks": [dataclasses.asdict(route) for route in prepared.routes],
        "mtu_bytes": prepared.mtu,
        "sysctls": [dataclasses.asdict(change) for change in prepared.sysctls],
        "canary": [_verdict(each) for each in verdicts],
        "slots_free": node.slots.free,
        "conntrack": None if room is None else dataclasses.asdict(room),
        "waiting": {turn.name.lower(): node.queue.waiting(turn) for turn in Turn},
        "journal_waiting": node.journal.waiting,
        "journal_trouble": node.journal.trouble,
        "events": {f"{what} {which}": n for (what, which), n in node.events.items()},
        "runs": [_run(node, name) for name in node.attaches],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "target": verdict.target.name,
        "address": verdict.target.address,
        "canary": verdict.canary.name.lower(),
        "node": None if verdict.node is None else verdict.node.name.lower(),
        "blocked": verdict.is_blocked,
    }


def _run(node: Node, attach_id: str) -> dict[str, Any]:
    attach = node.attaches[attach_id]
    return {
        "attach_id": attach_id,
        "phase": attach.phase.value,
        "job": msgspec.to_builtins(attach.job),
        "pid": attach.process.pid,
        "ipv4": str(attach.link.ipv4.job.ip),
        "ipv6": str(attach.link.ipv6.job.ip) if attach.link.ipv6 else None,
        "partial": attach.partial,
        "counts": journal_counts(node.tally.counts(attach_id)),
    }


def live_runs(node: Node) -> int:
    """Return how many processes are attached."""
    return sum(attach.phase is Phase.ENTERED for attach in node.attaches.values())
