"""An unpacked Debian with HTCondor in it, made without installing anything.

``build()`` downloads the packages with the machine's own apt configuration, so that
its mirror, proxy and keys are used and nothing about them stands here, and unpacks
them under ``.cache/``. No maintainer script runs: what those would have done and the
pool needs (accounts, library cache, a few links) is in ``complete``.
"""

import argparse
import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.pool.accounts import add_accounts
from tests.pool.apt import PrivateApt, host_is_debian
from tests.pool.errors import RootfsError

log = logging.getLogger(__name__)

SUITE = "trixie"
PACKAGES = (
    "?essential",
    "minicondor",
    "conntrack",
    "curl",
    "iproute2",
    "iptables",
    "nftables",
    "openssh-client",
    "openssh-server",
    "procps",
    "python3",
)
# Raise it when `complete` or LEFT_OUT changes: the folder's name is made from it.
RECIPE_VERSION = 1
# Perl's library is half of the tree, and no part of HTCondor that we run wants it.
LEFT_OUT = (
    "./usr/share/doc/*",
    "./usr/share/doc-base/*",
    "./usr/share/info/*",
    "./usr/share/javascript/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./usr/share/perl/*",
    "./usr/share/perl5/*",
    "./usr/lib/*/perl/*",
)
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "pool"
NEEDED_TOOLS = ("apt-get", "apt-config", "dpkg-deb", "tar", "unshare", "nsenter")
# From linux/capability.h: namespaces and mounts, links and rules.
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


def key() -> str:
    """Return the name of this recipe: the same packages give the same name."""
    recipe = "\n".join((SUITE, str(RECIPE_VERSION), *PACKAGES, *LEFT_OUT))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def path() -> Path:
    """Return where the finished rootfs lies or will lie."""
    return CACHE / f"rootfs-{key()}"


def why_impossible() -> str | None:
    """Return why no pool can run on this machine, or ``None`` when one should.

    Cheap, and never on the network: a build may still fail for want of a mirror.
    """
    if os.geteuid() != 0:
        return "a pool needs root, for its namespaces and its users"
    missing = [cap for cap in (CAP_NET_ADMIN, CAP_SYS_ADMIN) if not _has_cap(cap)]
    if missing:
        return f"a pool needs the capabilities {missing} (a --privileged container)"
    absent = [tool for tool in NEEDED_TOOLS if shutil.which(tool) is None]
    if path().is_dir():
        absent = [tool for tool in absent if tool in {"unshare", "nsenter"}]
    elif not host_is_debian():
        return "the pool's rootfs is built with Debian's apt and this is no Debian"
    return f"the pool needs the commands {absent}" if absent else None


def build() -> Path:
    """Return the finished rootfs, which is built first if this recipe has none.

    Raises:
        RootfsError: It is not there and cannot be built here; says why and the mend.
    """
    if path().is_dir():
        return path()
    reason = why_impossible()
    if reason:
        raise RootfsError(reason, "run as root on a Debian machine")
    CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / "rootfs.lock"):
        if not path().is_dir():
            _build_anew()
    return path()


def _build_anew() -> None:
    """Make the rootfs beside its final name and rename it: whole or not there."""
    with tempfile.TemporaryDirectory(prefix="building-", dir=CACHE) as folder:
        apt = PrivateApt(Path(folder) / "apt", archives=CACHE / "debs", suite=SUITE)
        log.info("downloading %s and all it needs", ", ".join(PACKAGES))
        debs = apt.download(PACKAGES)
        root = Path(folder) / "root"
        root.mkdir(mode=0o755)
        log.info("unpacking %d packages", len(debs))
        for deb in sorted(debs, key=_unpack_order):
            unpack(deb, root)
        complete(root)
        root.rename(path())


def _unpack_order(deb: Path) -> tuple[bool, str]:
    # base-files first: it brings /bin -> usr/bin and its like, which the others'
    # folders must not replace.
    return (not deb.name.startswith("base-files_"), deb.name)


def unpack(deb: Path, root: Path) -> None:
    """Put the files of *deb* into *root*, but for what ``LEFT_OUT`` names."""
    exclude = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    tar = ["tar", "--extract", "--keep-directory-symlink", *exclude, "-C", str(root)]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE
    ) as source:
        done = subprocess.run(tar, stdin=source.stdout, check=False)
    if source.returncode or done.returncode:
        deb.unlink()
        raise RootfsError(
            f"{deb.name} does not unpack", "run again: it is fetched anew"
        )


def complete(root: Path) -> None:
    """Do in *root* what the maintainer scripts would have done, as far as needed."""
    add_accounts(root)
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    for name in ("iptables", "ip6tables"):
        for verb in ("", "-save", "-restore"):
            _link(root / f"usr/sbin/{name}{verb}", "xtables-nft-multi")
    _link(root / "usr/bin/awk", "mawk")
    (root / "etc/resolv.conf").touch()
    (root / "pool").mkdir()
    _chroot(root, ["/usr/sbin/ldconfig"])
    # Python cannot write its compiled modules later, when its users own nothing here.
    warm = "import ctypes, http.client, http.server, json, socketserver, subprocess"
    _chroot(root, ["/usr/bin/python3", "-c", warm])


def _chroot(root: Path, command: Sequence[str]) -> None:
    done = subprocess.run(
        ["chroot", str(root), *command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RootfsError(
            f"{command[0]} fails in the new rootfs: {done.stderr.strip()}",
            "a package is missing from tests/pool/rootfs.py: PACKAGES",
        )


def _link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _has_cap(number: int) -> bool:
    status = Path("/proc/self/status").read_text()
    bits = next(ln for ln in status.splitlines() if ln.startswith("CapEff:"))
    return bool(int(bits.split()[1], 16) >> number & 1)


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Keep others who build the same away; the kernel unlocks when we die."""
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build the rootfs and say where it is."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        log.info("%s", build())
    except RootfsError as error:
        raise SystemExit(f"tests.pool.rootfs: {error}") from None


if __name__ == "__main__":
    main()
