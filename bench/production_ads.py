"""Job ads like those of a busy pool, as many and as different as wanted.

About 190 attributes and 8 kB an ad, the same for the same number: what HTCondor 23.9
writes for a job that ran in a pilot, with the attributes that glideins, a workflow
system and poolmeter's own counting add.  All names and values are invented.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence

from bench import hostile_ads

Ad = dict[str, "str | At | Numbered"]

#: The end of the first job; each next one ends a second or two later.
FIRST_END_S = 1_762_776_000
FIRST_CLUSTER = 1_000_000
SCHEDD = "ap1.bench.example"
#: One ad in so many holds something that no ordinary job has.
HOSTILE_EVERY = 500


@dataclasses.dataclass(frozen=True, slots=True)
class At:
    """A time: so many seconds before the job's end."""

    before_end_s: int


@dataclasses.dataclass(frozen=True, slots=True)
class Numbered:
    """A text with ``%d`` where the cluster stands, and then the time of queueing."""

    text: str
    before_end_s: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ProductionAd:
    """An ad that can be written again and again, each time with new ids and dates."""

    template: bytes
    fields: Sequence[int | None]  # seconds before the end; None is the cluster
    owner: str
    completed: bool

    def record(self, cluster: int, end_s: int) -> bytes:
        """Return ad and banner of the job *cluster*.0, which ended at *end_s*."""
        values = (cluster if b is None else end_s - b for b in self.fields)
        date = end_s if self.completed else -1
        banner = (
            f"*** Offset = 0 ClusterId = {cluster} ProcId = 0 "
            f'Owner = "{self.owner}" CompletionDate = {date}\n'
        )
        return self.template % (*values,) + banner.encode()


def production_ads(count: int, *, hostile: bool = True) -> list[ProductionAd]:
    """Return *count* different ads; one in ``HOSTILE_EVERY`` is hostile, if wanted."""
    return [
        _compiled(_ad(number, is_hostile=hostile and not (number + 1) % HOSTILE_EVERY))
        for number in range(count)
    ]


def history(
    ads: Sequence[ProductionAd], jobs: int, *, first: int = 0
) -> Iterator[bytes]:
    """Yield the records of *jobs* jobs, from number *first* on: *ads* in turn."""
    for number in range(first, first + jobs):
        end_s = FIRST_END_S + number * 3 // 2
        yield ads[number % len(ads)].record(FIRST_CLUSTER + number, end_s)


def _compiled(ad: Ad) -> ProductionAd:
    fields: list[int | None] = []
    lines: list[str] = []
    for name in sorted(ad):
        value = ad[name]
        match value:
            case At(before_end_s):
                fields.append(before_end_s)
                text = "%d"
            case Numbered(text, before_end_s):
                fields.append(None)
                fields += [] if before_end_s is None else [before_end_s]
            case str():
                text = value.replace("%", "%%")
        lines.append(f"{name} = {text}\n")
    owner, status = ad["Owner"], ad["JobStatus"]
    assert isinstance(owner, str)  # noqa: S101 - made above
    return ProductionAd(
        "".join(lines).encode(), fields, owner.strip('"'), completed=status == "4"
    )


def _ad(number: int, *, is_hostile: bool) -> Ad:
    rng = random.Random(f"production {number}")
    ad = _job(rng)
    if is_hostile:
        hostile_ads.spoil(ad, rng)
    return ad


def _job(rng: random.Random) -> Ad:
    wall_s = int(rng.lognormvariate(8.5, 1.3)) + 1
    waited_s = int(rng.expovariate(1 / 3000)) + 1
    cpus = rng.choice((1, 1, 1, 2, 4, 8, 8, 16))
    return {
        **_constant(),
        **_who(rng),
        **_what(rng),
        **_when(rng, wall_s, waited_s, cpus),
        **_size(rng, cpus),
        **_where(rng, cpus),
        **_counted(rng),
        **_odd(rng, wall_s),
    }


