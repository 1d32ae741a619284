"""A real HTCondor pool, up in seconds and gone without a trace.

    with Pool() as pool:
        job = pool.ap.submit_one("executable = /bin/true\\nlog = job.log")
        pool.ap.await_end(job)
        print(pool.ap.record(job)["RemoteWallClockTime"])
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from tests.pool.access_point import AccessPoint, Gate
from tests.pool.accounts import CONDOR_ID
from tests.pool.condor_config import FOLDERS, Machine, machine_config
from tests.pool.errors import PoolError, StartError
from tests.pool.namespaces import Namespaces
from tests.pool.network import (
    CAMPUS,
    NETS,
    WAN,
    Servers,
    hosts_file,
    machine_script,
    nets_script,
)
from tests.pool.watch import await_change

READY_S = 60
# Daemons belong into the pool's cgroups, not into those of the test that starts them.
JOIN_CGROUPS = """\
for procs in /sys/fs/cgroup/*/cgroup.procs; do
    [ ! -e "$procs" ] || echo $$ > "$procs"
done
"""


class Pool:
    """One pool; a context manager.

    *config* is added to the configuration of every machine, each machine's own comes
    after it. By default there is one machine, ``node1``, that does everything.
    """

    def __init__(self, config: str = "", *, machines: Sequence[Machine] = ()) -> None:
        self.machines = tuple(machines) or (Machine(),)
        self._config = config
        self._spaces = Namespaces()
        self.campus = Servers(self._spaces, CAMPUS)
        self.wan = Servers(self._spaces, WAN)

    def __enter__(self) -> "Pool":
        self._spaces.__enter__()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill everything inside and remove every trace; may be called again."""
        self._spaces.__exit__(None, None, None)

    @property
    def ap(self) -> AccessPoint:
        """The first machine's schedd."""
        return self._access_points[self.machines[0].name]

    def access_point(self, machine: str) -> AccessPoint:
        """Return the schedd of the machine called *machine*."""
        return self._access_points[machine]

    def _start(self) -> None:
        for machine in self.machines:
            self._write_machine(machine)
        script = [JOIN_CGROUPS, nets_script()]
        script += [machine_script(m.name, m.number, self._net(m)) for m in self.machines]
        script += [servers.start_command() for servers in (self.campus, self.wan)]
        script += [self._base_script()]
        script += [self._master_command(m) for m in self.machines]
        done = self._spaces.run(["sh", "-c", "".join(script)])
        if done.returncode:
            raise StartError(f"the pool's start script fails: {done.stderr.strip()}")
        self._access_points = {
            m.name: AccessPoint(self, m.name, m.folder)
            for m in self.machines
            if "Submit" in m.roles
        }
        self._await_servers()
        self.await_ready()

    def _write_machine(self, machine: Machine) -> None:
        folder = self.outside(machine.folder)
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
            if name != "config.d":
                os.chown(folder / name, CONDOR_ID, CONDOR_ID)
        (folder / "passwords.d").chmod(0o700)
        text = machine_config(
            machine, self.machines[0].address, cgroups=self._spaces.has_cgroups
        )
        (folder / "condor_config").write_text(text)
        (folder / "config.d/10-pool").write_text(self._config)

    def _base_script(self) -> str:
        """Return the script that gives the first machine its names and defaults."""
        first = self.machines[0]
        hosts = hosts_file((m.name, m.number) for m in self.machines)
        return (
            f"hostname {first.name}\n"
            f"cat > /etc/hosts <<'END'\n{hosts}END\n"
            f"echo nameserver {self.campus.address} > /etc/resolv.conf\n"
            f"ln -sf {first.folder}/condor_config /etc/condor/condor_config\n"
        )

    def _net(self, machine: Machine) -> str:
        return "" if machine == self.machines[0] else machine.name

    def _master_command(self, machine: Machine) -> str:
        """Return the shell line that starts the condor_master of *machine*."""
        net = self._net(machine)
        enter = f"nsenter --net=/run/netns/{net} unshare --uts" if net else ""
        start = f"hostname {machine.name}; exec condor_master"
        return f"CONDOR_CONFIG={machine.folder}/condor_config {enter} sh -c '{start}'\n"

    def _await_servers(self) -> None:
        sockets = [self.outside(f"/pool/.net/{net.name}") for net in NETS]

        def look() -> bool | None:
            return all(socket.exists() for socket in sockets) or None

        await_change(sockets[0].parent, look, timeout_s=READY_S, what="the servers")

    def await_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until every daemon of every machine is known to the condor_collector.

        Raises:
            StartError: It takes too long; the message ends with the logs.
        """
        wanted = {("Machine", m.full_name) for m in self.machines if "Execute" in m.roles}
        wanted |= {
            ("Scheduler", m.full_name) for m in self.machines if "Submit" in m.roles
        }
        wanted.add(("Negotiator", self.machines[0].full_name))
        end = time.monotonic() + timeout_s
        while not wanted <= self._known_daemons():
            if time.monotonic() > end:
                raise StartError(f"not ready in {timeout_s:g} s\n{self.log_tails()}")
            # Nothing can be watched here: an ad in the collector's memory is no event.
            time.sleep(0.1)

    def _known_daemons(self) -> set[tuple[str, str]]:
        ask = ["condor_status", "-any", "-format", "%s ", "MyType"]
        done = self._spaces.run([*ask, "-format", "%s\n", "Machine"])
        lines = [line.split() for line in done.stdout.splitlines()]
        return {(line[0], line[1]) for line in lines if len(line) == 2}

    def outside(self, inside: str) -> Path:
        """Return where the file that is *inside* (``/pool/...``) is for the test."""
        return self._spaces.outside(inside)

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        machine: str = "",
        text: str = "",
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> CompletedProcess[str]:
        """Run *argv* on a machine (the first, if none is named), as *user*.

        Raises:
            PoolError: It exits with something else than 0; says what it wrote.
        """
        where = self._machine(machine)
        done = self._spaces.run(
            argv,
            user=user,
            net=self._net(where),
            env={"CONDOR_CONFIG": f"{where.folder}/condor_config", **(env or {})},
            text=text,
            timeout_s=timeout_s,
        )
        if done.returncode:
            told = (done.stderr or done.stdout).strip()
            raise PoolError(f"{argv[0]} exits with {done.returncode}: {told}")
        return done

    def _machine(self, name: str) -> Machine:
        if not name:
            return self.machines[0]
        return next(machine for machine in self.machines if machine.name == name)

    def gate(self, name: str) -> Gate:
        """Return a new gate for jobs (see there); *name* must be new in this pool."""
        return Gate(self, name)

    def pids(self, daemon: str) -> list[int]:
        """Return the process numbers, as seen inside, of ``condor_``\\ *daemon*."""
        # Any argument may follow; a wrapper's or an editor's command line does not fit.
        pattern = f"^([^ ]*/)?condor_{daemon}( |$)"
        done = self._spaces.run(["pgrep", "-f", pattern])
        return [int(word) for word in done.stdout.split()]

    def kill(self, daemon: str, signal: str = "KILL") -> None:
        """Send *signal* to every ``condor_``\\ *daemon* of the pool."""
        pids = self.pids(daemon)
        if not pids:
            raise PoolError(f"no condor_{daemon} is running")
        self.run(["kill", f"-{signal}", *map(str, pids)])

    def log_tails(self, lines: int = 15) -> str:
        """Return the last *lines* of every daemon's log, each under its name."""
        parts = []
        for machine in self.machines:
            for log in sorted(self.outside(f"{machine.folder}/log").glob("*Log*")):
                tail = log.read_text(errors="replace").splitlines()[-lines:]
                parts.append(f"== {machine.name}/{log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    def save_logs(self, folder: Path) -> None:
        """Copy every machine's logs, events and histories into *folder*."""
        for machine in self.machines:
            for name in ("log", "events", "history"):
                source = self.outside(f"{machine.folder}/{name}")
                target = folder / machine.name / name
                shutil.copytree(source, target, dirs_exist_ok=True)
