"""The daemon's network and back end where a site's own scripts are configured."""

import os
import secrets
from pathlib import Path

from collectors.addressing import slot_capacity
from collectors.contract_2011.chains import ChainReader
from collectors.contract_2011.scripted_network import ScriptedNetwork
from collectors.contract_2011.scripted_rules import ScriptedRules
from collectors.contract_2011.site_scripts import SiteScripts
from collectors.daemon.network import JobNetwork
from poolmeter.node_config import NodeConfig

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
SYSTEM_PATH = os.pathsep.join((*SYSTEM_FOLDERS, "/sbin", "/bin"))


def scripts_of(settings: NodeConfig) -> SiteScripts | None:
    """Return the site's own pair of scripts, or ``None`` where none is configured."""
    if settings.setup_script is None or settings.cleanup_script is None:
        return None
    path = os.environ.get("PATH", SYSTEM_PATH)
    return SiteScripts(Path(settings.setup_script), Path(settings.cleanup_script), path)


def scripted(
    scripts: SiteScripts, network: JobNetwork
) -> tuple[ScriptedNetwork, ScriptedRules]:
    """Return what takes the place of *network* and of a back end of ours."""
    reader = ChainReader(scripts.path)
    scripted_network = ScriptedNetwork(
        network.runtime,
        network.rules,
        network.mtu,
        scripts=scripts,
        reader=reader,
    )
    return scripted_network, ScriptedRules(scripts, reader)


def try_scripts(scripts: SiteScripts, network: JobNetwork) -> list[str]:
    """Run the pair once with a scratch id; return the attributes that were found.

    Raises:
        NodeError: The scripts broke the contract; nothing is left.
    """
    attach_id = secrets.token_hex(5)
    scripted_network, rules = scripted(scripts, network)
    link = scripted_network.plan(
        attach_id, slot_capacity(network.rules.job_block_v4) - 1
    )
    try:
        scripted_network.make_namespace(attach_id)
        scripted_network.connect(link)
        return sorted(rules.read().jobs[attach_id])
    finally:
        rules.teardown([attach_id])
        scripted_network.remove(attach_id)
        rules.close()