def _constant() -> Ad:
    zeros = (
        *("BlockReadKbytes", "BlockReads", "BlockWriteKbytes", "BlockWrites"),
        *("RecentBlockReadKbytes", "RecentBlockReads", "RecentBlockWriteKbytes"),
        *("RecentBlockWrites", "CommittedSuspensionTime", "CumulativeSuspensionTime"),
        *("CurrentHosts", "ExitStatus", "JobNotification", "LastSuspensionTime"),
        *("LocalSysCpu", "LocalUserCpu", "NumCkpts", "NumCkpts_RAW", "NumRestarts"),
        *("NumSystemHolds", "TotalSuspensions", "CoreSize", "JobSubmitMethod"),
        *("ActivationTeardownDuration", "JobCurrentReconnectAttempt"),
    )
    no = (
        *("EncryptExecuteDirectory", "NiceUser", "OnExitHold", "PeriodicHold"),
        *("SpoolOnEvict", "StreamErr", "StreamOut", "TransferErr", "TransferIn"),
        *("TransferOut", "WantCheckpoint", "WantRemoteSyscalls", "LeaveJobInQueue"),
        *("WantIOProxy", "PreserveRelativePaths", "UseProxyRenewal"),
    )
    ones = ("MaxHosts", "MinHosts", "OrigMaxHosts", "TotalSubmitProcs", "NumJobMatches")
    return {
        **dict.fromkeys(zeros, "0"),
        **dict.fromkeys(no, "false"),
        **dict.fromkeys(ones, "1"),
        "BufferBlockSize": "32768",
        "BufferSize": "524288",
        "CondorPlatform": '"$CondorPlatform: X86_64-Debian_13 $"',
        "CondorVersion": '"$CondorVersion: 23.9.6 2026-07-12 PackageID: 23.9.6-2.1 $"',
        "FileSystemDomain": '"bench.example"',
        "JobLeaseDuration": "2400",
        "JobPrio": "10",
        "KillSig": '"SIGTERM"',
        "MyType": '"Job"',
        "OnExitRemove": "true",
        "PeriodicRelease": "(HoldReasonCode == 28) || (HoldReasonCode == 13)",
        "PeriodicRemove": "((JobStatus =?= 5) && (time() - EnteredCurrentStatus > 420))"
        " || ((JobStatus =?= 2) && (MemoryUsage =!= undefined) && "
        "(MemoryUsage > RequestMemory * 2))",
        "ProcId": "0",
        "Rank": "0.0",
        "Requirements": '(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && '
        "(TARGET.HAS_CVMFS_software =?= true) && (TARGET.Disk >= RequestDisk) && "
        "(TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && "
        '(stringListMember(TARGET.GLIDEIN_Site, DESIRED_SITES, ",") =?= true)',
        "RootDir": '"/"',
        "ShouldTransferFiles": '"YES"',
        "StatsLifetimeStarter": "3000",
        "RecentStatsLifetimeStarter": "1200",
        "TargetType": '"Machine"',
        "TaskType": '"Job"',
        "TerminationPending": "true",
        "TransferInputStats": "[  ]",
        "WhenToTransferOutput": '"ON_EXIT_OR_EVICT"',
    }


