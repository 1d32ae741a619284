"""Records a second of ``poolmeter probe run``, beside plain ``classad2.parseOne``.

The history is the bundled one, repeated with new ids.  Each round runs the command as
cron does, in a process of its own and into a new ledger, and then parses the same ads
and nothing more, in a process of its own as well.  The medians of the rounds are
printed; CPU seconds are the ones to compare where others use the machine, too.

    python -m bench.probe_rate [--jobs 20000] [--rounds 3]
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import classad2

from bench.synthetic import SCHEDD, history_text
from probe.history_file import open_history


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a process took, and what it said."""

    wall_s: float
    cpu_s: float
    output: str


def cost_of(arguments: Sequence[str]) -> Cost:
    """Run Python with *arguments* and return what it took."""
    start_s, cpu_s = time.monotonic(), _cpu_s_of_children()
    done = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return Cost(time.monotonic() - start_s, _cpu_s_of_children() - cpu_s, done.stdout)


def _cpu_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def probe_run(history: Path, ledger: Path, jobs: int) -> Cost:
    """Read *history* of *jobs* records into a new *ledger*."""
    cost = cost_of(
        [
            *("-m", "poolmeter", "--ledger", str(ledger), "probe", "run"),
            *("--history", str(history), "--schedd", SCHEDD, "--format", "json"),
        ]
    )
    inserted = json.loads(cost.output)["jobs_inserted"]
    if inserted != jobs:
        sys.exit(f"bench.probe_rate: expected {jobs} jobs, found {inserted}")
    return cost


def parse_only(history: Path) -> None:
    """Parse each ad of *history* with classad2 and forget it."""
    with open_history(history) as file:
        for record in file.records():
            classad2.parseOne(record.ad.decode("utf-8", "backslashreplace"))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parse-only", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parse_only:
        parse_only(options.parse_only)
        return
    with tempfile.TemporaryDirectory(prefix="poolmeter-bench-") as folder:
        history = Path(folder) / "history"
        history.write_bytes(history_text(options.jobs))
        size_bytes = history.stat().st_size
        own = ["-m", "bench.probe_rate", "--parse-only", str(history)]
        rounds = [
            (probe_run(history, Path(folder) / str(number), options.jobs), cost_of(own))
            for number in range(options.rounds)
        ]
    print("| | wall s | CPU s | records / CPU s | MB / CPU s |")
    print("|---|---|---|---|---|")
    names = ("`poolmeter probe run`", "`classad2.parseOne`")
    for name, costs in zip(names, zip(*rounds, strict=True), strict=True):
        wall_s = statistics.median(cost.wall_s for cost in costs)
        cpu_s = statistics.median(cost.cpu_s for cost in costs)
        rate, mb = options.jobs / cpu_s, size_bytes / 1e6 / cpu_s
        print(f"| {name} | {wall_s:.1f} | {cpu_s:.1f} | {rate:,.0f} | {mb:.1f} |")


if __name__ == "__main__":
    main()
