"""The rules of every test run, tried on a small project of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import NEEDS, UnknownNeedError, required_needs
from tests.prepare import missing_packages

REPOSITORY = Path(__file__).parents[2]

# A machine on which root is to be had and a pool is not.
CONFTEST = """
from tests.needs import NEEDS, Need

NEEDS["root"] = Need("root", lambda: None)
NEEDS["pool"] = Need("pool", lambda: "no pool on this machine")
NEEDS["iptables"] = Need("iptables", lambda: "no iptables on this machine")
"""
TEST = "def test_it(): pass\n"
MARKED = """
import pytest

@pytest.mark.needs("iptables")
def test_marked(): pass
"""
SEEDED = """
def test_seed(seed, rng, rounds):
    print(f"seed={seed} first={rng.random()} rounds={rounds(2, 50)}")
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Run:
    """Run pytest with our conftest on a project with one test in each folder."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for folder in ("unit", "root", "pool", "soak"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / f"test_{folder}.py").write_text(TEST)
    (tmp_path / "tests/unit/test_marked.py").write_text(MARKED)

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        ours = ("REQUIRE", "POOLMETER_SEED", "POOLMETER_SOAK", "PYTEST_ADDOPTS")
        clean = {k: v for k, v in os.environ.items() if k not in ours}
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-v", "-rs"]
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env=clean | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def outcome(result: "subprocess.CompletedProcess[str]", test: str) -> str:
    """Return the word that pytest printed behind *test*."""
    found = re.search(rf"{re.escape(test)} (\w+)", result.stdout)
    assert found, result.stdout + result.stderr
    return found[1]


def test_a_missing_need_skips_with_its_reason(run_pytest: Run) -> None:
    result = run_pytest()

    assert result.returncode == 0
    assert outcome(result, "test_unit.py::test_it") == "PASSED"
    assert outcome(result, "test_root.py::test_it") == "PASSED"
    assert outcome(result, "test_pool.py::test_it") == "SKIPPED"
    assert outcome(result, "test_marked.py::test_marked") == "SKIPPED"
    assert outcome(result, "test_soak.py::test_it") == "SKIPPED"
    assert "needs pool: no pool on this machine" in result.stdout
    assert "needs iptables: no iptables on this machine" in result.stdout
    assert "runs with `make soak` only" in result.stdout
    assert "repeat with: POOLMETER_SEED=" in result.stdout


def test_a_required_need_fails_where_it_is_missing(run_pytest: Run) -> None:
    result = run_pytest(REQUIRE="root,pool")

    assert result.returncode == 1
    assert outcome(result, "test_root.py::test_it") == "PASSED"
    assert outcome(result, "test_pool.py::test_it") == "ERROR"
    assert outcome(result, "::REQUIRE=root") == "PASSED"
    assert outcome(result, "::REQUIRE=pool") == "FAILED"
    assert outcome(result, "test_marked.py::test_marked") == "SKIPPED"


def test_a_required_need_fails_also_where_no_test_asks_for_it(run_pytest: Run) -> None:
    result = run_pytest("-k", "test_unit", REQUIRE="pool")

    assert result.returncode == 1
    assert outcome(result, "test_unit.py::test_it") == "PASSED"
    assert outcome(result, "::REQUIRE=pool") == "FAILED"


def test_an_unknown_need_is_refused_before_anything_runs(run_pytest: Run) -> None:
    result = run_pytest(REQUIRE="root,gpu")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "found gpu" in result.stderr
    with pytest.raises(UnknownNeedError, match="iptables"):
        required_needs("gpu")


def test_folders_are_markers_and_a_seed_repeats_a_run(
    run_pytest: Run, tmp_path: Path
) -> None:
    (tmp_path / "tests/soak/test_soak.py").write_text(SEEDED)
    environment = {"POOLMETER_SOAK": "1", "POOLMETER_SEED": "7"}
    runs = [run_pytest("-s", "-m", "soak", **environment) for _ in range(2)]

    said = [re.findall(r"seed=.*", result.stdout) for result in runs]
    assert said[0] == said[1]
    assert said[0][0].startswith("seed=7 ")
    assert said[0][0].endswith("rounds=50")
    assert all("1 passed, 4 deselected" in result.stdout for result in runs)


def test_a_package_is_missing_when_its_command_is(tmp_path: Path) -> None:
    (tmp_path / "nft").write_text("#!/bin/sh\n")
    (tmp_path / "nft").chmod(0o755)

    assert "nftables" not in missing_packages(str(tmp_path))


def test_every_need_answers_with_a_reason_or_nothing() -> None:
    for need in NEEDS.values():
        reason = need.why_missing()
        assert reason is None or reason.strip()