def _who(rng: random.Random) -> Ad:
    vo = rng.choice(("cms", "cms", "atlas", "ligo", "icecube", "dune"))
    owner = f"{vo}{rng.randrange(300):03}"
    subject = f'"/DC=org/DC=example/OU=People/CN={owner}/CN=Somebody {owner}"'
    ad: Ad = {
        "AccountingGroup": f'"group_{vo}.prod.{owner}"',
        "AcctGroup": f'"group_{vo}.prod"',
        "AcctGroupUser": f'"{owner}"',
        "Owner": f'"{owner}"',
        "ProjectName": f'"{vo}-{rng.randrange(40)}"',
        "User": f'"{owner}@bench.example"',
        "x509UserProxyEmail": f'"{owner}@people.example"',
        "x509UserProxyExpiration": At(-86_400 * 3),
        "x509UserProxyFQAN": f'"{subject[1:-1]},/{vo}/Role=production,/{vo}"',
        "x509UserProxyFirstFQAN": f'"/{vo}/Role=production/Capability=NULL"',
        "x509UserProxyVOName": f'"{vo}"',
        "x509userproxy": f'"/home/{owner}/x509up_u{rng.randrange(10**5)}"',
        "x509userproxysubject": subject,
    }
    if rng.random() < 0.3:  # noqa: PLR2004 - three in ten came with a token
        ad["AuthTokenIssuer"] = f'"https://{vo}-auth.example/"'
        ad["AuthTokenSubject"] = f'"{rng.getrandbits(64):016x}"'
        ad["AuthTokenGroups"] = f'"/{vo},/{vo}/production"'
    if rng.random() < 0.2:  # noqa: PLR2004 - two in ten are pilots
        ad["glexec_user"] = f'"payload{rng.randrange(900)}"'
        ad["glexec_x509userproxysubject"] = subject
        ad["glexec_time"] = At(rng.randrange(600))
    return ad


def _what(rng: random.Random) -> Ad:
    task = f"{rng.getrandbits(48):012x}"
    lfn = f"/store/user/task_{task}/{rng.choice('ABCDEF')}_13TeV/v{rng.randrange(9)}"
    spool = f"/var/spool/workflow/{rng.randrange(10**4)}/0"
    return {
        "Arguments": f'"--task={task} --number={rng.randrange(10**5)} --seeding=Auto'
        ' --software=SIM_15_2_7 --arch=el9_amd64_gcc13 --input=\\"a, b\\" '
        f'--lumis=lumis_{task}.json --events={rng.randrange(10**6)} --first=1"',
        "ClusterId": Numbered("%d"),
        "Cmd": f'"{spool}/run.sh"',
        "DAGManJobId": str(rng.randrange(10**6)),
        "DAGNodeName": f'"Job{rng.randrange(10**4)}"',
        "DAGParentNodeNames": '""',
        "DESIRED_Archs": '"X86_64"',
        "DESIRED_SITES": f'"{",".join(rng.sample(_SITES, rng.randrange(1, 12)))}"',
        "EnvDelim": '";"',
        "Environment": f'"TASK={task} OMP_NUM_THREADS=1 SOFTWARE=/cvmfs/sw.example/x"',
        "Err": f'"{spool}/job_err.{rng.randrange(10**4)}"',
        "ExecutableSize": "10",
        "ExecutableSize_RAW": "7",
        "In": '"/dev/null"',
        "Iwd": f'"{spool}"',
        "JobUniverse": "5",
        "Out": f'"{spool}/job_out.{rng.randrange(10**4)}"',
        "StageoutPolicy": '"local,remote"',
        "SubmitEventNotes": f'"DAG Node: Job{rng.randrange(10**4)}"',
        "TransferInput": '"run.sh,sandbox.tar.gz,lumis.tar.gz,input_files.tar.gz"',
        "TransferInputSizeMB": str(rng.randrange(60)),
        "TransferOutput": f'"report.json.{rng.randrange(10**4)}"',
        "UserLog": f'"{spool}/job_log"',
        **{f"WF_Setting{n}": f'"{lfn}/{n}"' for n in range(8)},
        "WF_Sites": "{ " + ", ".join(f'"{s}"' for s in rng.sample(_SITES, 3)) + " }",
        "WF_Retry": str(rng.randrange(3)),
        "WF_Group": "undefined",
    }


