"""How fast job history is read: ours, ``condor_history``, classad2 alone, ``wc -l``.

One run over production-like ads (``bench/production_ads.py``), the ways in turn, each
in a process of its own, medians of the rounds.  CPU seconds are the ones to compare
where others use the machine.  ``condor_history`` is the binary of the test pool
(``python -m tests.prepare``); it prints the same attributes that our rows are made of.

    python -m bench.history [--jobs 100000] [--ads 20000] [--rounds 3]
    python -m bench.history --large      the incremental case too: 4 GB of history
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.production_ads import FIRST_CLUSTER, SCHEDD, history, production_ads
from tests.pool import rootfs

#: ``condor_history`` 23.9.6 prints nothing of a larger file.
CONDOR_LIMIT_BYTES = 2**31
LARGE_BYTES = 4 * 10**9
NEW_JOBS = 10_000
MICRO = 10**6


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds by the clock and of CPU, and its largest size."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def cost_of(command: Sequence[str], environment: dict[str, str] | None = None) -> Cost:
    """Run *command* and return what it took."""
    start_s = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        env=os.environ | (environment or {}),
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench.history: {command[0]} ended with {process.returncode}")
    wall_s = time.monotonic() - start_s
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def ours(path: Path, reader: str = "fast", offset: int = 0) -> list[str]:
    """Return the command that reads *path* into columns, without a ledger."""
    own = [sys.executable, "-m", "bench.history", "--step", reader, str(path)]
    return [*own, str(offset)]


def into_ledger(path: Path, ledger: Path) -> list[str]:
    """Return the command of the whole way, with merge and fsync."""
    probe = [sys.executable, "-m", "probe.cron", "--ledger", str(ledger)]
    return [*probe, "--history", str(path), "--schedd", SCHEDD]


def condor_history(path: Path, *more: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of the test pool's ``condor_history``."""
    root = rootfs.build() / "usr"
    library = next(root.rglob("libcondor_utils*.so")).parent
    paths = (library, root / "lib/x86_64-linux-gnu", root / "lib/condor")
    config = path.with_name("condor_config")
    config.write_text(f"LOG = {path.parent}\nHISTORY = {path}\n")
    command = [
        str(next((root / "lib64").glob("ld-linux*"))),
        *("--library-path", ":".join(map(str, paths))),
        *(str(root / "bin/condor_history"), "-file", str(path), *more),
        *("-af", *_attributes()),
    ]
    return command, {"CONDOR_CONFIG": str(config)}


def _attributes() -> list[str]:
    from poolmeter.config import ProbeConfig  # noqa: PLC0415 - only for this way
    from probe.fast.normalise.job import wanted_attributes  # noqa: PLC0415

    return wanted_attributes(ProbeConfig())


def step(name: str, path: Path, offset: int) -> None:
    """Do one way of reading in this process."""
    {"fast": _fast, "reference": _reference, "classad2": _classad2}[name](path, offset)


def _fast(path: Path, offset: int) -> None:
    from probe.cron import hide_pandas  # noqa: PLC0415

    hide_pandas()
    from poolmeter.config import Config  # noqa: PLC0415
    from probe.fast.chunks import chunks_of  # noqa: PLC0415
    from probe.fast.reader import FastReader  # noqa: PLC0415
    from probe.history_file import open_history  # noqa: PLC0415

    with open_history(path) as file:
        reader = FastReader(SCHEDD, Config(), now_s=2**33)
        for batch in reader.read(chunks_of(file, offset), earliest_s=None):
            assert batch.end > offset  # noqa: S101 - beyond 2 and 4 GiB as well


def _reference(path: Path, offset: int) -> None:
    from poolmeter.config import Config  # noqa: PLC0415
    from probe.history_file import open_history  # noqa: PLC0415
    from probe.reader import read  # noqa: PLC0415

    with open_history(path) as file:
        for _ in read(
            file.records(offset),
            schedd=SCHEDD,
            config=Config(),
            earliest_s=None,
            now_s=2**33,
        ):
            pass


def _classad2(path: Path, offset: int) -> None:
    """Parse each ad and evaluate the attributes, and forget them."""
    import classad2  # noqa: PLC0415

    from probe.history_file import open_history  # noqa: PLC0415

    names = _attributes()
    with open_history(path) as file:
        for record in file.records(offset):
            ad = classad2.parseOne(record.ad.decode("utf-8", "backslashreplace"))
            for name in names:
                if name in ad:
                    ad.eval(name)


def write_history(path: Path, ads: int, jobs: int, size_bytes: int = 0) -> int:
    """Write *jobs* jobs, or as many as make *size_bytes*, and return how many.

    In a process of its own: what a process forks from counts for its largest size.
    """
    own = [sys.executable, "-m", "bench.history", "--write", str(path)]
    numbers = map(str, (ads, jobs, size_bytes))
    done = subprocess.run([*own, *numbers], check=True, stdout=subprocess.PIPE)
    return int(done.stdout)


