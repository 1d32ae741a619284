"""A site's own pair of scripts, as sites wrote them in 2011 and 2012."""

import dataclasses
from pathlib import Path

SET_UP = """#!/bin/sh -e
# Make routing and a chain for a job; print the address of its end.
job=$1 device=$2
number=$(cat {folder}/next 2>/dev/null || echo 1)
echo $((number + 1)) > {folder}/next
address=192.168.200.$number
prefix=$(cat {folder}/prefix)
count() {{ iptables -w -A "$job" -m comment --comment "$prefix$@" -j ACCEPT; }}
ip link set "$device" up
ip route add "$address" dev "$device"
iptables -w -N "$job"
count OutgoingInternal -i "$device" -d 10.10.0.0/16
count IncomingInternal -o "$device" -s 10.10.0.0/16
count OutgoingExternal -i "$device"
count IncomingExternal -o "$device"
iptables -w -A "$job" -m comment --comment "# nothing else" -j REJECT
iptables -w -I FORWARD -i "$device" -j "$job"
iptables -w -I FORWARD -o "$device" -m state --state RELATED,ESTABLISHED -j "$job"
iptables -w -t nat -A POSTROUTING -s "$address" -j MASQUERADE
echo "$address"
. {folder}/breach
"""

CLEAN_UP = """#!/bin/sh
job=$1 device=$2
iptables -w -D FORWARD -i "$device" -j "$job"
iptables -w -D FORWARD -o "$device" -m state --state RELATED,ESTABLISHED -j "$job"
iptables -w -F "$job"
iptables -w -X "$job"
echo "$job" >> {folder}/cleaned
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """The folder of a pair of scripts, and what they do there."""

    folder: Path

    def write(self) -> None:
        """Write the pair."""
        for name, text in (("set-up", SET_UP), ("clean-up", CLEAN_UP)):
            script = self.folder / name
            script.write_text(text.format(folder=self.folder))
            script.chmod(0o755)
        self.name_counters("")
        self.breach("")

    def name_counters(self, prefix: str) -> None:
        """Have the comments begin with *prefix*, from the next job on."""
        (self.folder / "prefix").write_text(prefix)

    def breach(self, command: str) -> None:
        """Have the set-up end with *command*, from the next job on."""
        (self.folder / "breach").write_text(command)

    def options(self) -> dict[str, object]:
        """Return the options of ``[node]`` that name the pair."""
        return {
            "setup_script": str(self.folder / "set-up"),
            "cleanup_script": str(self.folder / "clean-up"),
        }

    def has_cleaned(self, attach_id: str) -> bool:
        """Return whether the clean-up script ran for this job."""
        done = self.folder / "cleaned"
        return done.exists() and attach_id in done.read_text().split()
