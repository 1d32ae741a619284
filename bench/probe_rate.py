"""Records a second of ``poolmeter probe run``, beside plain ``classad2.parseOne``.

The history is the bundled one, repeated with new ids.  Each round runs the command as
cron does, in a process of its own and into a new ledger, and then parses the same ads
and nothing more; the medians of the rounds are printed.

    python -m bench.probe_rate [--jobs 20000] [--rounds 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import classad2

from bench.synthetic import SCHEDD, history_text
from probe.history_file import open_history


def probe_seconds(history: Path, ledger: Path, jobs: int) -> float:
    """Return how long the command takes to read *history* into a new *ledger*."""
    command = [
        *(sys.executable, "-m", "poolmeter", "--ledger", str(ledger)),
        *("probe", "run", "--history", str(history), "--schedd", SCHEDD),
        *("--format", "json"),
    ]
    start = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - start
    inserted = json.loads(done.stdout)["jobs_inserted"]
    if inserted != jobs:
        sys.exit(f"bench.probe_rate: expected {jobs} jobs, found {inserted}")
    return seconds


def parse_seconds(history: Path) -> float:
    """Return how long classad2 alone takes to parse each ad of *history*."""
    start = time.monotonic()
    with open_history(history) as file:
        for record in file.records():
            classad2.parseOne(record.ad.decode("utf-8", "surrogateescape"))
    return time.monotonic() - start


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poolmeter-bench-") as folder:
        history = Path(folder) / "history"
        history.write_bytes(history_text(options.jobs))
        rounds = [
            (
                probe_seconds(history, Path(folder) / f"ledger{number}", options.jobs),
                parse_seconds(history),
            )
            for number in range(options.rounds)
        ]
        size_bytes = history.stat().st_size
    whole_s, parse_s = (
        statistics.median(column) for column in zip(*rounds, strict=True)
    )
    print("| | s | records/s | MB/s |")
    print("|---|---|---|---|")
    for name, seconds in (("probe run", whole_s), ("classad2.parseOne", parse_s)):
        rate, mb = options.jobs / seconds, size_bytes / 1e6 / seconds
        print(f"| {name} | {seconds:.1f} | {rate:,.0f} | {mb:.1f} |")


if __name__ == "__main__":
    main()
