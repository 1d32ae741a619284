"""What was set aside is listed, shown, and read again after a repair; once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolmeter.cli import Settings, poolmeter
from poolmeter.config import Config
from poolmeter.errors import ExitCode, LedgerError, UsageError
from poolmeter.ledger.scan import read_table
from poolmeter.ledger.tables import runs_schema
from probe.history_file import RawRecord
from probe.quarantine import SetAside, keep, quarantine_folder
from probe.quarantine_again import find_kept, kept_records, retry
from tests.ads import NOW, SCHEDD, banner, clusters, completed, job, jobs, run
from tests.runs import run_record

Command = Callable[..., Result]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with three jobs; one record was set aside that nobody can read."""
    live = tmp_path / "history"
    hostile = "Owner = \x1b[31m\n" + banner(9)
    live.write_text(jobs(1, 3) + hostile)
    assert run(tmp_path / "ledger", live).exit_code == ExitCode.SET_ASIDE
    return tmp_path / "ledger"


def set_aside(ledger: Path, text: str) -> None:
    """Put a record that can be read into the quarantine, as an older version did."""
    ad, mark, rest = text.partition("*** ")
    raw = RawRecord(0, len(text), ad.encode(), (mark + rest).encode())
    keep(
        ledger,
        SetAside(
            schedd=SCHEDD,
            source="history",
            identity="x",
            raw=raw,
            kind="unreadable ad",
            reason="as it was",
        ),
    )


@pytest.fixture
def command(ledger: Path) -> Command:
    """Run ``poolmeter probe quarantine``."""

    def invoke(*arguments: str) -> Result:
        words = ["probe", "quarantine", *arguments, "--ledger", str(ledger)]
        return CliRunner().invoke(poolmeter, words, obj=Settings())

    return invoke


def test_the_list_has_name_kind_and_reason(ledger: Path, command: Command) -> None:
    (kept,) = kept_records(ledger)
    (listed,) = json.loads(command("list", "--format", "json").stdout)
    assert listed == {
        "name": kept.name,
        "schedd": SCHEDD,
        "source": kept.source,
        "kind": "unreadable ad",
        "reason": kept.reason,
    }
    text = command("list").stdout
    assert text.startswith(f"{kept.name[:12]}  unreadable ad: ")
    assert "\x1b" not in text


def test_a_record_is_shown_without_its_control_characters(
    ledger: Path, command: Command
) -> None:
    (kept,) = kept_records(ledger)
    shown = command("show", kept.name[:6])
    assert (shown.exit_code, shown.stdout.splitlines()[0]) == (0, r"Owner = \x1b[31m")


def test_what_can_be_read_now_goes_into_the_ledger_and_leaves(ledger: Path) -> None:
    set_aside(ledger, job(7))
    tried = retry(ledger, list(kept_records(ledger)), Config(), now=NOW)
    assert sorted(one.is_read for one in tried) == [False, True]
    assert clusters(ledger) == [1, 2, 3, 7]
    assert len(list(kept_records(ledger))) == 1


def test_a_run_goes_into_the_table_of_runs(ledger: Path) -> None:
    set_aside(ledger, run_record(7, 0, 1_762_770_000, 1_762_776_000))
    retry(ledger, list(kept_records(ledger)), Config(), now=NOW)
    assert read_table(ledger, "runs", runs_schema()).num_rows == 1


def test_a_second_try_and_a_job_that_is_there_make_no_second_row(ledger: Path) -> None:
    set_aside(ledger, job(2))
    kept = [k for k in kept_records(ledger) if k.reason == "as it was"]
    assert [one.is_read for one in retry(ledger, kept, Config(), now=NOW)] == [True]
    assert [one.is_read for one in retry(ledger, kept, Config(), now=NOW)] == [True]
    assert clusters(ledger) == [1, 2, 3]


def test_a_job_that_is_there_with_other_content_stays_set_aside(ledger: Path) -> None:
    set_aside(ledger, job(2, ExitCode=9))
    kept = [k for k in kept_records(ledger) if k.reason == "as it was"]
    (tried,) = retry(ledger, kept, Config(), now=NOW)
    assert (tried.is_read, len(list(kept_records(ledger)))) == (False, 2)


def test_retry_says_what_stays_and_ends_with_3(ledger: Path, command: Command) -> None:
    set_aside(ledger, job(7))
    done = command("retry")
    assert (done.exit_code, done.stdout.count("in the ledger now")) == (3, 1)
    assert done.stdout.count("stays: ") == 1
    (quarantine_folder(ledger) / f"{next(kept_records(ledger)).name}.json").unlink()
    empty = command("retry", "--format", "json")
    assert (empty.exit_code, json.loads(empty.stdout)) == (0, [])


def test_a_name_that_is_none_or_not_the_only_one_is_refused(ledger: Path) -> None:
    set_aside(ledger, completed() + banner())
    for name in ("zzz", ""):
        with pytest.raises(UsageError, match="quarantine list"):
            find_kept(ledger, name)


@pytest.mark.parametrize("content", ["{", "{}", '{"ad_base64": "?"}'])
def test_a_damaged_file_is_an_error_with_its_mend(ledger: Path, content: str) -> None:
    (quarantine_folder(ledger) / "damaged.json").write_text(content)
    with pytest.raises(LedgerError, match=r"damaged\.json"):
        list(kept_records(ledger))
