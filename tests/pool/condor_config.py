"""The configuration of each machine of a pool: stock HTCondor, with short intervals."""

from dataclasses import dataclass

from tests.pool.network import CAMPUS, DOMAIN
from tests.pool.second_daemons import IMPERSONATION, compute_element, named_daemon

ALL_ROLES = ("CentralManager", "Submit", "Execute")


@dataclass(frozen=True)
class Machine:
    """One machine of a pool: its daemons and its own addition to the configuration.

    *number* is the last part of its addresses. The first machine of a pool lives in
    the pool's own net namespace, others have one each. *schedds* and *startds* are the
    names of more daemons beside those of its roles. A machine that has ``CE`` for its
    role passes its jobs on to the schedd of the pool's first machine.
    """

    name: str = "node1"
    number: int = 2
    roles: tuple[str, ...] = ALL_ROLES
    config: str = ""
    schedds: tuple[str, ...] = ()
    startds: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Return the folder of its daemons, as seen inside."""
        return f"/pool/{self.name}"

    @property
    def full_name(self) -> str:
        """Return its name with the domain."""
        return f"{self.name}.{DOMAIN}"

    @property
    def is_ce(self) -> bool:
        """Whether it is a computing element, with a condor_collector of its own."""
        return "CE" in self.roles

    @property
    def has_schedd(self) -> bool:
        """Whether jobs can be submitted there."""
        return self.is_ce or "Submit" in self.roles

    def folder_of(self, daemon: str) -> str:
        """Return the folder of one of *schedds* or *startds*, as seen inside."""
        return f"{self.folder}-{daemon}"

    def folders(self) -> list[str]:
        """Return the folders of all its daemons."""
        return [self.folder, *map(self.folder_of, self.schedds + self.startds)]

    def names(self) -> set[tuple[str, str]]:
        """Return type and name of the ads that its daemons send, when all is up."""
        found = set()
        if "CentralManager" in self.roles:
            found.add(("Negotiator", self.full_name))
        if self.has_schedd:
            found.add(("Scheduler", self.full_name))
        if "Execute" in self.roles:
            found.add(("Machine", f"slot1@{self.full_name}"))
        found |= {("Scheduler", f"{name}@{self.full_name}") for name in self.schedds}
        return found | {
            ("Machine", f"slot1@{name}@{self.full_name}") for name in self.startds
        }

    def second_daemons(self) -> str:
        """Return the configuration of *schedds* and *startds*."""
        parts = [named_daemon("SCHEDD", n, self.folder_of(n)) for n in self.schedds]
        parts += [named_daemon("STARTD", n, self.folder_of(n)) for n in self.startds]
        return "".join(parts)

    @property
    def address(self) -> str:
        """Return its address on the campus."""
        return CAMPUS.address(self.number)


FOLDERS = (
    *("config.d", "events", "execute", "history", "lock", "log"),
    *("passwords.d", "per_job", "run", "spool", "tokens.d"),
)

# Real values stand beside: with those a live pool's numbers are minutes old.
BASE = """\
RELEASE_DIR = /usr
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = $(RELEASE_DIR)/lib/condor
LIBEXEC = $(RELEASE_DIR)/libexec/condor
SHARE = $(RELEASE_DIR)/share/condor
ETC = /etc/condor
LOCAL_DIR = {folder}
LOCAL_CONFIG_DIR = $(LOCAL_DIR)/config.d
LOG = $(LOCAL_DIR)/log
RUN = $(LOCAL_DIR)/run
LOCK = $(LOCAL_DIR)/lock
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/passwords.d
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/tokens.d
CREDD_OAUTH_MODE = False
{roles}

# On a real address: with 127.0.0.1 no starter can live in a net namespace of its own.
NETWORK_INTERFACE = {address}
ENABLE_IPV6 = False
CONDOR_HOST = {central_manager}
UID_DOMAIN = {domain}
FILESYSTEM_DOMAIN = {domain}
# Without it jobs run as nobody, for the pool is not on the loopback.
TRUST_UID_DOMAIN = True
use SECURITY : recommended_v9_0
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS
ALLOW_ADMINISTRATOR = root@$(UID_DOMAIN) condor@$(UID_DOMAIN)
ALLOW_DAEMON = root@$(UID_DOMAIN) condor@$(UID_DOMAIN)
ALLOW_NEGOTIATOR = root@$(UID_DOMAIN) condor@$(UID_DOMAIN)
ALLOW_READ = *
ALLOW_WRITE = *

NUM_CPUS = 8
MEMORY = 16384
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
RUNBENCHMARKS = 0
# The others are asked at each start, and take seconds to say that they cannot.
FILETRANSFER_PLUGINS = $(LIBEXEC)/curl_plugin, $(LIBEXEC)/data_plugin
MAIL = /usr/bin/true
JOB_DEFAULT_NOTIFICATION = NEVER
CONDOR_FSYNC = False
# An empty value turns job cgroups off; the pool has them where the machine allows.
BASE_CGROUP = {base_cgroup}

# Stock: 60, 20, 300, 300 s.
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
# A schedd that calls the negotiator while that calls it: both wait, for 20 s.
SCHEDD_SEND_RESCHEDULE = False
UPDATE_INTERVAL = 5
# Stock: 8, 300, 900, 60, 5 s.
STARTER_INITIAL_UPDATE_INTERVAL = 2
STARTER_UPDATE_INTERVAL = 5
SHADOW_QUEUE_UPDATE_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 2
POLLING_INTERVAL = 1
# Stock: 15 s, which is the whole life of a test's job.
PID_SNAPSHOT_INTERVAL = 1
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 2
MachineMaxVacateTime = 5
JOB_START_COUNT = 50

HISTORY = $(LOCAL_DIR)/history/history
JOB_EPOCH_HISTORY = $(LOCAL_DIR)/history/epoch_history
STARTD_HISTORY = $(LOCAL_DIR)/history/startd_history
PER_JOB_HISTORY_DIR = $(LOCAL_DIR)/per_job
EVENT_LOG = $(LOCAL_DIR)/events/EventLog
EVENT_LOG_MAX_SIZE = 0
"""


def machine_config(machine: Machine, first: Machine, *, cgroups: bool) -> str:
    """Return the whole configuration file of *machine*.

    *first* is the pool's first machine, which has the condor_collector.
    """
    roles = [f"use ROLE : {role}" for role in machine.roles if role != "CE"]
    ce = compute_element(first.full_name, first.folder, first.address)
    text = BASE.format(
        folder=machine.folder,
        roles="\n".join(roles),
        address=machine.address,
        central_manager=machine.address if machine.is_ce else first.address,
        domain=DOMAIN,
        base_cgroup="htcondor" if cgroups else "",
    )
    parts = [text, machine.second_daemons(), IMPERSONATION]
    return "\n".join([*parts, ce if machine.is_ce else "", machine.config, ""])
