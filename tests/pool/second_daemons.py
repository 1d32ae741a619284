"""More schedds and startds on one machine, and a CE in front of a schedd.

HTCondor runs a second daemon of a kind under a local name; every setting can have a
value of its own for that name, written ``name.SETTING``. Without a SPOOL of its own a
second schedd would write into the first one's queue. Its shadows know nothing of the
local name: what they write is set in the environment that they inherit.
"""

from typing import Literal

Kind = Literal["SCHEDD", "STARTD"]

NAMED = """
{kind}_{name} = $({kind})
{kind}_{name}_ARGS = -local-name {name}
{kind}_{name}_ENVIRONMENT = "{environment}"
{name}.{kind}_NAME = {name}
{name}.LOG = {folder}/log
{name}.{kind}_LOG = {folder}/log/{log}
{name}.SPOOL = {folder}/spool
{name}.EXECUTE = {folder}/execute
{name}.HISTORY = {folder}/history/history
{name}.STARTD_HISTORY = {folder}/history/startd_history
{name}.PER_JOB_HISTORY_DIR = {folder}/per_job
{name}.{kind}_ADDRESS_FILE = {folder}/spool/.address
{name}.{kind}_DAEMON_AD_FILE = {folder}/spool/.ad
DAEMON_LIST = $(DAEMON_LIST) {kind}_{name}
DC_DAEMON_LIST = + {kind}_{name}
"""
LOGS: dict[Kind, str] = {"SCHEDD": "SchedLog", "STARTD": "StartLog"}

# A CE has a condor_collector of its own and nothing that could run a job.
CE = """
DAEMON_LIST = MASTER, COLLECTOR, SCHEDD, JOB_ROUTER
JOB_ROUTER_SCHEDD2_NAME = {target_name}
JOB_ROUTER_SCHEDD2_SPOOL = {target_folder}/spool
JOB_ROUTER_SCHEDD2_POOL = {target_pool}
# Stock: 10 s.
JOB_ROUTER_POLLING_PERIOD = 2
JOB_ROUTER_SOURCE_JOB_CONSTRAINT = JobUniverse =?= 5
JOB_ROUTER_ROUTE_NAMES = Here
JOB_ROUTER_ROUTE_Here @=end
    UNIVERSE VANILLA
@end
"""
# Without it the router may not submit in the name of a job's owner.
IMPERSONATION = "QUEUE_SUPER_USER_MAY_IMPERSONATE = .*\n"


def named_daemon(kind: Kind, name: str, folder: str) -> str:
    """Return the configuration for one more daemon; *folder* as seen inside."""
    settings = {
        "EVENT_LOG": f"{folder}/events/EventLog",
        "JOB_EPOCH_HISTORY": f"{folder}/history/epoch_history",
    }
    environment = " ".join(f"_CONDOR_{key}={path}" for key, path in settings.items())
    return NAMED.format(
        kind=kind, name=name, folder=folder, log=LOGS[kind], environment=environment
    )


def compute_element(name: str, folder: str, pool: str) -> str:
    """Return the configuration of a machine that is a CE, as HTCondor-CE has it.

    Its router passes all vanilla jobs to the schedd called *name*, whose files are in
    *folder* and whose condor_collector is at the address *pool*.
    """
    return CE.format(target_name=name, target_folder=folder, target_pool=pool)