def _when(rng: random.Random, wall_s: int, waited_s: int, cpus: int) -> Ad:
    began = At(wall_s + 1)
    queued_s = wall_s + waited_s
    runs = 1 + (rng.random() < 0.05)  # noqa: PLR2004 - one in twenty ran twice
    earlier_s = (runs - 1) * rng.randrange(1, 5000)
    all_s = wall_s + earlier_s
    user_s = int(all_s * cpus * rng.uniform(0.5, 0.97))
    setup_s = min(wall_s, rng.randrange(30))
    return {
        "ActivationDuration": str(wall_s),
        "ActivationExecutionDuration": str(wall_s - setup_s),
        "ActivationSetupDuration": str(setup_s),
        "CommittedSlotTime": f"{wall_s * cpus}.0",
        "CommittedTime": str(wall_s),
        "CompletionDate": At(0),
        "CpusUsage": repr(rng.uniform(0.5, 1) * cpus),
        "CumulativeRemoteSysCpu": f"{all_s // 40}.0",
        "CumulativeRemoteUserCpu": f"{user_s}.0",
        "CumulativeSlotTime": f"{all_s * cpus}.0",
        "EnteredCurrentStatus": At(0),
        "GlobalJobId": Numbered(f'"{SCHEDD}#%d.0#%d"', queued_s + earlier_s),
        "JobCurrentFinishTransferInputDate": At(wall_s - setup_s),
        "JobCurrentStartDate": began,
        "JobCurrentStartExecutingDate": At(wall_s - setup_s),
        "JobCurrentStartTransferInputDate": At(wall_s),
        "JobFinishedHookDone": At(0),
        "JobRunCount": str(runs),
        "JobStartDate": At(wall_s + 1 + earlier_s),
        "JobStatus": "4",
        "LastJobLeaseRenewal": At(0),
        "LastJobStatus": "2",
        "LastMatchTime": began,
        "LastRemoteWallClockTime": f"{wall_s}.0",
        "NumJobCompletions": "1",
        "NumJobStarts": str(runs),
        "NumShadowStarts": str(runs),
        "QDate": At(queued_s + earlier_s),
        "RemoteSysCpu": f"{wall_s // 40}.0",
        "RemoteUserCpu": f"{user_s * wall_s // all_s}.0",
        "RemoteWallClockTime": f"{all_s}.0",
        "TransferInFinished": At(wall_s - setup_s),
        "TransferInStarted": At(wall_s),
        "TransferOutFinished": At(0),
        "TransferOutStarted": At(0),
    }


