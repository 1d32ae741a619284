"""Memory of a merge follows the new rows and a row group, not the day's file."""

import subprocess
import sys
from pathlib import Path

#: The design's limit for 10,000 rows into a day of a million.
LIMIT_MIB = 512

#: Makes a day of a million rows, a part at a time; every job differs.
MAKE = """
import sys
from pathlib import Path
from tests.soak.big_day import make_day
make_day(Path(sys.argv[1]), rows=1_000_000)
"""

MERGE = """
import resource, sys
from pathlib import Path
from poolmeter.ledger.merge import merge_jobs
from tests.ads import SCHEDD
from tests.soak.big_day import fresh_rows
result = merge_jobs(Path(sys.argv[1]), SCHEDD, fresh_rows(10_000))
assert (result.inserted, result.repeated, result.conflicts) == (9_000, 1_000, ())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def child(code: str, ledger: Path) -> str:
    """Run *code* in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, ledger], check=True, stdout=-1, text=True
    )
    return str(done.stdout)


def test_merging_ten_thousand_rows_into_a_day_of_a_million(tmp_path: Path) -> None:
    child(MAKE, tmp_path)
    peak_mib = int(child(MERGE, tmp_path))
    assert peak_mib <= LIMIT_MIB
