"""A pool to play with: ``python -m tests.pool.shell`` (``make pool``).

Starts a pool, prints a cheat sheet and gives a shell inside, with this repository's
``poolmeter`` installed. ``-c COMMANDS`` runs these instead and ends.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.pool.errors import PoolError
from tests.pool.namespaces import REPOSITORY
from tests.pool.pool import Pool

CONFIG = "CHIRP_DELAYED_UPDATE_PREFIX = Network* Poolmeter* glexec_*\n"
# It tells its own counts: no daemon of poolmeter's runs in this pool.
SAMPLE = """\
#!/bin/sh -e
curl -sf -o /dev/null http://10.10.0.1/bytes/1000000
head -c 2000000 /dev/zero | curl -sf -T - http://10.10.0.1/upload
curl -sf -o /dev/null http://203.0.113.1/bytes/3000000
head -c 4000000 /dev/zero | curl -sf -T - http://203.0.113.1/upload
tell() { /usr/libexec/condor/condor_chirp set_job_attr_delayed "$1" "$2"; }
tell NetworkIncomingInternal 1000000
tell NetworkOutgoingInternal 2000000
tell NetworkIncomingExternal 3000000
tell NetworkOutgoingExternal 4000000
"""
SUBMIT = """\
executable = /home/alice/sample.sh
log = sample.log
accounting_group = group_cms.prod
+ProjectName = "Sample"
queue 3
"""
# `as alice COMMAND` runs it as that user; the shell itself is root's.
STARTUP = """\
PS1='pool \\w \\$ '
as() { (u=$1; shift; cd "/home/$u"; exec setpriv --reuid "$u" --regid "$u" \\
    --init-groups env HOME="/home/$u" USER="$u" "$@"); }
poolmeter() { PYTHONPATH={repository} {python} -m poolmeter "$@"; }
"""
CHEAT_SHEET = """\
# Three jobs that move bytes on the campus net and on the WAN; wait for them.
as alice condor_submit sample.sub
as alice condor_wait sample.log
# One job's ad, and what all jobs took.
condor_history -limit 1 -long
condor_history -af:h ClusterId ProcId RemoteWallClockTime NetworkOutgoingExternal
# The history into a ledger, the ledger into a statement.
poolmeter probe run --history /pool/node1/history/history --ledger /pool/ledger
poolmeter report statement --month {month} --ledger /pool/ledger
"""
MORE = """\
# Users: alice bob carol dave erin frank grace heidi. Servers: 10.10.0.1 (campus) and
# 203.0.113.1 (WAN): GET /bytes/N, PUT /anything. Logs: /pool/node1/log. Everything is
# gone when you leave this shell.
"""


def cheat_sheet(now: datetime) -> str:
    """Return the commands to try, for a pool that is started *now*."""
    return CHEAT_SHEET.format(month=f"{now:%Y-%m}")


def prepare(pool: Pool) -> str:
    """Put the sample job and the shell's start file in place; returns the latter."""
    home = pool.outside("/pool/home/alice")
    (home / "sample.sh").write_text(SAMPLE)
    (home / "sample.sh").chmod(0o755)
    (home / "sample.sub").write_text(SUBMIT)
    startup = STARTUP.replace("{repository}", str(REPOSITORY))
    pool.outside("/pool/.shellrc").write_text(
        startup.replace("{python}", sys.executable)
    )
    return "/pool/.shellrc"


def run_shell(pool: Pool, commands: str) -> int:
    """Run *commands*, or an interactive shell if there are none; returns its exit."""
    startup = prepare(pool)
    if commands:
        argv = ["bash", "-c", f"set -e; . {startup}; {commands}"]
    else:
        argv = ["bash", "--noprofile", "--rcfile", startup, "-i"]
    env = {"TERM": "xterm", "CONDOR_CONFIG": f"{pool.ap.folder}/condor_config"}
    inside = pool.spaces.command(argv, env=env)
    return subprocess.run(inside, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a pool and a shell in it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("-c", dest="commands", default="", help="run these and end")
    options = parser.parse_args(arguments)
    try:
        with Pool(CONFIG) as pool:
            if not options.commands:
                print(cheat_sheet(datetime.now(UTC)) + MORE)  # noqa: T201
            return run_shell(pool, options.commands)
    except PoolError as error:
        print(f"tests.pool.shell: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