def _size(rng: random.Random, cpus: int) -> Ad:
    resident_kib = int(rng.lognormvariate(13, 1)) + 1
    disk_kib = rng.randrange(1000, 10**7)
    memory_mib = cpus * rng.choice((1000, 2000, 2500))
    return {
        "BytesRecvd": f"{rng.randrange(10**8)}.0",
        "BytesSent": f"{rng.randrange(10**8)}.0",
        "CpusProvisioned": str(cpus),
        "DiskProvisioned": str(disk_kib * 2),
        "DiskUsage": str(disk_kib // 2500 * 2500 + 2500),
        "DiskUsage_RAW": str(disk_kib),
        "GPUsProvisioned": "0",
        "ImageSize": str(resident_kib // 250_000 * 250_000 + 250_000),
        "ImageSize_RAW": str(resident_kib + 900),
        "MemoryProvisioned": str(memory_mib),
        "MemoryUsage": "((ResidentSetSize + 1023) / 1024)",
        "RequestCpus": str(cpus),
        "RequestDisk": rng.choice(("DiskUsage", "100000")),
        "RequestMemory": rng.choice((_DEFAULT_REQUEST, *(str(memory_mib),) * 9)),
        "ResidentSetSize": str(resident_kib // 250_000 * 250_000 + 250_000),
        "ResidentSetSize_RAW": str(resident_kib),
        "ScratchDirFileCount": str(rng.randrange(3000)),
    }


def _where(rng: random.Random, cpus: int) -> Ad:
    site = rng.choice(_SITES)
    entry = f"{site}_ce{rng.randrange(9)}"
    host = f"wn{rng.randrange(900):03}.{site.lower()}.example"
    glidein = {
        "ClusterId": str(rng.randrange(10**6)),
        "Entry_Name": entry,
        "Factory": "factory.bench",
        "Job_Max_Time": "34800",
        "MaxMemMBs": str(cpus * 2500),
        "Max_Walltime": "257400",
        "Memory": str(cpus * 2500),
        "Name": "v3_11",
        "ProcId": "0",
        "ResourceName": site,
        "SEs": f"se.{site.lower()}.example",
        "Schedd": f"glideins{rng.randrange(9)}@factory.bench.example",
        "Site": site,
        "SiteWMS": "HTCondor",
        "SiteWMS_JobId": str(rng.randrange(10**8)),
        "SiteWMS_Queue": "default",
        "ToDie": str(rng.randrange(10**9)),
        "ToRetire": str(rng.randrange(10**9)),
    }
    return {
        **{f"MATCH_EXP_JOB_GLIDEIN_{n}": f'"{v}"' for n, v in glidein.items()},
        **{
            f"MATCH_GLIDEIN_{n}": v if v.isdecimal() else f'"{v}"'
            for n, v in glidein.items()
        },
        "LastPublicClaimId": f'"<10.1.{rng.randrange(250)}.{rng.randrange(250)}:9618>'
        f'#17953384{rng.randrange(100):02}#{rng.randrange(3000)}#..."',
        "LastRemoteHost": f'"slot1_{rng.randrange(1, 65)}@'
        f'glidein_{rng.randrange(10**5)}_{rng.randrange(10**6)}@{host}"',
        "MATCH_EXP_JOBGLIDEIN_CMSSite": f'"{site}"',
        "MachineAttrCpus0": str(cpus),
        "MachineAttrGLIDEIN_ResourceName0": f'"{site}"',
        "MachineAttrSlotWeight0": str(cpus),
        "StartdPrincipal": f'"execute-side@matchsession/10.2.0.{rng.randrange(250)}"',
    }


def _counted(rng: random.Random) -> Ad:
    if rng.random() < 0.2:  # noqa: PLR2004 - two nodes in ten do not count
        return {}
    names = (f"Network{way}" for way in ("Incoming", "Outgoing"))
    return {
        f"{name}{place}": str(int(rng.lognormvariate(17, 3)))
        for name in names
        for place in ("External", "Internal", "Local")
    }


def _odd(rng: random.Random, wall_s: int) -> Ad:
    """Return how the job ended: most exit with 0, a few fail, are killed or removed."""
    dice = rng.random()
    code = "0" if dice < 0.9 else str(rng.randrange(1, 256))  # noqa: PLR2004
    ad: Ad = {
        "ExitBySignal": "false",
        "ExitCode": code,
        "ToE": '[ Who = "itself"; How = "OF_ITS_OWN_ACCORD"; HowCode = 0; '
        f"When = {FIRST_END_S + wall_s}; ExitBySignal = false; ExitCode = {code} ]",
        "TransferOutputStats": "[ CedarFilesCountTotal = 2; CedarSizeBytesTotal = "
        f"{rng.randrange(10**7)}; CedarFilesCountLastRun = 2 ]",
    }
    if dice > 0.97:  # noqa: PLR2004 - three in a hundred are removed
        ad |= {
            "CommittedTime": "0",
            "CommittedSlotTime": "0",
            "CompletionDate": "0",
            "JobStatus": "3",
            "RemoveReason": '"via condor_rm (by user \\"admin\\")"',
        }
    elif dice > 0.95:  # noqa: PLR2004 - two in a hundred die of a signal
        ad |= {"ExitBySignal": "true", "ExitSignal": "9"}
    elif dice > 0.93:  # noqa: PLR2004 - two in a hundred were held once
        ad |= {
            "LastHoldReason": '"Transfer input files failure at execution point"',
            "LastHoldReasonCode": "13",
            "LastHoldReasonSubCode": "256",
            "NumHolds": "1",
        }
    return ad


_SITES = [
    f"T{tier}_{land}_Lab{n}"
    for tier in "123"
    for land in ("CH", "US", "DE")
    for n in range(5)
]
_DEFAULT_REQUEST = (
    "ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)"
)
