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
    return "".join(_parts(record)).encode("utf-8")


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
    naive = at.astimezone(dt.UTC).replace(tzinfo=None)
    return f"{naive.isoformat(timespec='seconds')}Z"


def _parts(record: UsageRecord) -> Iterator[str]:
    yield _OPEN
    yield (
        f'<RecordIdentity urwg:recordId="{_attribute(record.record_id)}"'
        f' urwg:createTime="{moment(record.created_at)}"/>'
    )
    yield from _identity(record)
    yield _element("JobName", record.job_name)
    yield _element("MachineName", record.machine_name)
    yield _element("SubmitHost", record.machine_name)
    yield _element("Status", record.status, description="Condor Exit Code")
    yield from _times(record)
    yield from _place(record)
    yield from _amounts(record)
    for name, value in record.resources:
        yield _element("Resource", value, description=name)
    yield _element("ProbeName", record.probe_name)
    yield _element("SiteName", record.site_name)
    yield _element("Grid", record.grid)
    yield _element("Njobs", record.njobs)
    yield _element("Resource", record.resource_type, description="ResourceType")
    yield _CLOSE


def _identity(record: UsageRecord) -> Iterator[str]:
    yield "<JobIdentity>"
    yield _element("GlobalJobId", record.global_job_id)
    yield _element("LocalJobId", record.local_job_id)
    yield "</JobIdentity><UserIdentity>"
    yield _element("LocalUserId", record.local_user_id)
    yield _element("GlobalUsername", record.global_username)
    yield _element("DN", record.dn)
    yield _element("VOName", record.vo_name)
    yield _element("ReportableVOName", record.reportable_vo_name)
    yield "</UserIdentity>"


def _times(record: UsageRecord) -> Iterator[str]:
    if record.wall_s is not None:
        yield _element("WallDuration", duration(record.wall_s * MS_PER_S))
    for usage_type, cpu_ms in (
        ("user", record.cpu_user_ms),
        ("system", record.cpu_system_ms),
    ):
        if cpu_ms is not None:
            yield _element("CpuDuration", duration(cpu_ms), usageType=usage_type)
    for kind, time_ms in record.time_durations_ms:
        yield _element("TimeDuration", duration(time_ms), type=kind)
    if record.started_at is not None:
        note = "EndTime less WallDuration" if record.is_start_derived else None
        yield _element("StartTime", moment(record.started_at), description=note)
    yield _element("EndTime", moment(record.ended_at))
    if record.queued_at is not None:
        yield _element("QueueTime", moment(record.queued_at))


def _place(record: UsageRecord) -> Iterator[str]:
    if record.host is not None:
        site = record.host_site
        note = f' urwg:description="{_attribute(site)}"' if site else ""
        yield f'<Host primary="true"{note}>{escape(record.host)}</Host>'
    yield _element("Queue", record.universe, description="Condor's JobUniverse field")
    yield _element("NodeCount", record.node_count, metric="max")


def _amounts(record: UsageRecord) -> Iterator[str]:
    yield _element("Processors", record.processors, metric="max")
    yield _element("GPUs", record.gpus, metric="max")
    phase = None if record.wall_s is None else duration(record.wall_s * MS_PER_S)
    yield _element(
        "Memory",
        record.memory_peak_kib,
        storageUnit="KB",
        phaseUnit=phase,
        metric="max",
    )
    yield _element("ProjectName", record.project_name)
    yield _element(
        "Network",
        record.network_total_bytes,
        storageUnit="b",
        phaseUnit=phase,
        metric="total",
    )


def _element(name: str, value: str | int | None, **attributes: str | None) -> str:
    """Return an element, nothing at all for an unknown value."""
    if value is None:
        return ""
    text = escape(value) if isinstance(value, str) else value
    noted = ""
    for key, note in attributes.items():
        if note is not None:
            noted += f' urwg:{key}="{_attribute(note)}"'
    return f"<{name}{noted}>{text}</{name}>"


@functools.lru_cache(maxsize=1024)
def _attribute(value: str) -> str:
    """Return *value* as it stands in an attribute; most are the same in all records."""
    return escape(value, {'"': "&quot;"})
