"""At the cut-over each job is the official probe's or ours: none is both's."""

import datetime as dt
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ads import END_S, job
from tests.gratia_server.server import GratiaServer, running
from tests.unit.gratia_site import make_site

PAGE = Path(__file__).parents[2] / "docs" / "gratia.md"
LAST = 6
#: In the second in which the fourth job ended.
CUTOVER = dt.datetime.fromtimestamp(END_S + 4 * 600, dt.UTC)


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


def the_pages_command(folder: Path) -> str:
    """Return what the page says to move the files of our jobs away, for *folder*."""
    (command,) = re.findall(r"```sh\n\s*(awk .*?)\n", PAGE.read_text("utf-8"))
    return (
        str(command)
        .replace("/var/lib/condor/gratia/data", str(folder))
        .replace(
            "/var/tmp",  # noqa: S108 - replaced, not used
            str(folder / "ours"),
        )
    )


def test_the_pages_command_leaves_the_official_probe_what_is_not_ours(
    tmp_path: Path, server: GratiaServer
) -> None:
    data = tmp_path / "data"
    (data / "ours").mkdir(parents=True)
    for number in range(1, LAST + 1):
        ad = job(number).partition("***")[0]
        (data / f"history.{number}.0").write_text(ad)
    script = f"T={CUTOVER:%Y-%m-%dT%H:%M:%SZ}\n{the_pages_command(data)}"
    subprocess.run(["sh", "-c", script], check=True)

    site = make_site(tmp_path, server, cutover=CUTOVER)
    site.read_jobs(LAST)
    site.send()
    ours = [f"history.{number}.0" for number in site.delivered_jobs()]
    left = [path.name for path in data.glob("history.*")]
    assert sorted(path.name for path in (data / "ours").iterdir()) == ours
    assert sorted(left) == ["history.1.0", "history.2.0", "history.3.0"]
    assert len(left) + len(ours) == LAST
