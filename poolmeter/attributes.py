"""Every ClassAd attribute that poolmeter reads or writes: name, unit, meaning, once.

Meanings are those of the HTCondor manual (Job ClassAd Attributes), sharpened by
what was measured on real pools; the names of 2011 (``Network*``, ``glexec_*``)
are kept.  ClassAd names are case-insensitive, so look-ups fold case.
No other module spells an attribute's name.
"""

from typing import Self


class Attribute(str):
    """An attribute's name, carrying its unit and its meaning.

    >>> REMOTE_WALL_CLOCK_TIME, REMOTE_WALL_CLOCK_TIME.unit
    ('RemoteWallClockTime', 's')
    """

    __slots__ = ("meaning", "unit")
    unit: str
    meaning: str

    def __new__(cls, name: str, unit: str, meaning: str) -> Self:
        """Return *name* with its *unit* and *meaning*."""
        attribute = super().__new__(cls, name)
        attribute.unit = unit
        attribute.meaning = meaning
        return attribute


_A = Attribute

# --- identity -----------------------------------------------------------------
CLUSTER_ID = _A("ClusterId", "id", "cluster of the job")
PROC_ID = _A("ProcId", "id", "process within the cluster")
GLOBAL_JOB_ID = _A("GlobalJobId", "text", "opaque; editable by the owner")
OWNER = _A("Owner", "text", "account; not editable")
USER = _A("User", "text", "owner@domain")
ACCT_GROUP = _A("AcctGroup", "text", "accounting group without the user")
ACCT_GROUP_USER = _A("AcctGroupUser", "text", "user within the accounting group")
PROJECT_NAME = _A("ProjectName", "text", "project that the owner names")
X509_SUBJECT = _A("x509userproxysubject", "text", "subject of the proxy")
X509_VO_NAME = _A("x509UserProxyVOName", "text", "VO of the proxy's VOMS extension")
X509_FQAN = _A("x509UserProxyFirstFQAN", "text", "first FQAN of the proxy")
TOKEN_ISSUER = _A("AuthTokenIssuer", "text", "issuer of the submitter's token")
TOKEN_SUBJECT = _A("AuthTokenSubject", "text", "subject of the submitter's token")
TOKEN_GROUPS = _A("AuthTokenGroups", "text", "groups of the submitter's token")
ORIG_TOKEN_ISSUER = _A("orig_AuthTokenIssuer", "text", "the same behind a CE's route")
ORIG_TOKEN_SUBJECT = _A("orig_AuthTokenSubject", "text", "the same behind a CE's route")
ORIG_TOKEN_GROUPS = _A("orig_AuthTokenGroups", "text", "the same behind a CE's route")

# --- state and times ------------------------------------------------------------
JOB_UNIVERSE = _A(
    "JobUniverse", "code", "5 vanilla, 7 scheduler, 9 grid, 12 local, ..."
)
JOB_STATUS = _A("JobStatus", "code", "3 removed, 4 completed")
LAST_JOB_STATUS = _A("LastJobStatus", "code", "status before the present one")
Q_DATE = _A("QDate", "Unix s", "submission; editable by the owner")
JOB_MATERIALIZE_DIGEST_FILE = _A(
    "JobMaterializeDigestFile", "text", "in jobs that are made long after their QDate"
)
JOB_START_DATE = _A("JobStartDate", "Unix s", "first start of a shadow")
JOB_CURRENT_START_DATE = _A("JobCurrentStartDate", "Unix s", "start of the last run")
JOB_CURRENT_START_EXECUTING_DATE = _A(
    "JobCurrentStartExecutingDate", "Unix s", "the executable began, in the last run"
)
SHADOW_BDAY = _A("ShadowBday", "Unix s", "start of the present shadow")
EPOCH_WRITE_DATE = _A("EpochWriteDate", "Unix s", "when a run was written down")
COMPLETION_DATE = _A("CompletionDate", "Unix s", "0 or absent for removed jobs")
ENTERED_CURRENT_STATUS = _A("EnteredCurrentStatus", "Unix s", "end, for an ended job")
LEAVE_JOB_IN_QUEUE = _A("LeaveJobInQueue", "bool", "may keep an ended job for days")
REMOTE_WALL_CLOCK_TIME = _A("RemoteWallClockTime", "s", "wall time of all runs")
LAST_REMOTE_WALL_CLOCK_TIME = _A("LastRemoteWallClockTime", "s", "of the last run")
COMMITTED_TIME = _A("CommittedTime", "s", "0 for removed jobs; never priced")
CUMULATIVE_SUSPENSION_TIME = _A("CumulativeSuspensionTime", "s", "of all runs")
NUM_JOB_STARTS = _A("NumJobStarts", "count", "runs that reached the executable")
NUM_SHADOW_STARTS = _A("NumShadowStarts", "count", "shadows, failed ones included")
NUM_JOB_RECONNECTS = _A("NumJobReconnects", "count", "shadow found its starter again")
NUM_HOLDS = _A("NumHolds", "count", "times that the job was held")
TICKET_OF_EXECUTION = _A("ToE", "ad", "who ended the last run that ended, and when")
VACATE_REASON = _A("VacateReason", "text", "why the last run was evicted")
VACATE_REASON_CODE = _A("VacateReasonCode", "code", "why the last run was evicted")
LAST_VACATE_TIME = _A("LastVacateTime", "Unix s", "end of the last run cut short")

