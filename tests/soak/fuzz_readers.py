"""A coverage-guided fuzzer: histories on which the two readers might disagree.

libFuzzer (by atheris) changes whole history files, led by which lines of ``probe`` a
change reaches.  It takes over its process, so that it runs as one of its own:

    python -m tests.soak.fuzz_readers FOLDER -max_total_time=3600

FOLDER keeps what was found worth changing further.  A file on which the readers
differ is written beside it, and ends the process with an error.
"""

# ruff: noqa: E402 - what is fuzzed has to be imported through the fuzzer

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

# By its name, for it is of the extra soak and ships no types.
atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["probe"]):
    from bench.compare_readers import NOW_S, SCHEDD, compare
    from probe.fast import chunks
    from probe.fast.reader import FastReader

from bench.hostile_ads import WAYS
from poolmeter.attributes import known_attributes
from poolmeter.config import Config
from tests.ads import END_S, banner, completed, job, removed, restarted

#: Small, so that the files that are made have several chunks.
chunks.CHUNK_BYTES = 4096

_WORDS = (
    *(
        "\n*** ",
        "\n*** EPOCH ",
        " = ",
        '"',
        '\\"',
        "\\",
        "\r\n",
        "\0",
        "time()",
        "[ ",
        "{",
    ),
    *(
        "undefined",
        "error",
        "true",
        "((ResidentSetSize + 1023) / 1024)",
        ".0",
        "e5",
        "-",
    ),
    *("CurrentTime = ", "99999999999999999999", str(END_S), "100000", "\xe9", "0x1F"),
)


class Fuzzed:
    """What has been compared so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = Path(tempfile.mkdtemp(prefix="poolmeter-fuzz-")) / "history"
        self.files = self.records = self.cells = 0
        self.reader = FastReader(SCHEDD, Config(), now_s=NOW_S)

    def compare(self, content: bytes) -> None:
        """Compare both readers on *content*.

        Raises:
            AssertionError: They differ.
        """
        self.path.write_bytes(content)
        found = compare(self.path, reader=self.reader)
        assert not found.differences, found.differences
        self.files += 1
        self.records += found.records
        self.cells += found.cells
        if self.files % 100 == 0:
            self.tell()

    def tell(self) -> None:
        """Write down what has been compared."""
        told = f"{self.files} files, {self.records} records, {self.cells} cells\n"
        self.folder.with_name("compared").write_text(told)


def make_seeds(folder: Path) -> None:
    """Write histories to begin from."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [
        job(1) + job(2) + job(3),
        completed() + banner() + removed(ClusterId=9) + banner(9),
        restarted() + banner() + job(9),
        *(completed(ProjectName=way) + banner() for way in ('"é"', "A + 1", "{ 1 }")),
        *(_spoilt(number) + banner() for number in range(len(WAYS))),
    ]
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed.encode())


def _spoilt(number: int) -> str:
    lines = [line.partition(" = ") for line in completed(JobPrio=0).splitlines()]
    ad = {name: value for name, _, value in lines}
    WAYS[number](ad)
    return "".join(f"{name} = {value}\n" for name, value in ad.items())


def make_dictionary(path: Path) -> None:
    """Write words that histories are made of."""
    words = [*map(str, known_attributes()), *_WORDS]
    escaped = ("".join(f"\\x{b:02x}" for b in word.encode()) for word in words)
    path.write_text("".join(f'"{word}"\n' for word in escaped))


def main() -> None:
    """Fuzz until libFuzzer's own limits, which follow the folder."""
    folder = Path(sys.argv[1])
    make_seeds(folder)
    words = folder.with_name("words")
    make_dictionary(words)
    fuzzed = Fuzzed(folder)
    fuzzed.tell()
    arguments = [sys.argv[0], str(folder), f"-dict={words}", *sys.argv[2:]]
    atheris.Setup(arguments, fuzzed.compare)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
