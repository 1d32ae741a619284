"""``poolmeter report``: parse, one call, print, exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import poolmeter
from poolmeter.cli import main
from tests.unit.reports_ledger import BOOK_TOML, job, write_ledger


def _run(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out, err


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return write_ledger(tmp_path / "ledger", job(), job(owner="bob", vo="atlas"))


def test_a_statement_is_printed_from_the_shipped_book(
    capsys: pytest.CaptureFixture[str], ledger: Path
) -> None:
    code, out, err = _run(
        capsys, "report", "statement", "--ledger", ledger, "--month", "2026-10"
    )

    assert (code, err) == (0, "")
    assert "ec2-us-east-1-2026" in out
    assert "atlas" in out


def test_the_json_is_of_the_asked_vo_and_book(
    capsys: pytest.CaptureFixture[str], ledger: Path, tmp_path: Path
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(BOOK_TOML)

    code, out, _ = _run(
        capsys, "--ledger", ledger, "report", "statement", "--month=2026-10",
        "--by=owner", "--vo=cms", "--format=json", "--prices", path,
    )  # fmt: skip

    data = json.loads(out)
    assert code == 0
    assert data["book"]["id"] == "three-types"
    assert [line["key"] for line in data["lines"]] == ["alice"]


def test_the_configuration_decides_how_many_vcpus_a_cpu_is(
    capsys: pytest.CaptureFixture[str], ledger: Path, tmp_path: Path
) -> None:
    config = tmp_path / "poolmeter.toml"
    config.write_text("[report]\nvcpus_per_cpu = 2\n")

    _, out, _ = _run(
        capsys, "report", "statement", "--month=2026-10", "--format=json",
        "--ledger", ledger, "--config", config,
    )  # fmt: skip

    assert json.loads(out)["vcpus_per_cpu"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--month=2026-1"], "expected YYYY-MM"),
        (["--month=2026-10", "--by=nobody"], "nobody"),
        (["--month=2026-10", "--prices=ec2"], "one of ec2-2011, ec2-us-east-1-2026"),
        (["--month=2019-10"], "expected rates for 2019-10"),
        ([], "--month"),
        (["--month=2026-10", "--ledger=/dev/null/none"], "check --ledger"),
    ],
)
def test_what_cannot_be_used_exits_2_with_one_line(
    capsys: pytest.CaptureFixture[str], ledger: Path, arguments: list[str], message: str
) -> None:
    code, out, err = _run(capsys, "--ledger", ledger, "report", "statement", *arguments)

    assert (code, out) == (2, "")
    assert message in err


def test_an_empty_month_is_no_failure(
    capsys: pytest.CaptureFixture[str], ledger: Path
) -> None:
    code, out, err = _run(
        capsys, "--ledger", ledger, "report", "statement", "--month=2026-09"
    )

    assert (code, err) == (0, "")
    assert "No jobs in the ledger for 2026-09." in out


def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = _run(capsys, "report", "statement", "--help")

    assert code == 0
    assert "Example:\n" in out


def test_a_terminal_without_unicode_gets_plain_characters(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job(network_trust="partial", vo="naïve 日本"))
    command = [sys.executable, "-m", "poolmeter", "--ledger", str(ledger)]

    done = subprocess.run(
        [*command, "report", "statement", "--month=2026-10"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )

    assert b">= 0.00" in done.stdout
    assert b"na\\xefve \\u65e5\\u672c" in done.stdout


def test_the_parts_of_nodes_and_access_points_are_not_imported() -> None:
    program = (
        "import sys, reports.cli; "
        "sys.exit(any(n.partition('.')[0] in ('probe', 'collectors') "
        "for n in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_page_is_written_without_a_word_where_no_home_is(ledger: Path) -> None:
    """As for a service account under cron; matplotlib would say so."""
    homeless = os.environ | {"HOME": "/proc/none", "MPLCONFIGDIR": "/proc/none"}
    command = [sys.executable, "-m", "poolmeter", "report", "statement"]
    options = ["--month=2026-10", "--format=html", "--trend=1", "--ledger", str(ledger)]

    done = subprocess.run(
        [*command, *options], env=homeless, capture_output=True, check=True
    )

    assert done.stderr == b""
    assert b"<img" in done.stdout


@pytest.mark.parametrize("closed", [False, True])
def test_the_library_gives_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], ledger: Path, tmp_path: Path, *, closed: bool
) -> None:
    """With the configured book and settings, and a closed month as it was closed."""
    book = tmp_path / "site.toml"
    book.write_text(BOOK_TOML)
    config = tmp_path / "poolmeter.toml"
    config.write_text(f'[report]\nprices = "{book}"\nvcpus_per_cpu = 2\n')
    options = ["--config", str(config), "--ledger", str(ledger)]
    if closed:
        assert _run(capsys, "report", "close", "2026-10", *options)[0] == 0
        config.write_text('[report]\nprices = "ec2-us-east-1-2026"\n')

    made = poolmeter.statement(ledger, "2026-10", by="owner", config=config)

    command = ["report", "statement", "--month=2026-10", "--by=owner", "--format=json"]
    assert made == json.loads(_run(capsys, *command, *options)[1])
    assert made["vcpus_per_cpu"] == 2
    assert (made["closing"] is not None) is closed
