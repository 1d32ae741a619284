"""The record of one run of a job: the columns of the ledger's table ``runs``.

A run is one execution attempt, from the start of its shadow to the moment at which
that wrote the run into the epoch history.  What names and prices a run is repeated
from its ad, so that a run of a job that is still queued can be charged.

The network counts are sums over this run and all before it, as the ad holds them:
files of an epoch history are read in any order, and what one run moved is a
difference to the run before it (``poolmeter.ledger.run_differences``).
"""

import dataclasses
import functools
from typing import Any

from poolmeter.record import (
    Column,
    Flag,
    Int8,
    Int32,
    Int64,
    Text,
    Texts,
    Timestamp,
    columns_of,
)

#: How a run ended, as far as its ad tells.
RUN_ENDINGS = ("exited", "evicted", "held", "lost")


def _column(meaning: str) -> Any:  # noqa: ANN401 - like dataclasses.field itself
    return dataclasses.field(metadata={"meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of a job, of one that may still be queued.

    Key: (schedd, cluster_id, proc_id, queued_at, run).
    """

    schedd: Text = _column("Name of the schedd; from the command line or configuration")
    site: Text | None = _column("site of the pool, from the configuration")
    cluster_id: Int64 = _column("ClusterId")
    proc_id: Int32 = _column("ProcId")
    queued_at: Timestamp | None = _column("QDate")
    run: Int32 = _column("RunInstanceId of the banner, from 0")
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
    payload_trust: Text | None = _column("who tagged the payload: root or owner")
    universe: Int8 | None = _column("JobUniverse")
    billable: Flag = _column("whether a statement prices the run")
    unbilled_reason: Text | None = _column("why it does not")
    started_at: Timestamp = _column("JobCurrentStartDate, else ShadowBday")
    ended_at: Timestamp = _column("EpochWriteDate: when the shadow wrote the run down")
    wall_s: Int64 = _column("from started_at to ended_at, 0 where the start is later")
    ending: Text = _column(
        "exited, evicted, held (where VacateReasonCode tells; 23.9.6 does not), or lost"
    )
    cpu_user_ms: Int64 | None = _column("RemoteUserCpu: a lower bound if evicted")
    cpu_system_ms: Int64 | None = _column("RemoteSysCpu: a lower bound if evicted")
    cpus_milli: Int32 | None = _column(
        "thousandths of cpus occupied: CpusProvisioned, else MachineAttrCpus0, "
        "else RequestCpus"
    )
    gpus: Int32 | None = _column("GPUsProvisioned, else RequestGPUs")
    memory_provisioned_bytes: Int64 | None = _column("MemoryProvisioned")
    memory_requested_bytes: Int64 | None = _column("RequestMemory, evaluated")
    network_outgoing_internal_sum_bytes: Int64 | None = _column(
        "NetworkOutgoingInternal at the run's end: of this run and all before it"
    )
    network_outgoing_external_sum_bytes: Int64 | None = _column("likewise, External")
    network_outgoing_local_sum_bytes: Int64 | None = _column("likewise, Local")
    network_incoming_internal_sum_bytes: Int64 | None = _column(
        "NetworkIncomingInternal at the run's end: of this run and all before it"
    )
    network_incoming_external_sum_bytes: Int64 | None = _column("likewise, External")
    network_incoming_local_sum_bytes: Int64 | None = _column("likewise, Local")
    network_trust: Text = _column("as in the table jobs")
    network_missing_reason: Text | None = _column("why the counts are missing")
    time_trust: Text = _column("consistent or contradicted")
    contradictions: Texts = _column("names of what in the ad contradicts itself")
    remote_host: Text | None = _column("RemoteHost: the slot of this run")
    execute_site: Text | None = _column("resource or site name of the pilot it ran in")
    execute_pool: Text | None = _column("RemotePool: pool flocked to")
    exit_code: Int32 | None = _column("ExitCode, of a run that exited")
    exit_signal: Int32 | None = _column("ExitSignal, where it died of a signal")
    vacate_reason: Text | None = _column("VacateReason, of a run that was ended")
    vacate_reason_code: Int32 | None = _column("VacateReasonCode of it")
    dag_job_id: Int64 | None = _column("DAGManJobId")
    routed_from: Text | None = _column("RoutedFromJobId")
    revision: Int32 = _column("0 from an epoch history; raised by remap and upgrade")


@functools.cache
def run_columns() -> tuple[Column, ...]:
    """Return the columns of :class:`RunRecord` in their order.

    >>> [c.name for c in run_columns() if c.storage == "bool"]
    ['billable']
    """
    return columns_of(RunRecord)


#: The six counted classes as sums, in the order of ``attributes.NETWORK_COUNTS``.
NETWORK_SUM_COLUMNS = (
    "network_outgoing_internal_sum_bytes",
    "network_outgoing_external_sum_bytes",
    "network_outgoing_local_sum_bytes",
    "network_incoming_internal_sum_bytes",
    "network_incoming_external_sum_bytes",
    "network_incoming_local_sum_bytes",
)

#: What makes a run one run.
RUN_KEY = ("schedd", "cluster_id", "proc_id", "queued_at", "run")