# --- CPU, memory, disk --------------------------------------------------------
CUMULATIVE_REMOTE_USER_CPU = _A("CumulativeRemoteUserCpu", "s", "all runs, from 8.8")
CUMULATIVE_REMOTE_SYS_CPU = _A("CumulativeRemoteSysCpu", "s", "all runs, from 8.8")
REMOTE_USER_CPU = _A("RemoteUserCpu", "s", "of the last run only")
REMOTE_SYS_CPU = _A("RemoteSysCpu", "s", "of the last run only")
CPUS_PROVISIONED = _A("CpusProvisioned", "cpus", "cpus of the slot")
MACHINE_ATTR_CPUS = _A("MachineAttrCpus0", "cpus", "the last slot's own word")
MACHINE_ATTR_SLOT_WEIGHT = _A("MachineAttrSlotWeight0", "cpus", "weight of a second")
REQUEST_CPUS = _A("RequestCpus", "cpus", "asked for; may be an expression")
CUMULATIVE_SLOT_TIME = _A(
    "CumulativeSlotTime", "weight s", "wall x slot weight, all runs"
)
GPUS_PROVISIONED = _A("GPUsProvisioned", "GPUs", "GPUs of the slot")
REQUEST_GPUS = _A("RequestGPUs", "GPUs", "asked for")
RESIDENT_SET_SIZE = _A("ResidentSetSize", "KiB", "peak, rounded up; never read")
IMAGE_SIZE = _A("ImageSize", "KiB", "virtual size, rounded up; never read")
IMAGE_SIZE_RAW = _A("ImageSize_RAW", "KiB", "virtual size; never read")
RESIDENT_SET_SIZE_RAW = _A("ResidentSetSize_RAW", "KiB", "peak, not rounded")
MEMORY_USAGE = _A("MemoryUsage", "MiB", "an expression over the rounded size")
MEMORY_PROVISIONED = _A("MemoryProvisioned", "MiB", "memory of the slot")
REQUEST_MEMORY = _A("RequestMemory", "MiB", "asked for; may be an expression")
DISK_USAGE_RAW = _A("DiskUsage_RAW", "KiB", "peak of the scratch folder, not rounded")
DISK_PROVISIONED = _A("DiskProvisioned", "KiB", "disk of the slot")

# --- network --------------------------------------------------------------------
NETWORK_OUTGOING_INTERNAL = _A("NetworkOutgoingInternal", "bytes", "sent to campus")
NETWORK_INCOMING_INTERNAL = _A("NetworkIncomingInternal", "bytes", "got from campus")
NETWORK_OUTGOING_EXTERNAL = _A("NetworkOutgoingExternal", "bytes", "sent elsewhere")
NETWORK_INCOMING_EXTERNAL = _A("NetworkIncomingExternal", "bytes", "got from elsewhere")
NETWORK_OUTGOING_LOCAL = _A("NetworkOutgoingLocal", "bytes", "sent to the own node")
NETWORK_INCOMING_LOCAL = _A("NetworkIncomingLocal", "bytes", "got from the own node")
POOLMETER_UNMEASURED = _A("PoolmeterUnmeasured", "text", "why nothing was counted")
WANT_DOCKER = _A("WantDocker", "bool", "docker job, counted by nobody")
BYTES_RECVD = _A("BytesRecvd", "bytes", "HTCondor's own transfer to the job")
BYTES_SENT = _A("BytesSent", "bytes", "HTCondor's own transfer from the job")

