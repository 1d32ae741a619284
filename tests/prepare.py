"""Install the Debian packages that tests use, and build the test pool.

Does nothing but say so where it may not: without root, or where there is no apt.
The tests then skip, or fail if ``REQUIRE`` names what they need; so no failure here
ends the run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.pool import rootfs
from tests.pool.errors import RootfsError

#: A package, and a command by which it is known to be there.
PACKAGES = {
    "iproute2": "ip",
    "iptables": "iptables-legacy",
    "nftables": "nft",
    "chromium": "chromium",
}
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
APT_LIMIT_S = 600
APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")


def missing_packages(path: str) -> list[str]:
    """Return the packages whose commands are not in the folders of *path*."""
    folders = os.pathsep.join((path, *SYSTEM_FOLDERS))
    return [
        package
        for package, command in PACKAGES.items()
        if shutil.which(command, path=folders) is None
    ]


def why_not_here() -> str | None:
    """Return why nothing can be installed on this machine, or ``None``."""
    if os.geteuid() != 0:
        return "not root"
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        return "no Debian"
    return None


def install(packages: Sequence[str]) -> bool:
    """Install *packages*, with fresh package lists if the present ones do not do."""
    command = (*APT, "install", "--no-install-recommends", "--yes", *packages)
    return _succeeds(command) or (_succeeds((*APT, "update")) and _succeeds(command))


def _succeeds(command: Iterable[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            [*command],
            env=environment,
            check=False,
            timeout=APT_LIMIT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        say(f"{done.stderr.strip()[-500:]}")
    return done.returncode == 0


def say(text: str) -> None:
    """Tell the person who runs the tests."""
    sys.stderr.write(f"tests.prepare: {text}\n")


def install_missing() -> None:
    """Install the packages that are missing; silent when none is."""
    missing = missing_packages(os.environ.get("PATH", ""))
    if not missing:
        return
    names = " ".join(missing)
    reason = why_not_here()
    if reason:
        say(f"not installed, {reason}: {names}; the tests that need them are skipped")
        return
    say(f"installing {names}")
    if not install(missing):
        say(f"apt could not install {names}; the tests that need them are skipped")


def build_pool() -> None:
    """Build the test pool's rootfs, here and not within the time limit of a test."""
    reason = rootfs.why_impossible()
    if reason:
        say(f"no test pool: {reason}; its tests are skipped")
        return
    if not rootfs.path().is_dir():
        say("building the test pool once, in .cache (half a minute)")
    try:
        rootfs.build()
    except RootfsError as error:
        say(f"no test pool: {error}")


def main() -> None:
    """Prepare this machine for the tests, as far as that is allowed."""
    install_missing()
    build_pool()


if __name__ == "__main__":
    main()
