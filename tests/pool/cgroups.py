"""The cgroups of a pool: a subtree of the test process's own, of version 1.

HTCondor 23.9 reports no CPU or memory without cgroups other than roughly, and with
cgroup v2 in a process namespace its hooks kill the starter. So the pool gets the v1
controllers memory, cpuacct and freezer where the machine mounts all three, and no
cgroups at all elsewhere: then the procd counts CPU (a second or two too little) and
memory well enough.
"""

from dataclasses import dataclass
from pathlib import Path

NOTE = "cgroups"
WANTED = frozenset({"memory", "cpuacct", "freezer"})
# The starter makes a folder in devices as well, and is upset if that is no cgroup.
ALSO_USED = frozenset({"devices"})


@dataclass(frozen=True)
class Cgroups:
    """The folders of one pool, a hierarchy each; both empty means no cgroups."""

    controllers: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()

    def make(self, state: Path) -> None:
        """Make the folders, and note them in *state* for a sweep after a crash."""
        (state / NOTE).write_text("\n".join(map(str, self.folders)))
        for folder in self.folders:
            folder.mkdir()


def remove_noted(state: Path) -> None:
    """Remove what the pool of *state* made; its processes must have ended."""
    note = state / NOTE
    for folder in note.read_text().splitlines() if note.exists() else ():
        for leaf in sorted(Path(folder).rglob("*"), reverse=True):
            if leaf.is_dir():
                leaf.rmdir()
        if Path(folder).is_dir():
            Path(folder).rmdir()


def plan_cgroups(name: str) -> Cgroups:
    """Return the folders that a pool called *name* may use on this machine."""
    mounts = _v1_mounts()
    found: dict[str, Path] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        used = (WANTED | ALSO_USED) & set(controllers.split(","))
        if used and controllers in mounts:
            found[controllers] = mounts[controllers] / own.lstrip("/") / name
    if WANTED - {one for each in found for one in each.split(",")}:
        return Cgroups()
    if not all(folder.parent.is_dir() for folder in found.values()):
        return Cgroups()
    return Cgroups(tuple(found), tuple(found.values()))


def _v1_mounts() -> dict[str, Path]:
    """Return the mount point of each v1 hierarchy by its controllers' names."""
    mounts = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split()
        if kind == "cgroup" and "rw" in options.split(","):
            names = [o for o in options.split(",") if o in _controllers()]
            mounts[",".join(names)] = Path(point)
    return mounts


def _controllers() -> set[str]:
    lines = Path("/proc/cgroups").read_text().splitlines()[1:]
    return {line.split()[0] for line in lines}
