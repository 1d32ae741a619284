"""A usage record as XML: one line, the same bytes for the same record, always.

Elements, attributes and their order are those that Gratia's collector was seen to
take.  Where an element is repeated GRACC keeps the last one only, so there is one
``Network``, the total; each direction is a ``Resource``.
"""

import datetime as dt
import functools
from collections.abc import Iterator
from xml.sax.saxutils import escape

from poolmeter.units import MS_PER_S
from probe.gratia.usage_record import UsageRecord

_NAMESPACE = "http://www.gridforum.org/2003/ur-wg"
_OPEN = f'<JobUsageRecord xmlns="{_NAMESPACE}" xmlns:urwg="{_NAMESPACE}">'
_CLOSE = "</JobUsageRecord>"


def record_xml(record: UsageRecord) -> bytes:
    """Return *record* as one ``JobUsageRecord`` element, UTF-8, without a line's end.

    Text must be printable (:func:`probe.gratia.usage_record.text` makes it so).
    """
    wall = None if record.wall_s is None else duration(record.wall_s * MS_PER_S)
    parts = [
        _OPEN,
        *_identity(record),
        *_times(record, wall),
        *_place(record),
        *_amounts(record, wall),
        *_resources(record),
        _CLOSE,
    ]
    return "".join(parts).encode("utf-8")


def duration(milliseconds: int) -> str:
    """Return an ISO 8601 duration in seconds; a part of a second only where it is one.

    The collector stores 0, and says OK, for a part of a minute or a bare number.

    >>> duration(3_723_000), duration(25_040)
    ('PT3723S', 'PT25.04S')
    """
    whole_s, rest_ms = divmod(milliseconds, MS_PER_S)
    if not rest_ms:
        return f"PT{whole_s}S"
    return f"PT{whole_s}.{rest_ms:03d}".rstrip("0") + "S"


def moment(at: dt.datetime) -> str:
    """Return *at* by RFC 3339 in UTC and whole seconds.

    >>> moment(dt.datetime(2026, 11, 22, 8, 54, 33, 900_000, dt.UTC))
    '2026-11-22T08:54:33Z'
    """
    if at.tzinfo is not dt.UTC:
        at = at.astimezone(dt.UTC)
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _identity(record: UsageRecord) -> Iterator[str]:
    yield (
        f'<RecordIdentity urwg:recordId="{_attribute(record.record_id)}"'
        f' urwg:createTime="{moment(record.created_at)}"/>'
        f"<JobIdentity><GlobalJobId>{escape(record.global_job_id)}</GlobalJobId>"
        f"<LocalJobId>{record.local_job_id}</LocalJobId></JobIdentity><UserIdentity>"
    )
    yield _optional("LocalUserId", record.local_user_id)
    yield _optional("GlobalUsername", record.global_username)
    yield _optional("DN", record.dn)
    machine = escape(record.machine_name)
    yield (
        f"<VOName>{escape(record.vo_name)}</VOName>"
        f"<ReportableVOName>{escape(record.reportable_vo_name)}</ReportableVOName>"
        f"</UserIdentity><JobName>{escape(record.job_name)}</JobName>"
        f"<MachineName>{machine}</MachineName><SubmitHost>{machine}</SubmitHost>"
    )
    if record.status is not None:
        yield f'<Status urwg:description="Condor Exit Code">{record.status}</Status>'


def _times(record: UsageRecord, wall: str | None) -> Iterator[str]:
    if wall is not None:
        yield f"<WallDuration>{wall}</WallDuration>"
    for usage_type, cpu_ms in (
        ("user", record.cpu_user_ms),
        ("system", record.cpu_system_ms),
    ):
        if cpu_ms is not None:
            time = duration(cpu_ms)
            yield f'<CpuDuration urwg:usageType="{usage_type}">{time}</CpuDuration>'
    for kind, time_ms in record.time_durations_ms:
        time = duration(time_ms)
        yield f'<TimeDuration urwg:type="{kind}">{time}</TimeDuration>'
    if record.started_at is not None:
        note = ' urwg:description="EndTime less WallDuration"'
        derived = note if record.is_start_derived else ""
        yield f"<StartTime{derived}>{moment(record.started_at)}</StartTime>"
    yield f"<EndTime>{moment(record.ended_at)}</EndTime>"
    if record.queued_at is not None:
        yield f"<QueueTime>{moment(record.queued_at)}</QueueTime>"


def _place(record: UsageRecord) -> Iterator[str]:
    if record.host is not None:
        site = record.host_site
        note = f' urwg:description="{_attribute(site)}"' if site else ""
        yield f'<Host primary="true"{note}>{escape(record.host)}</Host>'
    if record.universe is not None:
        note = "Condor's JobUniverse field"
        yield f'<Queue urwg:description="{note}">{record.universe}</Queue>'
    if record.node_count is not None:
        yield f'<NodeCount urwg:metric="max">{record.node_count}</NodeCount>'


def _amounts(record: UsageRecord, wall: str | None) -> Iterator[str]:
    phase = "" if wall is None else f' urwg:phaseUnit="{wall}"'
    if record.processors is not None:
        yield f'<Processors urwg:metric="max">{record.processors}</Processors>'
    if record.gpus is not None:
        yield f'<GPUs urwg:metric="max">{record.gpus}</GPUs>'
    if record.memory_peak_kib is not None:
        yield (
            f'<Memory urwg:storageUnit="KB"{phase} urwg:metric="max">'
            f"{record.memory_peak_kib}</Memory>"
        )
    yield _optional("ProjectName", record.project_name)
    if record.network_total_bytes is not None:
        yield (
            f'<Network urwg:storageUnit="b"{phase} urwg:metric="total">'
            f"{record.network_total_bytes}</Network>"
        )


def _resources(record: UsageRecord) -> Iterator[str]:
    for name, value in record.resources:
        yield f"{_resource_tag(name)}{escape(value)}</Resource>"
    yield (
        f"<ProbeName>{escape(record.probe_name)}</ProbeName>"
        f"<SiteName>{escape(record.site_name)}</SiteName>"
        f"<Grid>{escape(record.grid)}</Grid><Njobs>{record.njobs}</Njobs>"
        f"{_resource_tag('ResourceType')}{escape(record.resource_type)}</Resource>"
    )


@functools.cache
def _resource_tag(name: str) -> str:
    """Return the start of a ``Resource``; their names are the configuration's."""
    return f'<Resource urwg:description="{_attribute(name)}">'


def _optional(name: str, value: str | None) -> str:
    """Return an element, nothing at all for an unknown value."""
    return "" if value is None else f"<{name}>{escape(value)}</{name}>"


def _attribute(value: str) -> str:
    return escape(value, {'"': "&quot;"})
