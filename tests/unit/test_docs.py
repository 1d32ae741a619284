"""The documentation is true: commands, options, columns, examples; and no strangers.

``make docs`` rewrites docs/record.md and the statement in the README.
"""

import datetime as dt
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import click
import msgspec
import pandas as pd
import pytest

from poolmeter.cli import GROUPS, poolmeter
from poolmeter.config import Config, Recipient, VoRule, parse_config
from poolmeter.demo.run import DemoResult, run_demo
from poolmeter.lazy import load
from poolmeter.node_config import SiteClassConfig
from tests.unit.record_page import record_page

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
EXAMPLE = REPOSITORY / "deploy" / "poolmeter.toml.example"
PAGES = (REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")))

#: Hosts that sources of prices, licences and the like stand at; add one on purpose.
KNOWN_HOSTS = re.compile(
    r"[^.]*|(.*\.)?example(\.org|\.com)?(:\d+)?|10(\.\d+){3}|203\.0\.113\.\d+|www\.apache\.org"
    r"|aws\.amazon\.com|github\.com|wring\.co|www\.egresscost\.com"
    r"|readwrite\.com|highedwebtech\.com"
    r"|keepachangelog\.com|semver\.org|www\.gridforum\.org"
)
URL = re.compile(r"https?://([^/\s\"'`<>)]*)")
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:root|Users|work)/|\.\./shared")
#: Written by HTCondor or by others, as it was.
DATA = ("tests/data/", "poolmeter/demo/data/", "tests/golden/expected/")


def commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[str, click.Command]]:
    """Yield *command* and all below it, by full name."""
    yield " ".join(path), command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(click.Context(command)):
        below = (
            load(GROUPS[name].target, extra="")
            if command is poolmeter
            else command.commands[name]
        )
        yield from commands(below, (*path, name))


COMMANDS = dict(commands(poolmeter, ("poolmeter",)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_docs(name: str) -> None:
    assert any(f"`{name}" in page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_an_example_of_itself(name: str) -> None:
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=name))

    assert command.help
    # A raw docstring would show click's control character as two letters.
    assert r"\b" not in text
    if not isinstance(command, click.Group):
        example = text.partition("Example:\n")[2].strip().splitlines()
        assert example
        assert example[0].split()[0] == "poolmeter"
        assert name.rsplit(maxsplit=1)[-1] in example[0].split()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_has_help(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if not isinstance(parameter, click.Argument):
            assert getattr(parameter, "help", ""), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_argument_is_in_the_help(name: str) -> None:
    command = COMMANDS[name]
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            names = {str(parameter.name), str(parameter.metavar)}
            words = set(re.findall(r"[\w-]+", (command.help or "").lower()))
            assert words & {n.lower() for n in names}, f"{name} {parameter.name}"


def options() -> list[tuple[str, str, object]]:
    """Return each section, option and default of the configuration."""
    return [
        (section.name, field.name, default_of(field))
        for section in msgspec.structs.fields(Config)
        for field in msgspec.structs.fields(type(section.default))
    ]


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """Return the default of *field*, of one with a factory what that makes."""
    if field.default_factory is msgspec.NODEFAULT:
        return field.default
    return field.default_factory()


@pytest.mark.parametrize(("section", "name", "default"), options())
def test_an_option_is_in_the_docs_with_its_default(
    section: str, name: str, default: object
) -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    of_section = page.partition(f"\n## `[{section}]`")[2].partition("\n## ")[0]
    row = re.search(rf"^\| `{name}` \| (.*?) \|", of_section, re.MULTILINE)

    assert row, f"{section}.{name}"
    if (section, name) == ("vo", "rules"):
        assert row[1] == "see below"
    else:
        assert row[1] == ("not set" if default is None else f"`{as_toml(default)}`")


def test_the_keys_of_tables_in_lists_are_in_the_docs() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")

    for table in (VoRule, Recipient, SiteClassConfig):
        for name in table.__struct_fields__:
            assert f"\n| `{name}` |" in page


def as_toml(value: object) -> str:
    """Return *value* as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_example_configuration_as_it_is_changes_nothing() -> None:
    assert parse_config(EXAMPLE.read_text("utf-8")) == Config()


def test_the_example_configuration_holds_every_option_with_its_default() -> None:
    option = re.compile(r"^#(?=\w+ = |\[\[)", re.MULTILINE)
    text = option.sub("", EXAMPLE.read_text("utf-8"))
    parsed, raw = parse_config(text), tomllib.loads(text)

    for section, name, default in options():
        assert name in raw[section], f"{section}.{name}"
        if default is not None:
            assert getattr(getattr(parsed, section), name) == default


def test_the_configurations_in_the_docs_are_accepted() -> None:
    for page in ("configuration.md", "gratia.md", "mail.md"):
        for text in code_blocks(DOCS / page, "toml"):
            assert parse_config(text) != Config()


def code_blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of *page* in *language*."""
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return block.findall(page.read_text("utf-8"))


def test_the_record_page_is_that_of_the_code(
    golden: Callable[[Path, str], None],
) -> None:
    golden(DOCS / "record.md", record_page())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """What ``poolmeter --ledger demo-ledger demo`` makes."""
    ledger = tmp_path_factory.mktemp("demo") / "demo-ledger"
    return run_demo(ledger, now=dt.datetime.now(dt.UTC), width=100)


def test_the_readme_shows_the_demos_statement(
    demo: DemoResult, golden: Callable[[Path, str], None]
) -> None:
    readme = REPOSITORY / "README.md"
    head, fence, rest = readme.read_text("utf-8").partition("```text\n")
    _, end, tail = rest.partition("\n```\n")

    golden(readme, head + fence + demo.statement_text.rstrip("\n") + end + tail)


def test_the_analysts_examples_run(
    demo: DemoResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo.ledger.parent)
    blocks = code_blocks(DOCS / "analyst.md", "python")
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "analyst.md", "exec"), names)  # noqa: S102 - our own page

    assert len(blocks) >= 4
    assert not cast("pd.DataFrame", names["jobs"]).empty


