"""What the node's commands print for people."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collectors.daemon.protocol import Counted
from collectors.journal.entries import JournalCounts
from collectors.journal.runs import JournaledRun, JournalSummary
from collectors.traffic import TRAFFIC_CLASSES, Direction
from poolmeter.units import size_text


def counted_lines(counted: Counted) -> Iterator[str]:
    """Yield a command's counts: the six classes, then a site's own views."""
    classes = [str(each.attribute) for each in TRAFFIC_CLASSES]
    for name in dict.fromkeys((*classes, *counted.counts)):
        ip_bytes, packets = counted.counts.get(name, (0, 0))
        yield f"{name:<28}{ip_bytes:>20,} B{packets:>14,} packets"
    if counted.spoofed[1]:
        yield f"{counted.spoofed[1]:,} packets from addresses not its own were dropped"
    for process in counted.left_over:
        fate = "killed" if process.killed else "left alone"
        yield f"process {process.pid} ({process.name}) was left over, {fate}"
    if counted.partial:
        yield "rules were gone meanwhile: some traffic may not be counted"
    if not counted.journaled:
        yield "not journaled yet: see `poolmeter node status`"


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the daemon's state."""
    refusal = status["refusal"]
    if refusal is None:
        yield f"measuring    yes, by {status['rules']}, for {status['up_s']} s"
    else:
        yield f"measuring    no, {refusal['reason']}: {refusal['detail']}"
    ipv6 = "yes" if status["ipv6"] else f"no: {status['why_no_ipv6'] or 'the canary'}"
    yield f"IPv6         {ipv6}"
    for route in status["uplinks"]:
        yield f"uplink       {route['device']} by {route['gateway']}"
    for change in status["sysctls"]:
        yield f"changed      {change['name']} = {change['after']} ({change['before']})"
    for verdict in status["canary"]:
        node = f", node {verdict['node']}" if verdict["node"] else ""
        yield f"canary       {verdict['target']}: {verdict['canary']}{node}"
    room = status["conntrack"]
    if room:
        yield f"conntrack    {room['in_use']} of {room['limit']}"
    if status["journal_trouble"]:
        yield f"journal      {status['journal_trouble']}"
    yield f"slots        {status['slots_free']} free"
    for run in status["runs"]:
        yield f"run          {_run_text(run)}"


def _run_text(run: Mapping[str, Any]) -> str:
    job = run["job"]
    name = job.get("global_job_id") or job.get("command") or f"process {run['pid']}"
    return f"{run['attach_id']} {run['phase']:<8} {_sums(run['counts'])} {name}"


def _sums(counts: JournalCounts) -> str:
    """Return what was sent and got in all, of the six classes."""
    sums: dict[Direction, int] = {}
    for each in TRAFFIC_CLASSES:
        ip_bytes, _ = counts.get(each.attribute, (0, 0))
        sums[each.direction] = sums.get(each.direction, 0) + ip_bytes
    return " ".join(f"{way.value} {size_text(total)}" for way, total in sums.items())


def check_lines(findings: Iterable[Any]) -> Iterator[str]:
    """Yield one line a finding."""
    for finding in findings:
        yield f"{finding.grade.value:<5} {finding.subject:<11} {finding.text}"


def journal_lines(summary: JournalSummary) -> Iterator[str]:
    """Yield one line a run and one a job that was not measured, by time."""
    lines = [(run.start.at, _journaled_text(run)) for run in summary.runs.values()]
    for entry in summary.unmeasured:
        name = entry.job.global_job_id or entry.job.command or entry.process.pid
        text = f"{'unmeasured':<10} {entry.reason:<10} {name}"
        lines.append((entry.at, text))
    for at, text in sorted(lines):
        yield f"{at:%Y-%m-%d %H:%M:%S} {text}"


def _journaled_text(run: JournaledRun) -> str:
    state = run.how or "live"
    if run.ended_at is not None and (run.partial or not run.final):
        state += ", partial" if run.final else ", not final"
    job = run.start.job
    name = job.global_job_id or job.command or f"process {run.start.process.pid}"
    return f"{run.start.attach_id} {state:<18} {_sums(run.counts)} {name}"
