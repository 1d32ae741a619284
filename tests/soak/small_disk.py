"""A disk that is full when a test wants it to be."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """Mount an empty file system of *size_kib* on *folder*."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_kib}k,mode=750", "poolmeter-test"]
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def filled(disk: Path, *, leave_bytes: int) -> Iterator[None]:
    """Fill *disk* but for *leave_bytes* inside the block."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
        while out.write(b"\0" * 65_536):
            pass
    with ballast.open("r+b") as out:
        out.truncate(max(0, ballast.stat().st_size - leave_bytes))
    try:
        yield
    finally:
        ballast.unlink()
