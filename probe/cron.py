"""``poolmeter-probe-cron``: ``poolmeter probe run`` that ends at once without news.

A clean run leaves a note of every file that it looked at.  While all of them are as
they were, there is nothing to do, and that is found out before anything large is
imported: this module imports the standard library's small parts alone.
"""

import binascii
import os
import sys
from collections.abc import Iterable, Sequence

#: The first line of a note; another form gets another number.
HEADER = "poolmeter watch 1"
#: Runs with any other option are not known again.
OPTIONS = frozenset(
    [
        "--config",
        "--debug",
        "--epoch-history",
        "--history",
        "--ledger",
        "--reader",
        "--schedd",
    ]
)
DEFAULT_CONFIG = "/etc/poolmeter/poolmeter.toml"
DEFAULT_LEDGER = "/var/lib/poolmeter/ledger"


def main() -> None:
    """Do what ``poolmeter probe run`` does, but nothing where nothing has changed."""
    arguments = sys.argv[1:]
    note = note_path(arguments)
    if note and not sys.stdout.isatty() and is_unchanged(note, arguments):
        return
    hide_pandas()
    from probe.watch import run_and_note  # noqa: PLC0415 - imports all the rest

    run_and_note(arguments, note)


def hide_pandas() -> None:
    """Hide pandas from pyarrow, which would load it for no use of ours."""
    sys.meta_path.insert(0, _NoPandas())


class _NoPandas:
    """Finds no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse pandas, leave everything else to the others."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def option(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of the option *name*, given in either form.

    >>> option(["--ledger=a"], "--ledger"), option(["--ledger", "b"], "--ledger")
    ('a', 'b')
    """
    for number, argument in enumerate(arguments):
        if argument == name:
            return arguments[number + 1] if number + 1 < len(arguments) else None
        if argument.startswith(f"{name}="):
            return argument[len(name) + 1 :]
    return None


def config_path(arguments: Sequence[str]) -> str:
    """Return the path of the configuration that a run would read."""
    named = option(arguments, "--config") or os.environ.get("POOLMETER_CONFIG")
    return named or DEFAULT_CONFIG


def note_path(arguments: Sequence[str]) -> str | None:
    """Return where the note of such runs lies, ``None`` where none is kept."""
    named = {a.partition("=")[0] for a in arguments if a.startswith("-")}
    if named - OPTIONS:
        return None
    ledger = option(arguments, "--ledger") or _configured_ledger(config_path(arguments))
    if ledger is None:
        return None
    key = binascii.crc32("\0".join(arguments).encode("utf-8", "surrogateescape"))
    return os.path.join(ledger, ".state", "watch", f"{key:08x}")  # noqa: PTH118


def _configured_ledger(path: str) -> str | None:
    import tomllib  # noqa: PLC0415 - not needed where --ledger is given

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs as much as all
            section = tomllib.load(file).get("ledger", {})
    except FileNotFoundError:
        return DEFAULT_LEDGER
    except (OSError, ValueError):
        return None
    ledger = section.get("path", DEFAULT_LEDGER) if isinstance(section, dict) else None
    return ledger if isinstance(ledger, str) else None


def is_unchanged(note: str, arguments: Sequence[str]) -> bool:
    """Whether all is as *note* says that the last clean run found it."""
    try:
        with open(note, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            lines = file.read().split("\n")
        return lines == [*_present(lines, arguments)]
    except (OSError, ValueError):
        return False


def _present(lines: Sequence[str], arguments: Sequence[str]) -> Iterable[str]:
    """Yield the note as it would be written now, about the same files and folders."""
    yield HEADER
    yield repr([*arguments])
    for line in lines[2:]:
        kind, _, rest = line.partition("\t")
        if kind == "file":
            yield file_line(rest.partition("\t")[0])
        elif kind == "names":
            yield names_line(rest.partition("\t")[0])
        else:
            yield ""


def file_line(path: str) -> str:
    """Return the line that says how the file *path* is now."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return f"file\t{path}\tabsent"
    return f"file\t{path}\t{now.st_ino} {now.st_size} {now.st_mtime_ns}"


def names_line(live: str) -> str:
    """Return the line that says which files beside *live* have names like it."""
    folder, name = os.path.split(live)
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.name.startswith(name))
    return f"names\t{live}\t{names!r}"


if __name__ == "__main__":
    main()
