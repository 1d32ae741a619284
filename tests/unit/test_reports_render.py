"""Text and JSON: complete, narrow enough, and hostile names can do nothing."""

import dataclasses
import json
from pathlib import Path

import pytest

from reports.render_json import render_json
from reports.render_text import render_text
from reports.statement import statement
from reports.statement_data import By, Statement
from reports.text_words import shown
from tests.unit.reports_ledger import GB, book, job, write_ledger

_HOSTILE = [
    "[bold red]cms[/bold red]",
    "a\x1b[2J\x1b]0;owned\x07b",
    "line\nbreak\r\tand\x00nul",
    "\u202eright to left",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    ":boom: [link=http://x]y[/link]",
    "x" * 5000,
    "日本語" * 40,
    "\udc80 surrogate",
]


def _of(ledger: Path, by: By = "vo") -> Statement:
    return statement(ledger, "2026-10", by=by, book=book())


@pytest.mark.parametrize("name", [n for n in _HOSTILE if "\udc80" not in n])
def test_hostile_names_are_inert_in_text(tmp_path: Path, name: str) -> None:
    ledger = write_ledger(
        tmp_path,
        job(owner=name, vo=name),
        job(owner=name, vo=name, billable=False, unbilled_reason=name),
        job(owner=name, vo=name, network_missing_reason=name,
            network_outgoing_external_bytes=None, network_trust="missing",
            contradictions=[name]),
    )  # fmt: skip

    text = render_text(_of(ledger, "owner"), 100)

    assert all(char.isprintable() or char == "\n" for char in text)
    assert shown(name) in text
    plain = render_text(_of(write_ledger(tmp_path / "plain", job()), "owner"), 100)
    assert len(text.splitlines()) < len(plain.splitlines()) + 20


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_shown_name_is_one_short_line(name: str) -> None:
    line = shown(name)

    assert line.isprintable()
    assert len(line) <= 28


def test_json_is_ascii_and_keeps_names_as_they_are(tmp_path: Path) -> None:
    name = "a\x1b[2Jb\n\u202e"
    ledger = write_ledger(tmp_path, job(owner=name))

    text = render_json(_of(ledger, "owner"))

    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["lines"][0]["key"] == name


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_number_is_ever_cut(tmp_path: Path, width: int) -> None:
    costly = job(wall_s=3600, network_outgoing_external_bytes=10**17)
    ledger = write_ledger(tmp_path, *[costly] * 20)

    text = render_text(_of(ledger), width)

    assert "100,003,882.20" in text
    assert "100,003,883.16" in text
    assert "…" not in text


def test_a_statement_of_a_large_pool_fits_into_100_columns(tmp_path: Path) -> None:
    costly = job(gpus=None, core_ms=3_600_000, cpu_user_ms=3_000_000,
                 network_outgoing_external_bytes=10**15)  # fmt: skip
    ledger = write_ledger(tmp_path, *[costly] * 20)

    text = render_text(_of(ledger), 100)

    assert max(map(len, text.splitlines())) <= 100


def test_the_text_says_all_that_limits_its_figures(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path,
        job(network_outgoing_external_bytes=200 * GB),
        job(network_outgoing_external_bytes=None, network_trust="missing",
            network_missing_reason="no collector"),
        job(cpus_milli=64_000),
        job(billable=False, unbilled_reason="universe 7"),
        job(time_trust="contradicted", contradictions=["wall_too_long"]),
    )  # fmt: skip
    result = _of(ledger)

    text = render_text(result)

    assert "≥ 9.00" in text
    assert "≥ 9.14" in text
    for words in (
        "known for 2 of 3 jobs (66.7 %)",
        "no collector: 1",
        "1 job, 1.000 wall h, 0 B WAN out: no type large enough",
        "universe 7",
        "wall_too_long: 1 job (1.000 h)",
        "job ap1#1.4 of alice",
        f"three-types, sha256 {result.book_sha256[:12]}",
        "a slot's cpu is 1 vCPU",
        "5 jobs = 3 priced + 1 unbilled + 1 unpriced",
        "difference 0",
    ):
        assert words in " ".join(text.split())


def test_a_line_without_any_count_says_unknown(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path, job(network_outgoing_external_bytes=None, network_trust="missing")
    )

    assert "unknown" in render_text(_of(ledger))


def test_a_difference_is_not_overlooked(tmp_path: Path) -> None:
    result = _of(write_ledger(tmp_path, job()))
    told = result.reconciliation
    wrong = dataclasses.replace(told, in_ledger={**told.in_ledger, "jobs": 3})

    text = render_text(dataclasses.replace(result, reconciliation=wrong))

    assert "DIFFERENCE 2" in text


def test_an_empty_month_is_one_clear_line(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, job())

    text = render_text(statement(ledger, "2026-09", book=book()))

    assert "No jobs in the ledger for 2026-09." in text
    assert "Compute" not in text
