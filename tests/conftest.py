"""What every test run has: markers by folder, needs, a seed, golden files.

Environment: ``REQUIRE=root,pool,iptables`` makes missing needs fail,
``POOLMETER_SEED`` repeats a run's random choices, ``POOLMETER_SOAK=1`` asks for the
full numbers.
"""

import atexit
import difflib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.needs import (
    FOLDERS,
    NEEDS,
    NEEDS_OF_FOLDER,
    UnknownNeedError,
    folder_of,
    required_needs,
    why_missing,
)

SEED_VARIABLE = "POOLMETER_SEED"

#: The order of the folders; within each that of their names.
SLOWEST_FIRST = ("soak", "pool", "root", "property", "golden", "unit")

# A shared machine stalls for seconds: time limits of hypothesis would be noise.
settings.register_profile(
    "few",
    max_examples=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("few"), max_examples=2000)


def is_soak() -> bool:
    """Whether the full numbers were asked for."""
    return os.environ.get("POOLMETER_SOAK", "") not in ("", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-golden``."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the stored outputs instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, choose the seed, refuse an unknown ``REQUIRE``."""
    for name, meaning in FOLDERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.addinivalue_line("markers", f"needs(name, ...): any of {', '.join(NEEDS)}")
    try:
        required_needs(os.environ.get("REQUIRE", ""))
    except UnknownNeedError as error:
        raise pytest.UsageError(str(error)) from error
    # In the environment, so that workers and child processes have the same one.
    os.environ.setdefault(SEED_VARIABLE, str(random.SystemRandom().getrandbits(32)))
    settings.load_profile("soak" if is_soak() else "few")
    if hasattr(config, "workerinput"):
        atexit.register(_silence)


def _silence() -> None:
    """Let what the interpreter's end says go nowhere.

    The one of a worker is taken down with DuckDB still loaded, whose bindings then
    list what was not freed.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def pytest_report_header() -> list[str]:
    """Say which needs are met and how to repeat the random choices."""
    missing = {name: why_missing(name) for name in NEEDS}
    needs = ", ".join(f"{n}: {why or 'met'}" for n, why in missing.items())
    return [f"needs: {needs}", f"repeat with: {SEED_VARIABLE}={seed_of_run()}"]


def seed_of_run() -> int:
    """Return the seed that the header shows."""
    return int(os.environ[SEED_VARIABLE])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its folder."""
    item.add_marker(folder_of(item.path, tests_of(item.config)))


def tests_of(config: pytest.Config) -> Path:
    """Return the folder of all tests."""
    return config.rootpath / "tests"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return what ``-n auto`` means: one worker more than cores, for a pool waits."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, items: list[pytest.Item]
) -> None:
    """Put the slow folders first and add a test for each required need.

    Last of all plugins, so that ``-k`` does not leave a need out.  A slow file that
    a worker takes last is one that the others wait for.
    """
    tests = tests_of(session.config)
    items.sort(key=lambda item: SLOWEST_FIRST.index(folder_of(item.path, tests)))
    items += [
        RequiredNeed.from_parent(session, name=f"REQUIRE={name}")
        for name in required_needs(os.environ.get("REQUIRE", ""))
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose needs are not met."""
    if item.get_closest_marker("soak") and not is_soak():
        pytest.skip("runs with `make soak` only")
    required = required_needs(os.environ.get("REQUIRE", ""))
    for name in needs_of(item):
        reason = why_missing(name)
        if reason and name in required:
            pytest.fail(f"REQUIRE={name}: {reason}", pytrace=False)
        if reason:
            pytest.skip(f"needs {name}: {reason}")


def needs_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the needs of *item*: its folder's and those of its own marks."""
    of_folder = NEEDS_OF_FOLDER.get(folder_of(item.path, tests_of(item.config)), ())
    own = (name for mark in item.iter_markers("needs") for name in mark.args)
    return (*of_folder, *own)


class RequiredNeed(pytest.Item):
    """Fails where a need that ``REQUIRE`` names cannot be met."""

    def runtest(self) -> None:
        """Ask for the need."""
        reason = why_missing(self.name.removeprefix("REQUIRE="))
        if reason:
            pytest.fail(reason, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the need stands."""
        return Path(__file__).with_name("needs.py"), 0, self.name


@pytest.fixture(scope="session")
def seed() -> int:
    """The run's seed; a failing random test is repeated with it."""
    return seed_of_run()


@pytest.fixture
def rng(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """A random generator of this test's own, the same for the same seed."""
    return random.Random(f"{seed} {request.node.nodeid}")  # noqa: S311 - no secret


@pytest.fixture(params=["fast", "reference"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the runs of ``tests.ads`` read with one reader, then with the other.

    The fast one takes a record or two at a time, so that its chunks end everywhere.
    """
    name: str = request.param
    monkeypatch.setattr("tests.ads.READER", name)
    monkeypatch.setattr("probe.fast.chunks.CHUNK_BYTES", 2048)
    return name


@pytest.fixture(scope="session")
def rounds() -> Callable[[int, int], int]:
    """``rounds(few, full)``: how often to repeat, in this run."""
    return lambda few, full: full if is_soak() else few


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)``: *text* is what stands in *path*.

    ``--update-golden`` writes it there instead, for a person to review the difference.
    """

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        stored = path.read_text("utf-8") if path.exists() else ""
        lines = difflib.unified_diff(
            stored.splitlines(), text.splitlines(), str(path), "now", lineterm="", n=1
        )
        if stored != text:
            shown = "\n".join(lines)
            pytest.fail(f"{shown}\n(`make docs` rewrites it)", pytrace=False)

    return compare
