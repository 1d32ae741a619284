"""An hour of coverage-guided fuzzing: both readers say the same."""

import subprocess
import sys
from pathlib import Path

import pytest

HOUR_S = 3600


@pytest.mark.timeout(2 * HOUR_S)
def test_no_fuzzed_history_is_read_otherwise_by_the_fast_reader(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="pip install 'poolmeter[soak]'")
    limits = [f"-max_total_time={HOUR_S}", "-max_len=16384", "-rss_limit_mb=4096"]
    command = [sys.executable, "-m", "tests.soak.fuzz_readers", str(tmp_path / "seeds")]
    done = subprocess.run(
        [*command, *limits, f"-artifact_prefix={tmp_path}/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
