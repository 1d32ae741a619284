"""The shipped example policy, on a real schedd and afterwards on the ledger.

Fifty jobs run under the policy with small limits.  What the schedd did to each is in
its history; ``report policy`` must tell the same from the ledger.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pool.access_point import AccessPoint
from tests.pool.eventlog import JobId
from tests.pool.namespaces import REPOSITORY
from tests.pool.pool import Pool
from tests.pool.probe_runs import Ledger

EXAMPLE = REPOSITORY / "deploy/condor/60-poolmeter-example-policy.conf"
LIMITS = {
    "POLICY_MEMORY_FACTOR": "2",
    "POLICY_MAX_STARTS": "2",
    "POLICY_MAX_WALL_S": "15",
    "POLICY_MAX_HELD_S": "6",
}
CONFIG = """\
NUM_CPUS = 64
MEMORY = 65536
CGROUP_MEMORY_LIMIT_POLICY = none
PERIODIC_EXPR_INTERVAL = 1
MAX_PERIODIC_EXPR_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
PER_JOB_HISTORY_DIR =
"""
HOLDS = ("Memory", "Starts")
SCHEDD = "node1.pool.test"

#: Takes 300 MiB and keeps them until the policy acts, or for 60 s.
GREEDY = (
    "executable = /usr/bin/python3\n"
    "arguments = \"-c 'import time; k = bytearray([1]) * 300000000; time.sleep(60)'\"\n"
    "request_memory = 64\nqueue 12\n"
)
LONG = "executable = /usr/bin/sleep\narguments = 90\nqueue 12\n"
SHORT = "executable = /usr/bin/sleep\narguments = 1\nqueue 22\n"
#: Waits in the queue again after every run.
RESTARTED = (
    "executable = /usr/bin/true\non_exit_remove = false\n"
    "requirements = NumJobStarts < 2\nqueue 4\n"
)

NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Tried:
    """What HTCondor did, by job, and what ``report policy`` says that it would do."""

    ads: dict[JobId, dict[str, Any]]
    outcome: dict[str, Any]

    def outcome_of(self, rule: str) -> dict[str, Any]:
        """Return what is told of one rule."""
        (found,) = (o for o in self.outcome["outcomes"] if o["rule"] == rule)
        return dict(found)

    def told(self, rule: str) -> dict[JobId, str]:
        """Return the jobs that one rule would have hit first, with their reasons."""
        return {
            JobId(job["cluster_id"], job["proc_id"]): job["reason"]
            for job in self.outcome["hit_jobs"]
            if job["rule"] == rule
        }


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """Fifty jobs of a pool of their own, and the policy tried on its ledger."""
    folder = tmp_path_factory.mktemp("policy")
    policy = folder / "policy.conf"
    policy.write_text(with_limits(EXAMPLE.read_text("utf-8")), "utf-8")
    with Pool(config=CONFIG + policy.read_text("utf-8")) as pool:
        jobs = [
            job
            for description in (GREEDY, LONG, SHORT, RESTARTED)
            for job in pool.ap.submit(description)
        ]
        assert len(jobs) == 50
        pool.ap.await_end(*jobs)
        ledger = Ledger(pool.ap, SCHEDD, folder / "ledger")
        ledger.probe()
        ads = ads_of(pool.ap)
    months = {f"{row['ended_at']:%Y-%m}" for row in ledger.rows()}
    (month,) = months
    return Tried(ads, report_policy(ledger.path, policy, month))


def with_limits(text: str) -> str:
    """Return the example with the test's own limits."""
    for name, value in LIMITS.items():
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert count == 1
    return text


def ads_of(ap: AccessPoint) -> dict[JobId, dict[str, Any]]:
    """Return the history's ads by job."""
    return {JobId(ad["ClusterId"], ad["ProcId"]): ad for ad in ap.history()}


def report_policy(ledger: Path, policy: Path, month: str) -> dict[str, Any]:
    """Return what ``poolmeter report policy`` says."""
    config = ledger.with_suffix(".toml")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "poolmeter", "--config", str(config)),
            *("report", "policy", str(policy), "--month", month, "--jobs", "100"),
            *("--ledger", str(ledger), "--format", "json"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def held_by(tried: Tried, name: str) -> dict[JobId, str]:
    """Return the jobs that HTCondor held by the rule *name*, with the reasons."""
    subcode = {"Memory": 1001, "Starts": 1002}[name]
    return {
        job: ad["LastHoldReason"] if "LastHoldReason" in ad else ad["HoldReason"]
        for job, ad in tried.ads.items()
        if subcode in (ad.get("HoldReasonSubCode"), ad.get("LastHoldReasonSubCode"))
    }


@pytest.mark.parametrize("name", HOLDS)
def test_holds_the_same_jobs(tried: Tried, name: str) -> None:
    theirs = held_by(tried, name)
    ours = tried.told(f"SYSTEM_PERIODIC_HOLD_{name}")
    assert theirs
    assert ours.keys() == theirs.keys()


@pytest.mark.parametrize("name", HOLDS)
def test_gives_the_same_reason_but_for_measured_numbers(
    tried: Tried, name: str
) -> None:
    theirs = held_by(tried, name)
    ours = tried.told(f"SYSTEM_PERIODIC_HOLD_{name}")
    plain = {job: NUMBER.sub("n", text) for job, text in theirs.items()}
    assert {job: NUMBER.sub("n", text) for job, text in ours.items()} == plain


def test_removes_the_same_running_jobs(tried: Tried) -> None:
    theirs = removed_for(tried, "In slots for more than")
    assert len(theirs) == 12
    assert tried.told("SYSTEM_PERIODIC_REMOVE_Wall") == theirs


def test_cannot_tell_how_long_a_job_was_on_hold(tried: Tried) -> None:
    outcome = tried.outcome_of("SYSTEM_PERIODIC_REMOVE_Held")
    assert len(removed_for(tried, "On hold for more than")) == 16
    assert outcome["jobs_cannot_tell"] == 16
    assert outcome["lacking"] == {"currenttime": 16, "enteredcurrentstatus": 16}
    assert outcome["jobs_hit"] == 0


def test_jobs_that_ended_by_themselves_are_left_alone(tried: Tried) -> None:
    every = tried.outcome_of("any")
    assert every["jobs_hit"] == 28
    assert every["jobs_not_hit"] == 22


def removed_for(tried: Tried, words: str) -> dict[JobId, str]:
    """Return the jobs that HTCondor removed with a reason that begins with *words*."""
    return {
        job: ad["RemoveReason"]
        for job, ad in tried.ads.items()
        if ad.get("RemoveReason", "").startswith(words)
    }
