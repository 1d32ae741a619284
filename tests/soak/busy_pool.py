"""A pool whose history grows and is rotated and compressed while the probe reads it."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from tests.ads import job


class BusyPool:
    """Writes the records of jobs 1, 2, 3 … and handles their files as sites do.

    Nothing is ever deleted that was not compressed before: no record may be missing
    at the end, and none be there twice.
    """

    def __init__(self, spool: Path, rng: random.Random) -> None:
        self.live = spool / "history"
        self.written = 0
        self._rng = rng
        self._rest = b""  # of a record that is half written
        self._compressing: tuple[Path, Path, bytes] | None = None
        self._rotations = 0
        spool.mkdir()
        self.live.touch()

    def act(self) -> None:
        """Do one thing that happens to a history."""
        actions: list[tuple[int, Callable[[], object]]] = [
            (12, self.end_jobs),
            (2, self.end_half_a_job),
            (3, self.rotate),
            (3, self.compress),
            (2, self.finish_compressing),
        ]
        weights, choices = zip(*actions, strict=True)
        self._rng.choices(choices, weights)[0]()

    def settle(self) -> None:
        """Finish what is half done; afterwards every record is complete."""
        self._append(b"")
        self.finish_compressing()

    def end_jobs(self) -> None:
        """Write the records of a few jobs."""
        first = self.written + 1
        self.written += self._rng.randint(1, 30)
        self._append("".join(map(job, range(first, self.written + 1))).encode())

    def end_half_a_job(self) -> None:
        """Write a part of a record; the rest comes with the next thing written."""
        self.written += 1
        text = job(self.written).encode()
        cut = self._rng.randrange(1, len(text))
        self._append(text[:cut])
        self._rest = text[cut:]

    def rotate(self) -> None:
        """Rename the live file; the names' order says nothing of their age."""
        if not self.live.exists() or not self.live.stat().st_size or self._rest:
            return
        self._rotations += 1
        day, second = self._rng.randrange(1, 29), self._rotations
        self.live.rename(self.live.with_name(f"history.202510{day:02d}T{second:06d}"))

    def compress(self) -> None:
        """Begin to compress a rotation: half of it stands beside the plain one."""
        rotated = [p for p in self.live.parent.glob("history.*T??????") if p.is_file()]
        if not rotated or self._compressing:
            return
        path = self._rng.choice(sorted(rotated))
        suffix, compressed = self._rng.choice(_COMPRESSIONS)
        content = compressed(path.read_bytes())
        made = path.with_name(path.name + suffix)
        half = self._rng.choice([0, 1, 3, self._rng.randrange(len(content))])
        made.write_bytes(content[:half])
        self._compressing = (path, made, content[half:])

    def finish_compressing(self) -> None:
        """Write the rest of a compressed file and delete the plain one."""
        if self._compressing:
            path, made, rest = self._compressing
            with made.open("ab") as out:
                out.write(rest)
            path.unlink()
            self._compressing = None

    def _append(self, text: bytes) -> None:
        with self.live.open("ab") as out:
            out.write(self._rest + text)
        self._rest = b""


def _zstandard(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


_COMPRESSIONS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    (".gz", gzip.compress),
    (".zst", _zstandard),
)
