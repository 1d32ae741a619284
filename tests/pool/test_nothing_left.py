"""A pool leaves nothing behind, however it ends."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.footprint import footprint, foreign_namespaces, processes_in
from tests.pool.namespaces import REPOSITORY, Namespaces, stale_folders

# Says the number of its process 1 and of its supervisor, then waits to be killed.
VICTIM = """
import sys
from tests.pool.pool import Pool
with Pool() as pool:
    pool.ap.submit_one("executable = /usr/bin/sleep\\narguments = 600")
    spaces = pool.spaces
    print(spaces.init_pid, spaces.supervisor_pid, spaces.state, flush=True)
    sys.stdin.read()
"""

# A machine on which nobody else mounts, makes a link or a named namespace meanwhile.
ALONE = (
    "unshare", "--mount", "--net", "--propagation", "private",
    "sh", "-c", 'mount -n -t tmpfs alone /run && exec "$@"', "alone",
)  # fmt: skip


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[str]]:
    """A process with a running pool of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_after_the_end_the_machine_is_as_before(
    pool_files: Path, tmp_path: Path
) -> None:
    assert pool_files.is_dir()
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.pool.one_life"],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_after_an_interrupt_the_machine_is_as_before(
    pool_files: Path, victim: subprocess.Popen[str], sign: signal.Signals
) -> None:
    assert pool_files.is_dir()
    assert victim.stdout is not None
    words = victim.stdout.readline().split()
    init_pid, supervisor_pid, state = int(words[0]), int(words[1]), words[2]
    inside = foreign_namespaces(init_pid)
    with os.fdopen(os.pidfd_open(supervisor_pid), "rb") as supervisor:
        victim.send_signal(sign)
        victim.wait()
        assert await_end(supervisor.fileno())
    assert processes_in(inside) == []
    left = footprint()
    name = Path(state).name
    assert not any(name in line for lines in left.values() for line in lines)


def await_end(pidfd: int) -> bool:
    """Return whether the process behind *pidfd* ends within 20 s."""
    return bool(select.select([pidfd], [], [], 20)[0])


def test_what_a_killed_supervisor_leaves_goes_with_the_next_pool(
    pool_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool_files.is_dir()
    # Where no pool of somebody else is the next one.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Namespaces() as first:
        inside = foreign_namespaces(first.init_pid)
        with os.fdopen(os.pidfd_open(first.init_pid), "rb") as init:
            os.kill(first.supervisor_pid, signal.SIGKILL)
            assert await_end(init.fileno())
        assert processes_in(inside) == []
        assert first.state in stale_folders()
        with Namespaces() as second:
            assert second.state.is_dir()
            assert not first.state.exists()
    assert not any(first.state.name in name for name in footprint()["cgroups"])
