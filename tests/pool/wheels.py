"""HTCondor's Python bindings of several versions, side by side.

Each wheel is unpacked by pip, with the machine's own configuration, into a folder of
its own below ``.cache/wheels``. First on PYTHONPATH it wins over the bindings of the
environment, and everything else stays the environment's own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.pool.errors import PoolError
from tests.pool.namespaces import REPOSITORY

#: The newest of each series that had wheels when this was written.
VERSIONS = ("24.0.24", "24.12.24", "25.0.14", "25.14.1")
CACHE = REPOSITORY / ".cache/wheels"
LIMIT_S = 300


class WheelError(PoolError):
    """pip cannot get a wheel here; the message ends with its last words."""


def folder_of(version: str) -> Path:
    """Return the folder with the bindings of *version*, fetched if it is not there.

    Raises:
        WheelError: pip fails, or takes too long.
    """
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    folder = CACHE / f"htcondor-{version}-{python}"
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        _install(version, Path(draft) / "wheel")
        (Path(draft) / "wheel").rename(folder)
    return folder


def _install(version: str, target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
        *("--disable-pip-version-check", "--only-binary=:all:"),
        *("--target", str(target), f"htcondor=={version}"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise WheelError(f"pip: htcondor {version} not within {LIMIT_S} s") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise WheelError(f"pip: no htcondor {version}: {''.join(last)}")


def environment(version: str) -> dict[str, str]:
    """Return the variables under which the environment's Python has that wheel."""
    return {"PYTHONPATH": os.pathsep.join((str(folder_of(version)), str(REPOSITORY)))}