#: The six counted classes, in the order of the ledger's columns.
NETWORK_COUNTS = (
    NETWORK_OUTGOING_INTERNAL,
    NETWORK_OUTGOING_EXTERNAL,
    NETWORK_OUTGOING_LOCAL,
    NETWORK_INCOMING_INTERNAL,
    NETWORK_INCOMING_EXTERNAL,
    NETWORK_INCOMING_LOCAL,
)

# --- payloads behind a pilot ------------------------------------------------------
GLEXEC_USER = _A("glexec_user", "text", "account of the last payload")
GLEXEC_SUBJECT = _A(
    "glexec_x509userproxysubject", "text", "subject of the last payload"
)
GLEXEC_TIME = _A("glexec_time", "Unix s", "start of the last payload")

# --- where it ran and how it ended --------------------------------------------------
REMOTE_HOST = _A("RemoteHost", "text", "slot of the present run")
REMOTE_POOL = _A("RemotePool", "text", "pool that the present run flocked to")
LAST_REMOTE_HOST = _A("LastRemoteHost", "text", "slot of the last run")
LAST_REMOTE_POOL = _A("LastRemotePool", "text", "pool flocked to")
STARTD_PRINCIPAL = _A("StartdPrincipal", "text", "the startd's identity; slot evidence")
LAST_PUBLIC_CLAIM_ID = _A("LastPublicClaimId", "text", "claim of the last run")
MACHINE_ATTR_GLIDEIN_RESOURCE = _A(
    "MachineAttrGLIDEIN_ResourceName0", "text", "resource of the pilot"
)
MATCH_GLIDEIN_RESOURCE = _A(
    "MATCH_EXP_JOBGLIDEIN_ResourceName", "text", "resource of the pilot"
)
MATCH_GLIDEIN_SITE = _A("MATCH_EXP_JOBGLIDEIN_Site", "text", "site of the pilot")
MATCH_GLIDEIN_CMS_SITE = _A("MATCH_EXP_JOBGLIDEIN_CMSSite", "text", "CMS site of it")
EXIT_CODE = _A("ExitCode", "code", "exit status of the last run")
EXIT_BY_SIGNAL = _A("ExitBySignal", "bool", "the last run died of a signal")
EXIT_SIGNAL = _A("ExitSignal", "code", "may be left over from an evicted run")
REMOVE_REASON = _A("RemoveReason", "text", "why the job was removed")
HOLD_REASON = _A("HoldReason", "text", "why it is held")
HOLD_REASON_CODE = _A("HoldReasonCode", "code", "kind of hold")
HOLD_REASON_SUBCODE = _A("HoldReasonSubCode", "code", "detail of the kind")
LAST_HOLD_REASON = _A("LastHoldReason", "text", "why it was held before")
LAST_HOLD_REASON_CODE = _A("LastHoldReasonCode", "code", "kind of that hold")
LAST_HOLD_REASON_SUBCODE = _A("LastHoldReasonSubCode", "code", "detail of that hold")
DAGMAN_JOB_ID = _A("DAGManJobId", "id", "cluster of the DAGMan above")
ROUTED_FROM_JOB_ID = _A("RoutedFromJobId", "text", "source of a routed job")
ROUTED_TO_JOB_ID = _A("RoutedToJobId", "text", "the routed copy of a source job")
MACHINE_ATTR_APEL_SCALING = _A("MachineAttrApelScaling0", "ratio", "speed of the node")

#: Where a job ran, the most exact name first.
EXECUTE_SITE_SOURCES = (
    MACHINE_ATTR_GLIDEIN_RESOURCE,
    MATCH_GLIDEIN_RESOURCE,
    MATCH_GLIDEIN_SITE,
    MATCH_GLIDEIN_CMS_SITE,
)


def known_attributes() -> tuple[Attribute, ...]:
    """Return every attribute defined here, in the order of definition."""
    return tuple(value for value in globals().values() if isinstance(value, Attribute))
