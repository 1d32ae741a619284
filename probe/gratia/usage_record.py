"""One usage record: what Gratia is told of a job, as data.

A pure function of the job's row in the ledger, so that its numbers are the ledger's:
no clock, no file, no network.  Names of fields are those of the usage record's
elements (OGF GFD.98 and what Gratia added to it); units stand in the names.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

from poolmeter import attributes as names
from poolmeter.errors import one_line
from poolmeter.record import NETWORK_COLUMNS, JobRecord
from poolmeter.units import BYTES_PER_KIB, MILLI, MS_PER_S
from probe.gratia.reporting import Reporting

#: Longer text is no name: it is cut, for no index downstream takes it.
TEXT_LIMIT_CHARS = 2000
#: GRACC does not account for a record that started before the second day of 1970.
FIRST_START_AT = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
#: What GRACC leaves out of its sums: jobs that used no slot of the site.
LOCAL_GRID = "Local"
UNKNOWN_VO = "Unknown"

_JOB_STATUS_CODES = {"removed": 3, "completed": 4}
_PARALLEL_UNIVERSE = 11

Named = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One record; ``None`` leaves its element out, for it is not known."""

    record_id: str
    created_at: dt.datetime
    global_job_id: str
    local_job_id: str
    local_user_id: str | None = None
    global_username: str | None = None
    dn: str | None = None
    vo_name: str
    reportable_vo_name: str
    job_name: str
    machine_name: str
    status: int | None = None
    wall_s: int | None = None
    cpu_user_ms: int | None = None
    cpu_system_ms: int | None = None
    time_durations_ms: tuple[tuple[str, int], ...] = ()
    started_at: dt.datetime | None = None
    is_start_derived: bool = False  # from the end and the wall time
    ended_at: dt.datetime
    queued_at: dt.datetime | None = None
    host: str | None = None
    host_site: str | None = None  # resource of the pilot that the host belongs to
    universe: int | None = None
    node_count: int | None = None
    processors: int | None = None
    gpus: int | None = None
    memory_peak_kib: int | None = None
    project_name: str | None = None
    network_total_bytes: int | None = None
    resources: Named = ()
    probe_name: str
    site_name: str
    grid: str
    njobs: int = 1
    resource_type: str


def usage_record(job: JobRecord, reporting: Reporting) -> UsageRecord:
    """Return the record of all runs of *job*.

    The record's id and time are made of the job's key and end alone, so that they
    are the same whenever the record is made.  Text of users is made one line.
    """
    host = submit_host(job.schedd)
    started_at, is_derived = _start(job)
    vo_name, reportable_vo_name = _vo_names(job, reporting)
    has_cpu = is_cpu_of_all_runs(job)
    global_job_id = text(job.global_job_id) or f"{host}#{_job_id(job)}"
    return UsageRecord(
        record_id=record_id(job),
        created_at=job.ended_at,
        global_job_id=f"condor.{global_job_id}",
        local_job_id=_job_id(job),
        local_user_id=text(job.owner),
        global_username=text(job.user),
        dn=text(job.x509_subject) or text(job.token_subject),
        vo_name=vo_name,
        reportable_vo_name=reportable_vo_name,
        job_name=global_job_id,
        machine_name=host,
        status=job.exit_code,
        wall_s=job.wall_s,
        cpu_user_ms=job.cpu_user_ms if has_cpu else None,
        cpu_system_ms=job.cpu_system_ms if has_cpu else None,
        time_durations_ms=tuple(_time_durations(job, has_cpu=has_cpu)),
        started_at=started_at,
        is_start_derived=is_derived,
        ended_at=job.ended_at,
        queued_at=job.queued_at,
        host=host_of_slot(job.last_remote_host),
        host_site=text(job.execute_site),
        universe=job.universe,
        node_count=None if job.universe in (None, _PARALLEL_UNIVERSE) else 1,
        processors=_whole_cpus(job.cpus_milli),
        gpus=job.gpus,
        memory_peak_kib=_kib(job.memory_peak_bytes),
        project_name=text(job.project),
        network_total_bytes=network_total_bytes(job),
        resources=tuple(_resources(job, reporting)),
        probe_name=reporting.probe_name_of(host),
        site_name=reporting.site_name,
        grid=reporting.grid if job.billable else LOCAL_GRID,
        resource_type="BatchPilot" if job.execute_site else reporting.resource_type,
    )


def record_id(job: JobRecord) -> str:
    """Return what identifies *job*'s record for ever: made of the job's key alone."""
    queued = "-" if job.queued_at is None else int(job.queued_at.timestamp())
    return f"{text(job.schedd)}:{_job_id(job)}#{queued}"


def text(value: str | None) -> str | None:
    r"""Return *value* as one printable line that is not too long; ``None`` if empty.

    Project names and the like are what users wrote; a control character in one would
    make the server refuse the whole bundle.

    >>> text("a\x07b"), text("")
    ('a\\x07b', None)
    """
    if not value:
        return None
    clean = value if value.isprintable() else one_line(value)
    if len(clean) > TEXT_LIMIT_CHARS:
        return f"{clean[:TEXT_LIMIT_CHARS]}…"
    return clean


def submit_host(schedd: str) -> str:
    """Return the host in a schedd's name.

    >>> submit_host("schedd2@ap1.example.org"), submit_host("ap1.example.org")
    ('ap1.example.org', 'ap1.example.org')
    """
    return text(schedd.rpartition("@")[2]) or ""


