"""What ``poolmeter-probe-cron`` knows again: the note of a clean run.

It says of every file of a history what the checkpoint says: how it was when it was
read to its end.  A file that has changed since then makes a run, not a note.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from poolmeter.cli import main as run_command
from poolmeter.config import Config, ProbeConfig, load_config
from poolmeter.durable import make_folder, write_text
from poolmeter.errors import ExitCode
from probe.checkpoint import Position, checkpoint_path, load_checkpoint
from probe.cli import schedd_name
from probe.cron import HEADER, config_path, file_line, names_line, option
from probe.history_file import stat_history
from probe.rotation import history_files

#: Settings of ``[probe]`` that name no records, or only histories.
_WATCHED = frozenset(
    [
        "benchmark_attribute",
        "bill_routed_source",
        "epoch_history",
        "extra_attributes",
        "history",
        "network_other",
        "schedd",
        "site",
    ]
)


def run_and_note(arguments: Sequence[str], note: str | None) -> None:
    """Run ``poolmeter probe run`` and exit with its code; leave a note if it is clean.

    Raises:
        SystemExit: With the run's code.
    """
    if note:
        Path(note).unlink(missing_ok=True)
    try:
        run_command(["probe", "run", *arguments])
    except SystemExit as ended:
        if note and ended.code in (None, ExitCode.DONE):
            _leave_note(arguments, Path(note))
        raise


def _leave_note(arguments: Sequence[str], note: Path) -> None:
    named = option(arguments, "--config")
    config = load_config(Path(named) if named else None)
    lines = _lines(arguments, config)
    if lines is not None:
        make_folder(note.parent)
        write_text(note, "\n".join([HEADER, repr([*arguments]), *lines]))


def _lines(arguments: Sequence[str], config: Config) -> list[str] | None:
    """Return what the run looked at; ``None`` where that cannot be told by files."""
    if _has_other_sources(config):
        return None
    ledger = Path(option(arguments, "--ledger") or config.ledger.path)
    schedd = option(arguments, "--schedd") or schedd_name(config)
    positions = load_checkpoint(ledger, schedd)
    lines = [
        file_line(config_path(arguments)),
        file_line(str(checkpoint_path(ledger, schedd))),
    ]
    for live in _histories(arguments, config):
        if not _is_read(live, positions):
            return None
        lines.append(names_line(str(live)))
        lines += [file_line(str(path)) for path in history_files(live)]
    # Once more: what has changed since the notes were taken is news.
    is_still = all(_is_read(live, positions) for live in _histories(arguments, config))
    return lines if is_still else None


def _has_other_sources(config: Config) -> bool:
    """Whether records may come from elsewhere than from histories."""
    defaults = ProbeConfig()
    others = set(ProbeConfig.__struct_fields__) - _WATCHED
    return any(getattr(config.probe, n) != getattr(defaults, n) for n in others)


def _is_read(live: Path, positions: Sequence[Position]) -> bool:
    """Whether every file of the history is as it was when it was read to its end."""
    known = {p.stat for p in positions if p.source == str(live) and p.is_complete}
    return all(stat_history(path) in known for path in history_files(live))


def _histories(arguments: Sequence[str], config: Config) -> Iterator[Path]:
    for name, configured in (
        ("--history", config.probe.history),
        ("--epoch-history", config.probe.epoch_history),
    ):
        for path in _all_options(arguments, name) or configured:
            yield Path(path).absolute()


def _all_options(arguments: Sequence[str], name: str) -> list[str]:
    """Return every value of an option that may be repeated."""
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == name and rest:
            found.append(rest.pop(0))
        elif argument.startswith(f"{name}="):
            found.append(argument[len(name) + 1 :])
    return found
