"""What may import what, and what a command may cost before it does anything."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

#: Libraries that a worker node has not, and that take half a second to import.
HEAVY = ("duckdb", "numpy", "pandas", "pyarrow")

LOADED = f"""
import contextlib, sys
{{code}}
sys.stderr.write(" ".join(sorted(set(sys.modules) & set({HEAVY!r}))))
"""


def heavy_after(code: str) -> str:
    """Return the heavy libraries that a fresh Python has imported after *code*."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import poolmeter, poolmeter.config, poolmeter.record, poolmeter.attributes",
        "import collectors",
        """
from poolmeter.cli import main
with contextlib.suppress(SystemExit):
    main(["--help"])
""",
    ],
    ids=["ground floor", "collectors", "poolmeter --help"],
)
def test_no_data_frame_library_is_imported(code: str) -> None:
    assert heavy_after(code) == ""


def test_the_check_above_can_see_an_import() -> None:
    assert "numpy" in heavy_after("import numpy")


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