def host_of_slot(slot: str | None) -> str | None:
    """Return the host of a slot's name, which may hold more than one ``@``.

    >>> host_of_slot("slot1@2@wn7.example.org")
    'wn7.example.org'
    """
    return text(slot.rpartition("@")[2]) if slot else None


def network_total_bytes(job: JobRecord) -> int | None:
    """Return the sum of the counts that are known, ``None`` where none is.

    The six classes are a partition; views such as NetworkOutgoingStorage are not in.
    """
    counts = [getattr(job, column) for column in NETWORK_COLUMNS]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def is_cpu_of_all_runs(job: JobRecord) -> bool:
    """Whether the CPU time is of the same runs as the wall time.

    Wall time is that of all runs; old versions of HTCondor know the last run's CPU
    time only, and the two together would make a restarted job look idle.
    """
    return job.cpu_scope == "all_runs" or job.runs <= 1


def _job_id(job: JobRecord) -> str:
    return f"{job.cluster_id}.{job.proc_id}"


def _start(job: JobRecord) -> tuple[dt.datetime | None, bool]:
    """Return when the job started, and whether that had to be derived.

    GRACC does not account for a record without a start; an owner can edit both.
    """
    for started_at in (job.started_at, job.last_started_at):
        if started_at is not None and FIRST_START_AT < started_at <= job.ended_at:
            return started_at, False
    if job.wall_s is None:
        return None, False
    return job.ended_at - dt.timedelta(seconds=job.wall_s), True


def _vo_names(job: JobRecord, reporting: Reporting) -> tuple[str, str]:
    """Return VOName, which may be an FQAN, and ReportableVOName."""
    if reporting.vo is not None:
        return reporting.vo, reporting.vo
    vo = UNKNOWN_VO if job.vo_source == "none" else text(job.vo) or UNKNOWN_VO
    is_of_proxy = job.vo_source in ("x509_vo_name", "x509_fqan")
    fqan = text(job.x509_fqan) if is_of_proxy else None
    return fqan or vo, vo


def _time_durations(job: JobRecord, *, has_cpu: bool) -> Iterator[tuple[str, int]]:
    if job.committed_s is not None:
        yield names.COMMITTED_TIME, job.committed_s * MS_PER_S
    if job.suspended_s is not None:
        yield names.CUMULATIVE_SUSPENSION_TIME, job.suspended_s * MS_PER_S
    if not has_cpu and job.cpu_user_ms is not None:
        yield names.REMOTE_USER_CPU, job.cpu_user_ms
    if not has_cpu and job.cpu_system_ms is not None:
        yield names.REMOTE_SYS_CPU, job.cpu_system_ms


def _whole_cpus(cpus_milli: int | None) -> int | None:
    """Return whole cpus, a part of one as one: GRACC multiplies by a whole number."""
    return None if cpus_milli is None else -(-cpus_milli // MILLI)


def _kib(size_bytes: int | None) -> int | None:
    return None if size_bytes is None else -(-size_bytes // BYTES_PER_KIB)


def _resources(job: JobRecord, reporting: Reporting) -> Iterator[tuple[str, str]]:
    """Yield what has no element of its own; GRACC keeps each name's last value."""
    yield "CondorMyType", "Job"
    yield from _known(("AccountingGroup", _accounting_group(job)))
    yield from _ending(job)
    yield "condor.JobStatus", str(_JOB_STATUS_CODES[job.job_status])
    yield names.NUM_JOB_STARTS, str(job.runs)
    for name, column in zip(names.NETWORK_COUNTS, NETWORK_COLUMNS, strict=True):
        yield from _known((name, getattr(job, column)))
    yield "NetworkTrust", job.network_trust
    yield from _known(
        (names.GLEXEC_USER, text(job.payload_user)),
        (names.GLEXEC_SUBJECT, text(job.payload_subject)),
        (names.GLEXEC_TIME, _unix_s(job.payload_at)),
        ("PayloadTrust", text(job.payload_trust)),
        ("ExecutePool", text(job.execute_pool)),
        ("TimeTrust", None if job.time_trust == "consistent" else job.time_trust),
    )
    extra = job.extra or {}
    for attribute in reporting.extra_attributes:
        yield from _known((attribute, text(_unquoted(extra.get(attribute)))))


def _ending(job: JobRecord) -> Iterator[tuple[str, str]]:
    if job.exit_code is not None or job.exit_signal is not None:
        is_by_signal = job.exit_signal is not None
        yield names.EXIT_BY_SIGNAL, "true" if is_by_signal else "false"
    yield from _known(
        (names.EXIT_SIGNAL, job.exit_signal), (names.EXIT_CODE, job.exit_code)
    )


def _known(*pairs: tuple[str, str | int | None]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        if value is not None:
            yield name, str(value)


def _accounting_group(job: JobRecord) -> str | None:
    """Return HTCondor's AccountingGroup, which is the group and its user."""
    parts: Sequence[str | None] = (job.accounting_group, job.accounting_group_user)
    return text(".".join(part for part in parts if part))


def _unix_s(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _unquoted(raw: str | None) -> str | None:
    """Return the value of raw ClassAd text if it is a string, else the text itself."""
    if raw is None or len(raw) < len('""') or raw[0] != '"' or raw[-1] != '"':
        return raw
    return raw[1:-1].replace('\\"', '"')
