"""People's names in mailed statements: in full, as pseudonyms, or not at all."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from poolmeter.config import Names
from reports.monthly import monthly_statement
from reports.pseudonym import _TEXTS, NOT_SHOWN, for_reader, pseudonym
from reports.question import Pricing
from reports.render_csv import render_csv
from reports.render_html import render_html
from reports.render_json import render_json
from reports.render_text import render_text
from reports.statement_data import Statement
from tests.unit.reports_ledger import book, job, write_ledger

KEY = b"0123456789abcdef" * 2
PEOPLE = ("aliceberg", "bobsen", "uscms0042")

#: Texts that nobody but a reader of full names sees.
LEFT_OUT = {"HoldReason.reason"}


def _ledger(folder: Path) -> Path:
    return write_ledger(
        folder / "ledger",
        job(owner="aliceberg", contradictions=["wall_time"]),
        job(owner="bobsen", job_status="removed"),
        job(
            owner="aliceberg",
            payload_user="uscms0042",
            holds=2,
            hold_reason="Transfer of /home/bobsen/x failed for aliceberg",
            hold_reason_code=12,
            runs=2,
            last_run_wall_s=600,
        ),
    )


@pytest.fixture(scope="module")
def by_person(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    ledger = _ledger(tmp_path_factory.mktemp("ledger"))
    pricing = Pricing(book=book())
    return monthly_statement(ledger, "2026-10", pricing, by="payload-user", vo="cms")


@pytest.fixture(scope="module")
def by_vo(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    ledger = _ledger(tmp_path_factory.mktemp("ledger"))
    return monthly_statement(ledger, "2026-10", Pricing(book=book()), vo="cms")


def _all_renderings(statement: Statement) -> str:
    renderers = (render_text, render_html, render_csv, render_json)
    return "\n".join(render(statement) for render in renderers)


def test_the_statement_of_these_tests_holds_every_name(by_person: Statement) -> None:
    text = _all_renderings(by_person)

    assert all(name in text for name in PEOPLE)
    assert "/home/bobsen" in text
    assert for_reader(by_person, "full", None) is by_person


def test_no_name_is_left_behind_a_pseudonym(by_person: Statement) -> None:
    text = _all_renderings(for_reader(by_person, "pseudonym", KEY))

    assert not [name for name in PEOPLE if name in text]
    for name in ("aliceberg", "bobsen", "uscms0042"):
        assert pseudonym(KEY, "cms", name) in text


def test_no_name_is_left_without_names(by_vo: Statement) -> None:
    text = _all_renderings(for_reader(by_vo, "none", None))

    assert not [name for name in PEOPLE if name in text]
    assert "user-" not in text


@pytest.mark.parametrize("names", ["pseudonym", "none"])
def test_the_figures_stay(by_person: Statement, by_vo: Statement, names: Names) -> None:
    statement = by_vo if names == "none" else by_person
    seen = for_reader(statement, names, KEY)

    assert seen.totals == statement.totals
    assert seen.reconciliation == statement.reconciliation
    assert _figures(seen) == _figures(statement)


def _figures(statement: Statement) -> list[str]:
    lines = [dataclasses.replace(line, key="") for line in statement.lines]
    return sorted(map(repr, lines))


def test_lines_by_person_without_names_are_refused(by_person: Statement) -> None:
    with pytest.raises(ValueError, match="no names"):
        for_reader(by_person, "none", None)


def test_a_person_keeps_the_pseudonym_and_another_vo_or_key_has_others() -> None:
    assert pseudonym(KEY, "cms", "a") == pseudonym(KEY, "cms", "a")
    others = {
        pseudonym(KEY, "cms", "a"),
        pseudonym(KEY, "atlas", "a"),
        pseudonym(KEY[::-1], "cms", "a"),
        pseudonym(KEY, 'cms", "a', "b"),
        pseudonym(KEY, "cms", 'a", "b'),
    }
    assert len(others) == 5


def test_the_order_of_pseudonyms_tells_nothing(by_person: Statement) -> None:
    (line, *_) = by_person.lines
    lines = tuple(dataclasses.replace(line, key=f"user{n:03}") for n in range(40))
    same = dataclasses.replace(by_person, lines=lines)

    seen = for_reader(same, "pseudonym", KEY)

    keys = [line.key for line in seen.lines]
    assert keys == sorted(keys)


def test_what_stands_for_nobody_stays(by_person: Statement) -> None:
    line = dataclasses.replace(by_person.lines[0], key="(unknown)")
    seen = for_reader(dataclasses.replace(by_person, lines=(line,)), "pseudonym", KEY)

    assert seen.lines[0].key == "(unknown)"


def test_every_text_of_a_statement_is_classified_or_left_out() -> None:
    """A new field that may hold text: decide in ``reports.pseudonym`` who reads it."""
    found = set(_texts_of(Statement))
    groups = {"Statement.lines", "Block.lines", "Closing.corrections"}

    assert found - set(_TEXTS) == LEFT_OUT
    assert set(_TEXTS) - found == groups


def _texts_of(kind: Any) -> Iterator[str]:  # noqa: ANN401 - any dataclass
    for field in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[field.name]
        for inner in _inner_types(hint):
            if dataclasses.is_dataclass(inner):
                yield from _texts_of(inner)
            elif inner is str:
                yield f"{kind.__name__}.{field.name}"


def _inner_types(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - a type hint
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        yield str
    elif origin in (tuple, typing.Union, types.UnionType, Mapping) or (
        isinstance(origin, type) and issubclass(origin, Mapping)
    ):
        for part in typing.get_args(hint):
            yield from _inner_types(part)
    else:
        yield hint


def test_an_unclassified_text_is_not_shown(by_person: Statement) -> None:
    seen = for_reader(by_person, "pseudonym", KEY)

    assert seen.use is not None
    assert seen.use.hold_reasons
    assert {hold.reason for hold in seen.use.hold_reasons} == {NOT_SHOWN}
