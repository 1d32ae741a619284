"""The command ``poolmeter probe run``: what it prints, and its exit codes."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from poolmeter.cli import main
from tests.ads import (
    SCHEDD,
    banner,
    clusters,
    completed,
    folder_state,
    job,
    jobs,
    rows,
)
from tests.soak.killed_runs import command


class Done(NamedTuple):
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Shell = Callable[..., Done]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs ``poolmeter`` with no configuration of the machine's own."""
    monkeypatch.setenv("POOLMETER_CONFIG", os.devnull)

    def call(*arguments: str | Path) -> Done:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Done(int(exit_info.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def probe_run(shell: Shell, tmp_path: Path) -> Shell:
    """Runs ``probe run`` over ``history`` into ``ledger`` of the test's folder."""
    where = (f"--ledger={tmp_path}/ledger", f"--history={tmp_path}/history")

    def call(*options: str | Path) -> Done:
        return shell("probe", "run", *where, "--schedd", SCHEDD, *options)

    return call


def test_the_installed_command_prints_nothing_where_nobody_looks(
    tmp_path: Path,
) -> None:
    """So that cron sends no mail."""
    (tmp_path / "history").write_text(jobs(1, 3))
    done = subprocess.run(
        command(tmp_path / "ledger", tmp_path / "history"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert clusters(tmp_path / "ledger") == [1, 2, 3]


STRANGERS = {
    "JSON": '[\n {"ClusterId": 1}\n]\n',
    "a Python dictionary": "{'ClusterId': 1, 'ProcId': 0}\n",
    "a new ClassAd": "[\n  ClusterId = 1;\n  ProcId = 0\n]\n",
    "XML": '<?xml version="1.0"?>\n<classads>\n<c>\n</c>\n</classads>\n',
    "the output of condor_submit": "Submitting job(s).\n1 job(s) submitted.\n",
    "prose": "Dear reader,\nthis is a letter.\n",
    "binary data": "\x00\x01\x02\x7fELF\x80\n" * 50,
    "an epoch history": completed() + "*** EPOCH ClusterId=8 ProcId=0\n",
    "an ad without its ids": 'Owner = "alice"\n',
    "a user log": "000 (001.000.000) 2026-11-22 09:07:53 Job submitted\n...\n",
}


@pytest.mark.parametrize("text", STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_history_is_refused_on_one_line_with_the_mend(
    tmp_path: Path, text: str, probe_run: Shell
) -> None:
    history = tmp_path / "history"
    history.write_text(jobs(1, 2))
    probe_run()
    before = folder_state(tmp_path / "ledger")
    history.write_bytes(text.encode("latin-1"))
    os.utime(history, (1_700_000_000, 1_700_000_000))
    assert_refused(probe_run(), "condor_config_val HISTORY")
    assert folder_state(tmp_path / "ledger") == before


def assert_refused(done: Done, mend: str) -> None:
    """Assert exit code 2 and one line that names the mend."""
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("poolmeter: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert mend in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_history_is_refused_with_the_mend(
    tmp_path: Path, probe_run: Shell
) -> None:
    assert_refused(probe_run(), "condor_config_val HISTORY")
    assert not (tmp_path / "ledger" / "jobs").exists()


def test_a_folder_or_a_pipe_is_refused_at_once(
    tmp_path: Path, probe_run: Shell
) -> None:
    (tmp_path / "history").mkdir()
    assert_refused(probe_run(), "check --history")
    (tmp_path / "history").rmdir()
    os.mkfifo(tmp_path / "history")
    assert_refused(probe_run(), "check --history")


def test_a_broken_record_is_told_with_its_count_and_exit_code_3(
    tmp_path: Path, probe_run: Shell
) -> None:
    bad = "no ad\n" + banner()
    text = job(1) + bad + bad + job(2) + completed(ExitCode='"x"') + banner()
    (tmp_path / "history").write_text(text)
    done = probe_run()
    assert done.returncode == 3
    assert done.stdout == f"{SCHEDD}: 5 records read, 3 jobs new, 0 known already\n"
    assert done.stderr.splitlines() == [
        "set aside: 2 x unreadable ad; the bytes are in the quarantine",
        "value left out: 1 x ExitCode: expected a number; the jobs are kept",
    ]


def test_a_value_left_out_alone_ends_with_exit_code_3(
    tmp_path: Path, probe_run: Shell
) -> None:
    (tmp_path / "history").write_text(completed(ExitCode='"x"') + banner())
    assert probe_run().returncode == 3


def test_a_job_that_differs_from_its_row_is_told_and_the_row_stays(
    tmp_path: Path, probe_run: Shell
) -> None:
    (tmp_path / "history").write_text(jobs(1, 3))
    probe_run()
    (tmp_path / "ledger" / ".state" / "checkpoints" / f"{SCHEDD}.jsonl").unlink()
    (tmp_path / "history").write_text(job(1) + job(2, ExitCode=9) + job(3))
    done = probe_run()
    assert done.returncode == 3
    assert done.stderr == (
        "conflict: 1 jobs differ from their rows in the ledger, which stay (2.0)\n"
    )
    assert [row["exit_code"] for row in rows(tmp_path / "ledger")] == [0, 0, 0]


def test_a_gap_is_told_with_its_times(tmp_path: Path, probe_run: Shell) -> None:
    (tmp_path / "history").write_text(jobs(1, 2))
    probe_run()
    (tmp_path / "history").write_text(jobs(8, 9))
    done = probe_run()
    assert done.returncode == 3
    assert done.stderr.startswith(f"gap: records of {tmp_path / 'history'} between 20")
    assert done.stderr.endswith("may be lost: live file lost\n")


def test_control_characters_of_an_ad_do_not_reach_the_terminal(
    tmp_path: Path, shell: Shell
) -> None:
    hostile = completed(ExitCode='"\x1b[31m"') + "A\x1b[2J\n" + banner()
    (tmp_path / "his\x1btory").write_text(hostile)
    where = ("--ledger", tmp_path / "ledger", "--history", tmp_path / "his\x1btory")
    done = shell("probe", "run", *where, "--schedd", "a\x1bb")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr


def test_json_says_all_that_happened(tmp_path: Path, probe_run: Shell) -> None:
    other = "A = 1\n*** SPAWN ClusterId=1\n"
    (tmp_path / "history").write_text(jobs(1, 2) + other + "no ad\n" + banner())
    done = probe_run("--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {
        "schedd": SCHEDD,
        "records_read": 4,
        "jobs_inserted": 2,
        "jobs_repeated": 0,
        "jobs_conflicting": [],
        "runs_inserted": 0,
        "runs_repeated": 0,
        "runs_conflicting": [],
        "jobs_contradicted": 0,
        "records_set_aside": {"unreadable ad": 1},
        "records_of_other_kinds": {"SPAWN": 1},
        "values_left_out": {},
        "gaps": [],
    }


def test_options_may_stand_before_and_after_the_subcommand(
    tmp_path: Path, shell: Shell
) -> None:
    (tmp_path / "history").write_text(jobs(1, 2))
    config = tmp_path / "poolmeter.toml"
    config.write_text(f'[probe]\nhistory = ["{tmp_path}/history"]\nsite = "S"\n')
    shared: list[str | Path] = ["--config", config, "--ledger"]
    calls: list[list[str | Path]] = [
        [*shared, tmp_path / "a", "probe", "run"],
        ["probe", "run", *shared, tmp_path / "b"],
        [*shared, tmp_path / "wrong", "probe", "run", "--ledger", tmp_path / "c"],
    ]
    for arguments in calls:
        done = shell(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    assert [clusters(tmp_path / name) for name in "abc"] == [[1, 2]] * 3
    assert not (tmp_path / "wrong").exists()


def test_the_configuration_may_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    (tmp_path / "history").write_text(jobs(1, 2))
    config = tmp_path / "poolmeter.toml"
    config.write_text(
        f'[ledger]\npath = "{tmp_path}/ledger"\n'
        f'[probe]\nhistory = ["{tmp_path}/history"]\nschedd = "{SCHEDD}"\n'
    )
    monkeypatch.setenv("POOLMETER_CONFIG", str(config))
    assert shell("probe", "run").returncode == 0
    assert clusters(tmp_path / "ledger") == [1, 2]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ('[probe]\nshedd = "x"\n', "did you mean `schedd`?"),
        ("[prob]\n", "did you mean `probe`?"),
        ('[ledger]\npath = "x"\nmirrors = 1\n', "docs/configuration.md"),
        ("[probe\n", "TOML"),
        ("[probe]\nhistory = 5\n", "history"),
        ('[[vo.rules]]\nsource = "ownr"\n', "ownr"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_suggestion(
    tmp_path: Path, text: str, mend: str, shell: Shell
) -> None:
    config = tmp_path / "poolmeter.toml"
    config.write_text(text)
    done = shell("--config", config, "probe", "run", "--ledger", tmp_path / "l")
    assert_refused(done, mend)
    assert not (tmp_path / "l").exists()


def test_a_configuration_that_is_not_there_is_refused(
    tmp_path: Path, shell: Shell
) -> None:
    done = shell("probe", "run", "--config", tmp_path / "none.toml")
    assert_refused(done, "check --config")


def test_a_traceback_is_shown_only_with_debug(probe_run: Shell) -> None:
    assert "Traceback" in probe_run("--debug").stderr


def test_a_ledger_that_is_a_file_is_an_error_on_one_line(
    tmp_path: Path, probe_run: Shell
) -> None:
    (tmp_path / "history").write_text(jobs(1, 2))
    (tmp_path / "ledger").touch()
    done = probe_run()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Traceback" not in done.stderr
