"""Whether the official probe reports the same jobs: sent by both, they count twice.

GRACC keeps both records of a job, because they differ, and adds them up.  The official
probe reports a machine's jobs when its ``ProbeConfig`` has ``EnableProbe`` set; what
runs it (a schedd cron job, or cron) is shown beside, because that has to end, too.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from poolmeter.errors import ConfigError, UsageError
from probe.gratia.probeconfig import read_probeconfig

#: Files that run the official probe, below the root folder.
SCHEDULES = (
    "etc/cron.d/gratia-probe-*",
    "etc/condor/config.d/*gratia*",
    "etc/condor-ce/config.d/*gratia*",
    "usr/share/condor/config.d/*gratia*",
    "usr/share/condor-ce/config.d/*gratia*",
)
_SCHEDULE_WORDS = (b"SCHEDD_CRON_GRATIA_EXECUTABLE", b"condor_meter")
_LIMIT_BYTES = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class LiveOfficialProbe:
    """A ProbeConfig that makes the official probe send, and the files that run it."""

    probeconfig: Path
    schedules: tuple[Path, ...]


def refuse_two_probes(probeconfigs: Sequence[str], *, root: Path = Path("/")) -> None:
    """Refuse to send while the official probe does.

    Args:
        probeconfigs: ProbeConfig files of the jobs that are reported here.
        root: Where the machine's files are.

    Raises:
        ConfigError: One of them is enabled, or is there and cannot be read.
    """
    for live in live_official_probes(probeconfigs, root=root):
        run_by = ", ".join(map(str, live.schedules)) or "nothing that was found"
        raise ConfigError(
            str(live.probeconfig),
            expected="the official probe switched off while [gratia] mode is live",
            found=f'EnableProbe="1", run by {run_by}',
            mend='set EnableProbe="0" there and take away what runs it; or, if it '
            "reports other jobs than these, take the file out of "
            "[gratia] official_probeconfigs",
        )


def live_official_probes(
    probeconfigs: Sequence[str], *, root: Path = Path("/")
) -> Iterator[LiveOfficialProbe]:
    """Yield each of *probeconfigs* that is there and enabled.

    Raises:
        ConfigError: One is there and cannot be read, so nobody knows.
    """
    for name in probeconfigs:
        path = root / name.lstrip("/")
        try:
            # A link that leads nowhere is no configuration; one without leave to look
            # at it may be one.
            path.stat()
            is_enabled = read_probeconfig(path).is_on("EnableProbe")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UsageError) as error:
            raise ConfigError(
                str(path),
                expected="to see whether the official probe is switched off",
                found=str(error),
                mend="make it readable, or take it out of "
                "[gratia] official_probeconfigs",
            ) from error
        if is_enabled:
            yield LiveOfficialProbe(path, tuple(schedules(root)))


def schedules(root: Path) -> Iterator[Path]:
    """Yield the files below *root* that run the official probe, where readable."""
    for pattern in SCHEDULES:
        for path in sorted(root.glob(pattern)):
            try:
                with path.open("rb") as file:
                    content = file.read(_LIMIT_BYTES)
            except OSError:
                continue
            if any(words in content for words in _SCHEDULE_WORDS):
                yield path
