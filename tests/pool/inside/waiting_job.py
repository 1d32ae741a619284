"""What the jobs of ``endings`` run: burns CPU, says that it runs, waits at its gate.

    waiting_job.py NAME CPU_S

Each run leaves a mark ``/pool/endings/NAME.RUN`` (from 1) with the number of the
starter's process, then waits for a line of the gate called NAME.
"""

import os
import sys
import time
from pathlib import Path

MARKS = Path("/pool/endings")


def main() -> None:
    """Be a job."""
    name, cpu_s = sys.argv[1], float(sys.argv[2])
    run = len(list(MARKS.glob(f"{name}.*"))) + 1
    while time.process_time() < cpu_s:
        sum(range(100_000))
    draft = MARKS / f".{name}"
    draft.write_text(str(os.getppid()))
    draft.rename(MARKS / f"{name}.{run}")
    with Path(f"/pool/.net/gate-{name}").open() as gate:
        gate.readline()


if __name__ == "__main__":
    main()
