"""A real HTCondor pool, up in seconds and gone without a trace.

Run ``with Pool() as pool:`` and therein, for example::

    job = pool.ap.submit_one("executable = /bin/true")
    pool.ap.await_end(job)
    print(pool.ap.record(job)["RemoteWallClockTime"])
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
DAEMON_OF_ROLE = {
    "CentralManager": "negotiator",
    "Submit": "schedd",
    "Execute": "startd",
    "CE": "schedd",
}
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
        self._generation = 0
        self._access_points: dict[str, AccessPoint] = {}
        self.spaces = Namespaces()
        self.campus = Servers(self.spaces, CAMPUS)
        self.wan = Servers(self.spaces, WAN)

    def __enter__(self) -> "Pool":
        self.spaces.__enter__()
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
        self.spaces.__exit__(None, None, None)

    @property
    def ap(self) -> AccessPoint:
        """The first machine's schedd."""
        return self._access_points[self.machines[0].name]

    def access_point(self, name: str) -> AccessPoint:
        """Return the schedd called *name*, or that of the machine called so."""
        return self._access_points[name]

    def _start(self) -> None:
        for machine in self.machines:
            self._write_machine(machine)
        script = [JOIN_CGROUPS, nets_script()]
        script += [self._link_script(machine) for machine in self.machines]
        script += [servers.start_command() for servers in (self.campus, self.wan)]
        script += [self._base_script()]
        script += [self._master_command(m) for m in self.machines]
        done = self.spaces.run(["sh", "-c", "".join(script)])
        if done.returncode:
            raise StartError(f"the pool's start script fails: {done.stderr.strip()}")
        for machine in self.machines:
            self._add_access_points(machine)
        self._await_servers()
        self.await_ready()

    def _add_access_points(self, machine: Machine) -> None:
        if machine.has_schedd:
            own = AccessPoint(self, machine.name, machine.folder)
            self._access_points[machine.name] = own
        for name in machine.schedds:
            folder, full_name = machine.folder_of(name), f"{name}@{machine.full_name}"
            self._access_points[name] = AccessPoint(
                self, machine.name, folder, full_name
            )

    def _write_machine(self, machine: Machine) -> None:
        for folder in map(self.outside, machine.folders()):
            for name in FOLDERS:
                (folder / name).mkdir(parents=True)
                if name != "config.d":
                    os.chown(folder / name, CONDOR_ID, CONDOR_ID)
            (folder / "passwords.d").chmod(0o700)
        own = self.outside(machine.folder)
        text = machine_config(
            machine, self.machines[0], cgroups=self.spaces.has_cgroups
        )
        (own / "condor_config").write_text(text)
        (own / "config.d/10-pool").write_text(self._config)

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

    def _link_script(self, machine: Machine) -> str:
        return machine_script(machine.name, machine.number, self._net(machine))

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
        wanted = {ad for machine in self.machines for ad in machine.names()}
        end = time.monotonic() + timeout_s
        while missing := wanted - self._known_daemons():
            if time.monotonic() > end:
                what = f"no ad of {sorted(missing)} in {timeout_s:g} s"
                raise StartError(f"{what}\n{self.log_tails()}")
            # Nothing can be watched here: an ad in the collector's memory is no event.
            time.sleep(0.1)

    def _known_daemons(self) -> set[tuple[str, str]]:
        """Return type and name of all ads that the pool and its CEs have."""
        ask = "condor_status -any -af MyType Name -pool"
        pools = [self.machines[0], *(m for m in self.machines if m.is_ce)]
        script = ";".join(f"{ask} {machine.address}" for machine in pools)
        told = self.spaces.run(["sh", "-c", script]).stdout
        lines = [line.split() for line in told.splitlines()]
        return {(line[0], line[1]) for line in lines if len(line) == 2}

    @contextmanager
    def configured(self, config: str) -> Iterator[None]:
        """Add *config* to every machine's configuration for a while.

        For what condor_reconfig can change; the rest (DAEMON_LIST, slots) needs a pool
        of its own.
        """
        self._reconfigure(config)
        try:
            yield
        finally:
            self._reconfigure("")

    def _reconfigure(self, config: str) -> None:
        self._generation += 1
        mark = f"POOL_GENERATION = {self._generation}\n"
        for machine in self.machines:
            file = self.outside(f"{machine.folder}/config.d/90-test")
            file.write_text(f"{config}\n{mark}")
            self.run(["condor_reconfig"], machine=machine.name)
        for machine in self.machines:
            for role in machine.roles:
                self._await_generation(machine, DAEMON_OF_ROLE[role])

    def _await_generation(self, machine: Machine, daemon: str) -> None:
        """Wait until *daemon* itself says that it has the new configuration."""
        ask = ["condor_config_val", f"-{daemon}", "POOL_GENERATION"]
        end = time.monotonic() + READY_S
        while self._ask(ask, machine) != str(self._generation):
            if time.monotonic() > end:
                raise StartError(f"the {daemon} does not take its new configuration")
            # A daemon reads its configuration without telling anyone.
            time.sleep(0.05)

    def _ask(self, argv: Sequence[str], machine: Machine) -> str:
        try:
            return self.run(argv, machine=machine.name).stdout.strip()
        except PoolError:
            return ""

    def outside(self, inside: str) -> Path:
        """Return where the file that is *inside* (``/pool/...``) is for the test."""
        return self.spaces.outside(inside)

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
        done = self.spaces.run(
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
        """Return the inside's process numbers of a *daemon*, e.g. ``startd``."""
        # Any argument may follow; a wrapper's or an editor's command line does not fit.
        pattern = f"^([^ ]*/)?condor_{daemon}( |$)"
        done = self.spaces.run(["pgrep", "-f", pattern])
        return [int(word) for word in done.stdout.split()]

    def kill(self, daemon: str, signal: str = "KILL") -> None:
        """Send *signal* to every *daemon*, e.g. ``startd``, ``starter``."""
        pids = self.pids(daemon)
        if not pids:
            raise PoolError(f"no condor_{daemon} is running")
        self.run(["kill", f"-{signal}", *map(str, pids)])

    def log_tails(self, lines: int = 15) -> str:
        """Return the last *lines* of every daemon's log, each under its name."""
        parts = []
        for folder in [f for machine in self.machines for f in machine.folders()]:
            for log in sorted(self.outside(f"{folder}/log").glob("*Log*")):
                tail = log.read_text(errors="replace").splitlines()[-lines:]
                parts.append(f"== {folder}/log/{log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    def save_logs(self, folder: Path) -> None:
        """Copy every machine's logs, events and histories into *folder*."""
        for inside in [f for machine in self.machines for f in machine.folders()]:
            source = self.outside(inside)
            for name in ("log", "events", "history"):
                target = folder / source.name / name
                shutil.copytree(source / name, target, dirs_exist_ok=True)
