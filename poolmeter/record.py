"""The record of one finished job: the columns of the ledger's table ``jobs``.

:class:`JobRecord` is the only definition: the Arrow schema (``poolmeter.ledger``),
the documentation and the tests read it.  A unit stands in every numeric name;
``None`` is "not measured" or "not there", never zero.  Times are aware UTC.
"""

import dataclasses
import datetime as dt
import functools
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

#: How a column is stored; ``poolmeter.ledger.schema`` maps each to an Arrow type.
StorageType = Literal[
    "string",
    "bool",
    "int8",
    "int32",
    "int64",
    "float64",
    "timestamp_ms_utc",
    "list_string",
    "map_string_string",
    "map_string_int64",
    "list_payload",
]

Int8 = Annotated[int, "int8"]
Int32 = Annotated[int, "int32"]
Int64 = Annotated[int, "int64"]
Float64 = Annotated[float, "float64"]
Text = Annotated[str, "string"]
Flag = Annotated[bool, "bool"]
Timestamp = Annotated[dt.datetime, "timestamp_ms_utc"]
Texts = Annotated[tuple[str, ...], "list_string"]
TextMap = Annotated[Mapping[str, str], "map_string_string"]
CountMap = Annotated[Mapping[str, int], "map_string_int64"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One payload that ran behind a pilot; byte counts are those of its own time."""

    at: dt.datetime | None = None
    user: str | None = None
    subject: str | None = None
    network_outgoing_internal_bytes: int | None = None
    network_outgoing_external_bytes: int | None = None
    network_outgoing_local_bytes: int | None = None
    network_incoming_internal_bytes: int | None = None
    network_incoming_external_bytes: int | None = None
    network_incoming_local_bytes: int | None = None


Payloads = Annotated[tuple[Payload, ...], "list_payload"]

JOB_STATUSES = ("completed", "removed")
CPU_SCOPES = ("all_runs", "last_run")
#: From the most to the least certain; ``missing`` has its reason in another column.
NETWORK_TRUSTS = ("journal", "signed", "partial", "unsigned", "forged", "missing")
TIME_TRUSTS = ("journal", "consistent", "contradicted")


def _column(meaning: str) -> Any:  # noqa: ANN401 - like dataclasses.field itself
    return dataclasses.field(metadata={"meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job that left the queue, completed or removed.

    Key: (schedd, cluster_id, proc_id, queued_at).
    """

    schedd: Text = _column("Name of the schedd; from the command line or configuration")
    site: Text | None = _column("site of the pool, from the configuration")
    cluster_id: Int64 = _column("ClusterId")
    proc_id: Int32 = _column("ProcId")
    global_job_id: Text | None = _column("GlobalJobId, whole; editable by the owner")
    owner: Text | None = _column("Owner")
    user: Text | None = _column("User")
    accounting_group: Text | None = _column("AcctGroup")
    accounting_group_user: Text | None = _column("AcctGroupUser")
    project: Text | None = _column("ProjectName")
    vo: Text = _column("virtual organisation by the site's ordered rules, or unknown")
    vo_source: Text = _column("rule that gave the VO, or none")
    x509_subject: Text | None = _column("x509userproxysubject")
    x509_vo_name: Text | None = _column("x509UserProxyVOName")
    x509_fqan: Text | None = _column("x509UserProxyFirstFQAN")
    token_issuer: Text | None = _column("AuthTokenIssuer, else orig_AuthTokenIssuer")
    token_subject: Text | None = _column("AuthTokenSubject, else orig_AuthTokenSubject")
    token_groups: Text | None = _column("AuthTokenGroups, else orig_AuthTokenGroups")
    payload_user: Text | None = _column("glexec_user: account of the last payload")
    payload_subject: Text | None = _column("glexec_x509userproxysubject of it")
    payload_at: Timestamp | None = _column("glexec_time: start of the last payload")
    payloads: Payloads | None = _column("all payloads of a pilot, where they are known")
    payload_trust: Text | None = _column("who tagged the payload: root or owner")
    universe: Int8 | None = _column("JobUniverse")
    job_status: Text = _column("completed (JobStatus 4) or removed (3)")
    billable: Flag = _column("whether a statement prices the job")
    unbilled_reason: Text | None = _column("why it does not")
    queued_at: Timestamp | None = _column("QDate")
    started_at: Timestamp | None = _column("JobStartDate: first start")
    last_started_at: Timestamp | None = _column("JobCurrentStartDate: last start")
    ended_at: Timestamp = _column(
        "CompletionDate if it lies between last_started_at and EnteredCurrentStatus, "
        "else EnteredCurrentStatus"
    )
    wall_s: Int64 | None = _column("RemoteWallClockTime: seconds of all runs")
    last_run_wall_s: Int64 | None = _column("LastRemoteWallClockTime")
    committed_s: Int64 | None = _column("CommittedTime: 0 for removed jobs")
    suspended_s: Int64 | None = _column("CumulativeSuspensionTime")
    runs: Int32 = _column("NumJobStarts, at least 1 where there is wall time")
    shadow_starts: Int32 | None = _column("NumShadowStarts")
    reconnects: Int32 | None = _column("NumJobReconnects")
    holds: Int32 | None = _column("NumHolds")
    vacate_reason_code: Int32 | None = _column("VacateReasonCode of the last eviction")
    cpu_user_ms: Int64 | None = _column("user CPU time in the scope of cpu_scope")
    cpu_system_ms: Int64 | None = _column("system CPU time in the scope of cpu_scope")
    cpu_scope: Text | None = _column("all_runs (Cumulative...) or last_run (Remote...)")
    cpus_milli: Int32 | None = _column(
        "thousandths of cpus occupied: CpusProvisioned, else MachineAttrCpus0, "
        "else RequestCpus"
    )
    cpus_requested_milli: Int32 | None = _column("thousandths of RequestCpus")
    gpus: Int32 | None = _column("GPUsProvisioned, else RequestGPUs")
    core_ms: Int64 | None = _column(
        "core milliseconds: CumulativeSlotTime where the slot weight is its cpus, "
        "else wall time x cpus"
    )
    memory_peak_bytes: Int64 | None = _column(
        "ResidentSetSize_RAW, else the evaluated MemoryUsage; never ImageSize"
    )
    memory_provisioned_bytes: Int64 | None = _column("MemoryProvisioned")
    memory_requested_bytes: Int64 | None = _column("RequestMemory, evaluated")
    disk_peak_bytes: Int64 | None = _column("DiskUsage_RAW")
    disk_provisioned_bytes: Int64 | None = _column("DiskProvisioned")
    network_outgoing_internal_bytes: Int64 | None = _column("NetworkOutgoingInternal")
    network_outgoing_external_bytes: Int64 | None = _column("NetworkOutgoingExternal")
    network_outgoing_local_bytes: Int64 | None = _column("NetworkOutgoingLocal")
    network_incoming_internal_bytes: Int64 | None = _column("NetworkIncomingInternal")
    network_incoming_external_bytes: Int64 | None = _column("NetworkIncomingExternal")
    network_incoming_local_bytes: Int64 | None = _column("NetworkIncomingLocal")
    network_other_bytes: CountMap | None = _column(
        "further Network... attributes that the configuration names; never priced"
    )
    network_trust: Text = _column(
        "journal, signed, partial (a lower bound), unsigned, forged or missing"
    )
    network_missing_reason: Text | None = _column("why the counts are missing")
    time_trust: Text = _column("journal, consistent or contradicted")
    contradictions: Texts = _column("names of what in the ad contradicts itself")
    transfer_in_bytes: Int64 | None = _column("BytesRecvd: HTCondor's file transfer")
    transfer_out_bytes: Int64 | None = _column("BytesSent: HTCondor's file transfer")
    last_remote_host: Text | None = _column("LastRemoteHost")
    execute_site: Text | None = _column("resource or site name of the pilot it ran in")
    execute_pool: Text | None = _column("LastRemotePool: pool flocked to")
    exit_code: Int32 | None = _column("ExitCode")
    exit_signal: Int32 | None = _column("ExitSignal, only where ExitBySignal is true")
    removal_reason: Text | None = _column("RemoveReason")
    hold_reason: Text | None = _column("HoldReason, else LastHoldReason")
    hold_reason_code: Int32 | None = _column("the code that belongs to hold_reason")
    hold_reason_subcode: Int32 | None = _column("the subcode that belongs to it")
    dag_job_id: Int64 | None = _column("DAGManJobId")
    routed_from: Text | None = _column("RoutedFromJobId")
    routed_to: Text | None = _column("RoutedToJobId")
    benchmark_scaling: Float64 | None = _column(
        "MachineAttrApelScaling0 or the configured attribute"
    )
    extra: TextMap | None = _column(
        "attributes that the configuration names, as raw ClassAd text"
    )
    revision: Int32 = _column("0 from history; raised by reconcile, remap and upgrade")


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, how it is stored, whether it may be null, its meaning."""

    name: str
    storage: StorageType
    nullable: bool
    meaning: str


@functools.cache
def job_columns() -> tuple[Column, ...]:
    """Return the columns of :class:`JobRecord` in their order.

    >>> {c.name: c.storage for c in job_columns()}["queued_at"]
    'timestamp_ms_utc'
    """
    return columns_of(JobRecord)


def columns_of(record: type[Any]) -> tuple[Column, ...]:
    """Return the columns that the dataclass *record* declares, in their order."""
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(
        _as_column(field, hints[field.name]) for field in dataclasses.fields(record)
    )


def _as_column(field: "dataclasses.Field[Any]", hint: object) -> Column:
    nullable = isinstance(hint, types.UnionType) or typing.get_origin(hint) is (
        typing.Union
    )
    if nullable:
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    (storage,) = typing.cast("Any", hint).__metadata__
    return Column(field.name, storage, nullable, field.metadata["meaning"])


#: The six counted classes, in the order of ``attributes.NETWORK_COUNTS``.
NETWORK_COLUMNS = (
    "network_outgoing_internal_bytes",
    "network_outgoing_external_bytes",
    "network_outgoing_local_bytes",
    "network_incoming_internal_bytes",
    "network_incoming_external_bytes",
    "network_incoming_local_bytes",
)

#: What makes a job one job; a key that is there is never inserted again.
JOB_KEY = ("schedd", "cluster_id", "proc_id", "queued_at")
