"""More schedds and startds on one machine, and the router between two schedds.

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

# Stock: every 10 s, and another 10 s for what is done.
ROUTER = """
DAEMON_LIST = $(DAEMON_LIST) JOB_ROUTER
JOB_ROUTER_SCHEDD1_NAME = {source_name}
JOB_ROUTER_SCHEDD1_SPOOL = {source_folder}/spool
JOB_ROUTER_SCHEDD1_POOL = $(CONDOR_HOST)
JOB_ROUTER_SCHEDD2_NAME = {target_name}
JOB_ROUTER_SCHEDD2_SPOOL = {target_folder}/spool
JOB_ROUTER_SCHEDD2_POOL = $(CONDOR_HOST)
JOB_ROUTER_POLLING_PERIOD = 2
JOB_ROUTER_SOURCE_JOB_CONSTRAINT = WantRouting =?= true
JOB_ROUTER_ROUTE_NAMES = Here
JOB_ROUTER_ROUTE_Here @=end
    UNIVERSE VANILLA
    DELETE WantRouting
@end
"""


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


def router(source: tuple[str, str], target: tuple[str, str]) -> str:
    """Return the configuration of a condor_job_router, as an HTCondor-CE has one.

    *source* and *target* are the full name and the folder of a schedd each. Jobs at
    the source that have ``+WantRouting = true`` are routed.
    """
    return ROUTER.format(
        source_name=source[0],
        source_folder=source[1],
        target_name=target[0],
        target_folder=target[1],
    )
