"""A site's own scripts as a back end of the daemon: it reads what they made."""

import logging
from collections.abc import Mapping, Sequence

from collectors.contract_2011.chains import ChainReader
from collectors.contract_2011.site_scripts import SiteScripts
from collectors.errors import LinkError
from collectors.job_link import JobLink, device_of
from collectors.rules.backend import NodeRules, RulesReading
from collectors.rules.nftables_names import ATTACH_ID
from collectors.traffic import TRAFFIC_CLASSES, Count, Direction, JobCounts

_log = logging.getLogger(__name__)


class ScriptedRules:
    """See ``RuleBackend``.  The chains are named by the attach ids.

    Rules that somebody removes cannot be restored: another run of the script could give
    another address.  Such a job keeps the counts of its last reading and is partial.
    """

    name = "scripts"

    def __init__(self, scripts: SiteScripts, reader: ChainReader) -> None:
        self._scripts = scripts
        self._reader = reader
        self._links: dict[str, JobLink] = {}
        self._last: dict[str, JobCounts] = {}
        self._given_up: set[str] = set()

    def install(
        self,
        rules: NodeRules,  # noqa: ARG002 - the scripts have their own networks
        links: Sequence[JobLink],
        counts: Mapping[str, JobCounts],
    ) -> None:
        """Take over what is there; what is not there any more is given up."""
        self._links = {link.attach_id: link for link in links}
        present = self._read_chains()
        lost = self._links.keys() - present.keys()
        for attach_id in lost - self._given_up:
            _log.warning("the chain %s is gone; its script is not run again", attach_id)
            self._last[attach_id] = dict(counts.get(attach_id, {}))
        self._given_up |= lost

    def setup(self, link: JobLink) -> None:
        """Expect a chain: the script makes it when the link is there."""
        self._links[link.attach_id] = link

    def teardown(self, attach_ids: Sequence[str]) -> None:
        """Run the clean-up script for each that has a chain.

        A script that fails is not run again: its message is logged.
        """
        present = self._read_chains() if attach_ids else {}
        for attach_id in attach_ids:
            if attach_id in present:
                try:
                    self._scripts.clean_up(attach_id, device_of(attach_id))
                except LinkError as error:
                    _log.error("%s", error)
            self._links.pop(attach_id, None)
            self._last.pop(attach_id, None)
            self._given_up.discard(attach_id)

    def check(self) -> str | None:
        """Return which chain is gone, or ``None``."""
        lost = self._links.keys() - self._given_up - self._read_chains().keys()
        return f"no chain {min(lost)}" if lost else None

    def read(self) -> RulesReading:
        """Return the counts of all chains; of those that are gone the last ones."""
        read = self._read_chains()
        self._last.update({name: read[name] for name in read if name in self._links})
        jobs = {**read, **{name: self._last[name] for name in self._given_up}}
        return RulesReading(jobs, _totals(jobs), {})

    def remove(self) -> None:
        """Run the clean-up script for every chain that is left."""
        self.teardown([*self._read_chains()])
        self.close()

    def close(self) -> None:
        """End what reads the chains."""
        self._reader.close()

    def _read_chains(self) -> dict[str, dict[str, Count]]:
        return self._reader.read(ATTACH_ID.pattern)


def _totals(jobs: Mapping[str, JobCounts]) -> dict[Direction, Count]:
    """Return the sums of the classes: a site's rules have no total of their own."""
    totals = dict.fromkeys(Direction, Count())
    for counts in jobs.values():
        for traffic in TRAFFIC_CLASSES:
            totals[traffic.direction] += counts.get(traffic.attribute, Count())
    return totals
