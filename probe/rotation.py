"""Which files belong to one history: the live one and its rotations.

HTCondor names a rotation ``history.20261122T081500`` (local time, whole seconds: no
order can be read from it) or ``history.old``; sites compress and rename them.
"""

import re
from pathlib import Path

_ROTATION = r"[.-](?:\d{8}T\d{6}|\d{8}|\d{1,6}|old)(?:\.(?:gz|zst))?"


def history_files(live: Path) -> list[Path]:
    """Return *live*, if it is there, and all its rotations.

    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> for name in ("history", "history.20261025T023000.gz", "history.lock"):
    ...     folder.joinpath(name).touch()
    >>> [path.name for path in history_files(folder / "history")]
    ['history', 'history.20261025T023000.gz']
    """
    pattern = re.compile(re.escape(live.name) + _ROTATION)
    # The live file first: opened, it stays in hand when it is rotated meanwhile.
    paths = [live] if live.exists() else []
    if live.parent.is_dir():
        named = (path for path in live.parent.iterdir() if pattern.fullmatch(path.name))
        paths.extend(sorted(named))
    return paths
