"""How long a month takes, and how much memory: docs/benchmarks.md.

``python -m bench.statement [JOBS] [--times TIMES] [--ledger FOLDER]`` makes an
invented ledger of JOBS jobs (10 million), keeps it in FOLDER if one is named, and
measures each way in a process of its own, TIMES times.  With ``--listed N`` the engine
and the whole statement find every file N times over, for months too large to make.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.synthetic_ledger import write_synthetic_ledger

_MONTH = "2026-10"
_WAYS = ("engine", "sql", "pandas", "pandas-by-file", "statement")
_MIB_IN_KIB = 1024


def main() -> None:
    """Measure and print one row for each way."""
    options = _options()
    if options.way:
        print(json.dumps(_measured(options.way, options.ledger, options.listed)))
        return
    with tempfile.TemporaryDirectory() as folder:
        ledger = options.ledger or Path(folder)
        if not (ledger / "jobs").is_dir():
            write_synthetic_ledger(ledger, options.jobs)
        ways = ("engine", "statement") if options.listed > 1 else _WAYS
        runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(options.times):
            for way in ways:
                runs[way].append(_child(way, ledger, options.listed))
        print(f"{multiprocessing.cpu_count()} cores; medians of {options.times}")
        print("| way | wall s | cpu s | peak MiB | jobs |\n|---|---|---|---|---|")
        for way in ways:
            print(f"| {way} {_row(runs[way])}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="?", type=int, default=10_000_000)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--listed", type=int, default=1)
    parser.add_argument("--way", choices=_WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _row(runs: list[dict[str, float]]) -> str:
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return (
        f"| {middle['wall_s']:.1f} | {middle['cpu_s']:.1f} | {middle['peak_mib']:.0f} "
        f"| {middle['jobs']:,.0f} |"
    )


def _child(way: str, ledger: Path, listed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.statement", "--way", way]
    command += ["--ledger", str(ledger), "--listed", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measured(way: str, ledger: Path, listed: int) -> dict[str, float]:
    """Return time, memory and jobs of one way; imports and packing count."""
    begun = time.monotonic()
    jobs = {
        "engine": _by_engine,
        "sql": _by_sql,
        "pandas": _by_pandas,
        "pandas-by-file": _by_pandas_by_file,
        "statement": _by_statement,
    }[way](ledger, listed)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": time.monotonic() - begun,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / _MIB_IN_KIB,
        "jobs": jobs,
    }


# What a way does not need is not imported: it would count as its memory.
# ruff: noqa: PLC0415


def _by_engine(ledger: Path, listed: int) -> int:
    from reports.charge_sums import sum_charges
    from reports.engine import engine_over
    from reports.facts import sum_labels
    from reports.months import parse_month
    from reports.price_book_file import find_book
    from reports.price_periods import price_periods
    from reports.reach import files_of

    month = parse_month(_MONTH)
    periods = price_periods(find_book("ec2-us-east-1-2026").terms, month)
    with engine_over("duckdb", files_of(ledger, month) * listed) as engine:
        sums = sum_charges(engine, month, periods, 1, sum_labels("vo"))
        return sum(charge.jobs for charge in sums)


def _by_statement(ledger: Path, listed: int) -> int:
    from reports.engine import engine_over
    from reports.facts import facts_by
    from reports.price_book_file import find_book
    from reports.question import Pricing, ask
    from reports.reach import files_of
    from reports.statement import statement_of

    pricing = Pricing(book=find_book("ec2-us-east-1-2026"))
    question = ask(ledger, _MONTH, pricing, "vo", None)
    paths = files_of(ledger, question.month) * listed
    with engine_over(pricing.engine, paths) as engine:
        made = statement_of(question, facts_by(engine, question))
    return int(made.reconciliation.to_json()["jobs_in_ledger"])


def _by_sql(ledger: Path, listed: int) -> int:  # noqa: ARG001
    import duckdb

    from bench import statement_by_hand as by_hand

    with duckdb.connect(":memory:") as database:
        paths, period, shapes = by_hand.prepared(ledger, _MONTH)
        rows = by_hand.by_sql(database, paths, period, shapes)
    return by_hand.jobs_of(rows)


def _by_pandas(ledger: Path, listed: int, *, file_by_file: bool = False) -> int:  # noqa: ARG001
    from bench import statement_by_hand as by_hand

    paths, period, shapes = by_hand.prepared(ledger, _MONTH)
    rows = by_hand.by_pandas(paths, period, shapes, file_by_file=file_by_file)
    return by_hand.jobs_of(rows)


def _by_pandas_by_file(ledger: Path, listed: int) -> int:
    return _by_pandas(ledger, listed, file_by_file=True)


if __name__ == "__main__":
    main()
