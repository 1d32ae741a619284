"""The bindings of several versions: what they read, and whom this pool lets in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from poolmeter.demo.run import bundled_history
from tests.pool.errors import PoolError
from tests.pool.eventlog import JobId
from tests.pool.pool import Pool
from tests.pool.wheels import VERSIONS, WheelError, environment

FS_ONLY = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "FS"}
TOKENS_ONLY = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS"}
UNBOUND = {"_CONDOR_SEC_FS_ENFORCE_CHANNEL_BINDING": "False"}

VERSION = "import htcondor2; print(htcondor2.version().split()[1])"
#: Prints what a remote source of the probe would ask for.
ASK = """
import json, htcondor2
wanted = ["ClusterId", "ProcId", "ExitCode", "RemoteWallClockTime"]
schedd = htcondor2.Schedd()
ads = schedd.history("ClusterId == {job.cluster_id}", wanted, match=9)
told = [{{name: ad[name] for name in ad if name in wanted}} for ad in ads]
queued = [int(ad["ClusterId"]) for ad in schedd.query(projection=["ClusterId"])]
print(json.dumps([told, queued]))
"""
#: Prints the record, or the fault, that the reader makes of each ad in the files.
READ = """
import sys
from pathlib import Path
import htcondor2
from poolmeter.config import Config
from probe.history_file import open_history
from probe.reader import read
print(htcondor2.version().split()[1])
for path in map(Path, sys.argv[1:]):
    with open_history(path) as file:
        for outcome in read(file.records(), schedd="ap.example.org", config=Config(),
                            earliest_s=None, now_s=4_000_000_000):
            print(outcome.result)
"""

Pair = tuple[JobId, JobId]


@pytest.fixture(scope="module", params=VERSIONS)
def wheel(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that choose one version of the bindings."""
    return wheel_or_skip(request.param)


def wheel_or_skip(version: str) -> dict[str, str]:
    """Return the variables that choose *version*; a skip where pip cannot get it."""
    try:
        return environment(version)
    except WheelError as error:
        if "pool" in os.environ.get("REQUIRE", "").split(","):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def jobs(pool: Pool) -> Iterator[Pair]:
    """A job that has ended with exit code 3, and one that stays in the queue."""
    ended = pool.ap.submit_one("executable = /bin/sh\narguments = \"-c 'exit 3'\"")
    queued = pool.ap.submit_one("executable = /usr/bin/true\nhold = true")
    pool.ap.await_end(ended)
    yield ended, queued
    pool.ap.remove(queued)
    pool.ap.await_end(queued)


@pytest.fixture(scope="module")
def token(pool: Pool) -> Iterator[None]:
    """Alice has a token of the pool, and no more after the module's tests."""
    folder = pool.outside("/pool/home/alice/.condor/tokens.d")
    make = "umask 77; mkdir -p ~/.condor/tokens.d; cat > ~/.condor/tokens.d/pool"
    text = pool.run(["condor_token_create", "-identity", "alice@campus.example"]).stdout
    pool.run(["sh", "-c", make], user="alice", text=text)
    yield
    (folder / "pool").unlink()


def ask(pool: Pool, jobs: Pair, *env: Mapping[str, str]) -> tuple[Any, list[int]]:
    """Return what alice is told with the bindings: of the ended job, of the queue."""
    merged = {name: value for part in env for name, value in part.items()}
    script = ASK.format(job=jobs[0])
    run = pool.run([sys.executable, "-c", script], user="alice", env=merged)
    told, queued = json.loads(run.stdout)
    return told, queued


def assert_all_told(pool: Pool, jobs: Pair, *env: Mapping[str, str]) -> None:
    """Assert that the history is told as condor_history shows it, and the queue."""
    ended, queued = jobs
    told, queue = ask(pool, jobs, *env)
    shown = pool.ap.record(ended)
    names = ("ClusterId", "ProcId", "ExitCode", "RemoteWallClockTime")
    assert [{name: shown[name] for name in names}] == told
    assert told[0]["ExitCode"] == 3
    assert queued.cluster_id in queue


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_is_the_one_that_was_asked_for(version: str) -> None:
    wheel = wheel_or_skip(version)
    assert f"{version}\n" == python(VERSION, wheel)


@pytest.mark.usefixtures("token")
def test_with_a_token_history_and_queue_are_told(
    pool: Pool, jobs: Pair, wheel: dict[str, str]
) -> None:
    assert_all_told(pool, jobs, wheel, TOKENS_ONLY)


def test_fs_works_without_channel_binding(
    pool: Pool, jobs: Pair, wheel: dict[str, str]
) -> None:
    assert_all_told(pool, jobs, wheel, FS_ONLY, UNBOUND)


def test_fs_is_refused_by_the_wheels_as_they_come(
    pool: Pool, jobs: Pair, wheel: dict[str, str]
) -> None:
    """They want the schedd's address in the folder's name; 23.9.6 leaves it out."""
    with pytest.raises(PoolError, match="Failed to authenticate with any method"):
        ask(pool, jobs, wheel, FS_ONLY)


def test_every_wheel_reads_the_same_records(pool: Pool, jobs: Pair) -> None:
    """Of the pool's own history, and of the 2,000 jobs of the demo's."""
    assert pool.ap.record(jobs[0])["ExitCode"] == 3
    with bundled_history() as demo:
        files = [*sorted(demo.parent.glob("history*")), *pool.ap.history_files()]
        told = {version: records(version, files) for version in VERSIONS}
    first, *others = told.values()
    assert len(first) > 2000
    assert not [text for text in first if not text.startswith("Normalised(")]
    for version, other in zip(VERSIONS[1:], others, strict=True):
        assert first == other, version


def records(version: str, files: list[Path]) -> list[str]:
    """Return what the reader makes of *files* with the bindings of *version*."""
    first, *rest = python(READ, wheel_or_skip(version), *files).splitlines()
    assert version == first
    return rest


def python(script: str, env: Mapping[str, str], *arguments: Path) -> str:
    """Return what our Python prints for *script*, on this machine, outside the pool."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        # Outside of a pool there is no configuration, and none is needed.
        env={**os.environ, "CONDOR_CONFIG": "/dev/null", **env},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout
