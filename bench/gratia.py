"""Usage records end to end, beside a plain loop over the same ads: docs/benchmarks.md.

Ours is what cron runs: ``poolmeter probe run`` (history to ledger), then ``poolmeter
gratia send`` (ledger to outbox to server), each a process of its own, into a new ledger
and a new outbox.  The plain loop is ``bench.gratia_plain_loop``.  Both send to the
tests' stand-in collector in a process of its own, in turn; its CPU time counts for
neither.  Every record must have arrived once, else the bench fails.  The plain loop
sends jobs that never started as well, ours does not; rates are of ads read.

    python -m bench.gratia [--jobs 10000] [--rounds 3]
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.probe_rate import Cost, cost_of
from bench.synthetic import SCHEDD, history_text
from poolmeter.ledger.scan import job_batches

WAYS = ("probe", "send", "plain")
NAMES = {
    "ours": "`probe run`, then `gratia send`",
    "probe": "of which `probe run`",
    "send": "of which `gratia send`",
    "plain": "plain loop: parse, format, post",
}
CONFIG = """
[ledger]
path = "{folder}/ledger"
[probe]
schedd = "{schedd}"
history = ["{history}"]
[gratia]
mode = "live"
url = "{url}"
site_name = "BENCH"
cutover = 1970-01-02T00:00:00Z
outbox = "{folder}/outbox"
official_probeconfigs = []
"""


@contextlib.contextmanager
def collector(expected: Callable[[], int]) -> Iterator[str]:
    """Yield the URL of a new stand-in; check at the end what it got, each once."""
    command = [sys.executable, "-m", "tests.gratia_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        # Both are pipes, asked for above.
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            got = json.loads(process.stdout.read())
    if {got["delivered"], got["documents"]} != {expected()}:
        sys.exit(f"bench.gratia: expected {expected()} records once, found {got}")


def jobs_with_usage(ledger: Path) -> int:
    """Return how many of the ledger's jobs are reported: those that ever started."""
    column = "unbilled_reason"
    batches = job_batches(ledger, columns=[column])
    reasons = [reason for batch in batches for reason in batch[column].to_pylist()]
    return len(reasons) - reasons.count("never_started")


def our_round(history: Path, folder: Path) -> dict[str, Cost]:
    """Return what our two commands took."""
    config = folder / "poolmeter.toml"
    with collector(lambda: jobs_with_usage(folder / "ledger")) as url:
        text = CONFIG.format(folder=folder, schedd=SCHEDD, history=history, url=url)
        config.write_text(text, "utf-8")
        ours = ["-m", "poolmeter", "--config", str(config)]
        return {
            "probe": cost_of([*ours, "probe", "run"]),
            "send": cost_of([*ours, "gratia", "send"]),
        }


def plain_round(history: Path, jobs: int) -> dict[str, Cost]:
    """Return what the plain loop took."""
    with collector(lambda: jobs) as url:
        arguments = ["-m", "bench.gratia_plain_loop", str(history), url]
        return {"plain": cost_of(arguments)}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="poolmeter-bench-") as name:
            folder = Path(name)
            history = folder / "history"
            history.write_bytes(history_text(options.jobs))
            for way, cost in our_round(history, folder).items():
                costs[way].append(cost)
            costs["plain"].append(plain_round(history, options.jobs)["plain"])
    print_table(costs, options.jobs)


def print_table(costs: dict[str, list[Cost]], jobs: int) -> None:
    """Print the medians, and how many records each way made a CPU second."""
    times = {way: _medians(costs[way]) for way in WAYS}
    ours = tuple(map(sum, zip(times["probe"], times["send"], strict=True)))
    rows = {"ours": ours, **times}
    print("| | wall s | CPU s | records / s | records / CPU s |")
    print("|---|---|---|---|---|")
    for way in ("ours", *WAYS):
        wall_s, cpu_s = rows[way]
        rates = f"{jobs / wall_s:,.0f} | {jobs / cpu_s:,.0f}"
        print(f"| {NAMES[way]} | {wall_s:.1f} | {cpu_s:.1f} | {rates} |")
    wall, cpu = (plain / own for plain, own in zip(times["plain"], ours, strict=True))
    print(f"\nours is {wall:.2f} times the plain loop's rate, {cpu:.2f} times by CPU")


def _medians(costs: list[Cost]) -> tuple[float, float]:
    """Return the medians of wall and CPU seconds."""
    return (
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
    )


if __name__ == "__main__":
    main()