def names_in(module: str, pattern: str) -> set[str]:
    """Return what *pattern* finds in the source of *module*."""
    source = REPOSITORY.joinpath(*module.split(".")).with_suffix(".py")
    return set(re.findall(pattern, source.read_text("utf-8")))


def test_every_contradiction_is_explained() -> None:
    page = (DOCS / "ap-admin.md").read_text("utf-8")
    yielded = names_in("probe.normalise.contradictions", r'yield "(\w+)"')
    yielded |= names_in("probe.normalise.run", r'yield "(\w+)"')
    added = names_in("probe.normalise.contradictions", r'\(\("(\w+)",\)')
    section = page.partition("\n## Contradictions")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    explained = set(re.findall(r"`(\w+)`", " ".join(first_cells)))

    assert explained == yielded | added


def test_every_reason_for_no_price_is_explained() -> None:
    page = (DOCS / "ap-admin.md").read_text("utf-8")
    returned = names_in("probe.normalise.billing", r'return "(\w+)"')
    by_universe = names_in("probe.normalise.billing", r'UNIVERSE: "(\w+)"')

    assert returned | by_universe
    for reason in returned | by_universe:
        assert f"`{reason}`" in page


def test_every_reason_of_a_gap_is_explained() -> None:
    page = (DOCS / "ap-admin.md").read_text("utf-8")
    reasons = names_in("probe.history_source", r'"((?:live|history) file [a-z]+)"')

    assert reasons
    for reason in reasons:
        assert f"`{reason}`" in page


def test_links_between_pages_lead_somewhere() -> None:
    for page in (*PAGES, REPOSITORY / "CONTRIBUTING.md"):
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def tracked_files() -> list[Path]:
    """Return the files of the repository; none outside of git."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return []
    names = [name for name in done.stdout.split("\0") if name]
    return [REPOSITORY / n for n in names if not n.startswith(DATA)]


def test_nothing_speaks_of_one_machine_or_of_unknown_hosts() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("no git, or no clone")
    for path in files:
        if path == Path(__file__) or not path.exists():
            continue
        text = path.read_text("utf-8", "replace")
        name = path.relative_to(REPOSITORY)
        assert not MACHINE_PATH.search(text), f"{name} names a machine's path"
        for host in URL.findall(text):
            assert KNOWN_HOSTS.fullmatch(host), f"{name} names the host {host}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_asks_nobody_for_money(page: Path) -> None:
    demand = re.compile(r"\b(invoice|bill)s?\b", re.IGNORECASE)

    assert not demand.search(page.read_text("utf-8"))
