"""The namespaces in which a pool lives, from the outside.

``Namespaces`` starts the supervisor (see ``supervisor.py``), runs commands inside and
knows where the files of the inside are outside. It knows nothing of HTCondor.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.pool import rootfs
from tests.pool.accounts import USERS, user_id
from tests.pool.cgroups import plan_cgroups, remove_noted
from tests.pool.errors import StartError
from tests.pool.supervisor import LOCK

REPOSITORY = Path(__file__).resolve().parents[2]
PREFIX = "poolmeter-pool-"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def stale_folders() -> list[Path]:
    """Return the folders of pools whose supervisor was killed before it could clear."""
    return [folder for folder in _state_folders() if not _is_locked(folder / LOCK)]


def _state_folders() -> list[Path]:
    found = Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}")
    return [lock.parent for lock in found]


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True  # its pool lives, or has just ended and is clearing it away
    return False


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Give a pool's *folder* its lock, held from its first moment on.

    The lock lasts as long as any process holds the number that is given here.  So no
    other pool that starts just now takes the folder for a dead one's.
    """
    new = folder / f".{LOCK}"
    with new.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        new.rename(folder / LOCK)
        yield stream.fileno()


def visible_folders() -> list[str]:
    """Return what of the machine a pool sees: this repository and our Python.

    With them ``sys.executable`` runs inside as it does outside. A Python of the
    distribution's own (under /usr) is not among them: the pool has Debian 13's.
    """
    folders = [str(REPOSITORY), sys.prefix]
    if sys.base_prefix != "/usr":
        folders.append(sys.base_prefix)
    inner = REPOSITORY in Path(sys.prefix).parents
    return [folder for folder in folders if not (inner and folder == sys.prefix)]


class Namespaces:
    """A running set of namespaces with the rootfs in it; a context manager.

    *state* is the folder on the machine's disk; what lies in its ``pool`` is
    ``/pool`` inside.
    """

    def __init__(self) -> None:
        self.state = Path()
        self.init_pid = 0
        self._supervisor: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Namespaces":
        for folder in stale_folders():
            # Another pool that starts now may sweep the same.
            with suppress(FileNotFoundError):
                remove_noted(folder)
            shutil.rmtree(folder, ignore_errors=True)
        root = rootfs.build()
        self.state = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._make_folders()
        with (
            (self.state / "supervisor.log").open("w") as log,
            locked(self.state) as lock,
        ):
            self._supervisor = subprocess.Popen(
                self._supervisor_command(root, lock),
                pass_fds=[lock],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C on the terminal is for the test alone.
                start_new_session=True,
                cwd=REPOSITORY,
                text=True,
            )
        self._await_init()
        return self

    def __exit__(self, *_: object) -> None:
        if self._supervisor is not None:
            # Closes its standard input: the sign to clear away.
            self._supervisor.communicate()
            self._supervisor = None

    def _supervisor_command(self, root: Path, lock: int) -> list[str]:
        module = [sys.executable, "-m", "tests.pool.supervisor"]
        return [
            *module,
            str(lock),
            str(root),
            str(self.state),
            self.state.name,
            *visible_folders(),
        ]

    def _make_folders(self) -> None:
        self.state.chmod(0o755)
        (self.state / "mnt").mkdir()
        (self.state / "pool/.net").mkdir(parents=True)
        # Jobs of all users leave their marks beside the gates.
        (self.state / "pool/.net").chmod(0o1777)
        source = Path(__file__).with_name("inside")
        shutil.copytree(
            source, self.state / "pool/.code", ignore=shutil.ignore_patterns("__*")
        )
        for user in USERS:
            home = self.state / "pool/home" / user
            home.mkdir(parents=True)
            os.chown(home, user_id(user), user_id(user))

    def _await_init(self) -> None:
        if self._supervisor is None or self._supervisor.stdout is None:
            raise StartError("the supervisor was not started")
        line = self._supervisor.stdout.readline()
        if not line:
            log = self.state / "supervisor.log"
            why = log.read_text().strip() if log.exists() else "see above"
            self._supervisor.wait()
            shutil.rmtree(self.state, ignore_errors=True)
            raise StartError(f"the namespaces are not made: {why}")
        self.init_pid = int(line)

    @property
    def supervisor_pid(self) -> int:
        """The process that clears up; 0 when none is running."""
        return self._supervisor.pid if self._supervisor else 0

    @property
    def has_cgroups(self) -> bool:
        """Whether this machine lets the pool have cgroups for its jobs."""
        return bool(plan_cgroups(self.state.name).controllers)

    def outside(self, inside: str) -> Path:
        """Return where the file called *inside* (``/pool/...``) is for the test."""
        return self.state / inside.lstrip("/")

    def command(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        net: str = "",
        env: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the command of this machine that runs *argv* inside as *user*.

        *net* names a net namespace of ``ip netns`` inside; by default the pool's own.
        """
        pid = str(self.init_pid)
        enter = ["nsenter", "--target", pid, "--mount", "--pid", "--uts", "--ipc"]
        netns = f"=/proc/{pid}/root/run/netns/{net}" if net else ""
        enter += ["--cgroup", f"--net{netns}"]
        home = "/root" if user == "root" else f"/home/{user}"
        if user != "root":
            enter += ["--setuid", str(user_id(user)), "--setgid", str(user_id(user))]
        settings = {"PATH": PATH, "HOME": home, "USER": user, "LANG": "C.UTF-8"}
        settings |= env or {}
        pairs = [f"{name}={value}" for name, value in settings.items()]
        return [*enter, "--", "env", "-i", f"--chdir={home}", *pairs, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        net: str = "",
        env: Mapping[str, str] | None = None,
        text: str = "",
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run *argv* inside, with *text* on its standard input; never raises for it."""
        return subprocess.run(
            self.command(argv, user=user, net=net, env=env),
            input=text,
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout_s,
        )
