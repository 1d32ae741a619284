"""A progress bar on a terminal, nothing anywhere else."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

import probe.run as probe_run


@contextlib.contextmanager
def shown() -> Iterator[probe_run.Progress | None]:
    """Yield what a run tells its progress to; ``None`` where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(*columns, DownloadColumn(), console=console, transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar a file; compressed files are longer inside than outside."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._bar_of = dict[Path, int]()

    def __call__(self, path: Path, done_bytes: int, size_bytes: int) -> None:
        """Move the bar of *path*."""
        if path not in self._bar_of:
            self._bar_of[path] = self._bars.add_task(path.name, total=size_bytes)
        bar = self._bar_of[path]
        total_bytes = max(size_bytes, done_bytes)
        self._bars.update(bar, completed=done_bytes, total=total_bytes)  # type: ignore[arg-type]