def _write_history(path: Path, ads: int, jobs: int, size_bytes: int) -> int:
    different = production_ads(ads)
    count = 0
    with path.open("wb") as out:
        for record in history(different, jobs or 10**9):
            out.write(record)
            count += 1
            if size_bytes and count % 1000 == 0 and out.tell() >= size_bytes:
                break
    return count


def measure(ways: dict[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Measure all ways in turn, *rounds* times."""
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            costs[way].append(run())
    return costs


def print_table(costs: dict[str, list[Cost]], jobs: dict[str, int]) -> None:
    """Print medians; the first way is what the others are held against."""
    print("| way | wall s | CPU s | CPU µs a job | times as fast | peak MiB |")
    print("|---|---|---|---|---|---|")
    base_us = 0.0
    for way, found in costs.items():
        cpu_s = statistics.median(cost.cpu_s for cost in found)
        wall_s = statistics.median(cost.wall_s for cost in found)
        peak_mib = max(cost.peak_mib for cost in found)
        us = cpu_s * MICRO / jobs[way]
        base_us = base_us or us
        print(
            f"| {way} | {wall_s:.2f} | {cpu_s:.2f} | {us:.1f} "
            f"| {base_us / us:.1f} | {peak_mib:.0f} |"
        )


def whole(folder: Path, options: argparse.Namespace) -> None:
    """Measure reading a whole file."""
    path = folder / "history"
    jobs = write_history(path, options.ads, options.jobs)
    few = folder / "few"
    few_jobs = write_history(few, min(options.ads, 4000), min(jobs, 4000))
    command, environment = condor_history(path)
    ways: dict[str, Callable[[], Cost]] = {
        "`condor_history -af`": lambda: cost_of(command, environment),
        "fast, one core": lambda: cost_of(ours(path)),
        "fast, into a ledger": lambda: _into_new_ledger(path, folder),
        "reference": lambda: cost_of(ours(few, "reference")),
        "classad2 alone": lambda: cost_of(ours(few, "classad2")),
        "`wc -l`": lambda: cost_of(["/usr/bin/wc", "-l", str(path)]),
    }
    counts = dict.fromkeys(ways, jobs)
    counts |= {"reference": few_jobs, "classad2 alone": few_jobs}
    print(f"{jobs:,} jobs, {path.stat().st_size / 1e6:.0f} MB\n")
    print_table(measure(ways, options.rounds), counts)
    _print_size(folder, jobs)


def _into_new_ledger(path: Path, folder: Path) -> Cost:
    subprocess.run(["/bin/rm", "-rf", str(folder / "ledger")], check=True)
    with_set_aside = ["/bin/sh", "-c", '"$@"; test $? = 3 -o $? = 0', "sh"]
    return cost_of([*with_set_aside, *into_ledger(path, folder / "ledger")])


def _print_size(folder: Path, jobs: int) -> None:
    files = list((folder / "ledger").glob("jobs/*/*.parquet"))
    size_bytes = sum(path.stat().st_size for path in files)
    print(f"\n{size_bytes / jobs:.1f} bytes a job in {len(files)} day files")


def incremental(folder: Path, options: argparse.Namespace) -> None:
    """Measure 10,000 new jobs at the end of 4 GB, and of a file below 2 GiB."""
    large, small = folder / "large", folder / "small"
    jobs = write_history(large, options.ads, 0, LARGE_BYTES)
    small_jobs = write_history(small, options.ads, 0, CONDOR_LIMIT_BYTES - 10**8)
    offset = _offset_of_last(large, NEW_JOBS)
    since = f"{FIRST_CLUSTER + small_jobs - NEW_JOBS - 1}.0"
    command, environment = condor_history(small, "-since", since)
    ways: dict[str, Callable[[], Cost]] = {
        "`condor_history -since`": lambda: cost_of(command, environment),
        "fast, from the checkpoint": lambda: cost_of(ours(large, "fast", offset)),
        "fast, all of 4 GB": lambda: cost_of(ours(large)),
    }
    counts = dict.fromkeys(ways, NEW_JOBS) | {"fast, all of 4 GB": jobs}
    print(
        f"\n{NEW_JOBS:,} new jobs at the end of {large.stat().st_size / 1e9:.1f} GB\n"
    )
    print_table(measure(ways, options.rounds), counts)


def _offset_of_last(path: Path, jobs: int) -> int:
    """Return where the last *jobs* records of *path* begin."""
    with path.open("rb") as file:
        file.seek(-jobs * 10_000, os.SEEK_END)
        start = file.tell()
        tail = file.read()
    at = len(tail)
    for _ in range(jobs + 1):
        at = tail.rfind(b"\n***", 0, at)
    return start + tail.find(b"\n", at + 1) + 1


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--ads", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        path, *numbers = options.write
        print(_write_history(Path(path), *map(int, numbers)))
        return
    if options.step:
        step(options.step[0], Path(options.step[1]), int(options.step[2]))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        whole(Path(name), options)
        if options.large:
            incremental(Path(name), options)


if __name__ == "__main__":
    main()
