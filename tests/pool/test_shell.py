"""The pool to play with does what its cheat sheet says."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.pool.namespaces import REPOSITORY
from tests.pool.shell import cheat_sheet


def test_the_cheat_sheet_runs_from_submit_to_statement(pool_files: Path) -> None:
    assert pool_files.is_dir()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.pool.shell",
            "-c",
            cheat_sheet(datetime.now(UTC)),
        ],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 job(s) submitted" in done.stdout
    assert "NetworkOutgoingExternal = 4000000" in done.stdout
    assert "group_cms" in done.stdout
