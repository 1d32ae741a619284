"""Names of files as DuckDB takes them."""

from pathlib import Path


def quoted(text: str) -> str:
    """Return *text* as a string of SQL.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def literal(path: Path) -> str:
    """Return *path* so that no part of it is a pattern to DuckDB.

    >>> literal(Path("/a/[b]*?"))
    '/a/[[]b][*][?]'
    """
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))
