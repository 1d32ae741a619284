"""We do not send while the official probe does: GRACC would count each job twice."""

from pathlib import Path

import pytest

from poolmeter.config import OFFICIAL_PROBECONFIGS
from poolmeter.errors import ConfigError
from probe.gratia.official_probe import refuse_two_probes

CONDOR_AP = OFFICIAL_PROBECONFIGS[0]
SCHEDD_CRON = (
    "SCHEDD_CRON_GRATIA_EXECUTABLE = /usr/share/gratia/condor-ap/condor_meter\n"
)


def machine(root: Path, *, enabled: str, name: str = CONDOR_AP) -> Path:
    """Make a machine's files below *root* with one official ProbeConfig."""
    file = root / name.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text(f'<ProbeConfiguration EnableProbe="{enabled}" SiteName="A"/>')
    condor = root / "etc/condor/config.d"
    condor.mkdir(parents=True)
    (condor / "50-gratia-gwms.conf").write_text(SCHEDD_CRON)
    (condor / "60-gratia-notes.conf").write_text("# nothing that runs anything\n")
    return root


@pytest.mark.parametrize("name", OFFICIAL_PROBECONFIGS)
def test_an_enabled_official_probe_is_refused_with_the_mend(
    tmp_path: Path, name: str
) -> None:
    root = machine(tmp_path, enabled="1", name=name)

    with pytest.raises(ConfigError) as refused:
        refuse_two_probes(OFFICIAL_PROBECONFIGS, root=root)
    text = str(refused.value)
    assert str(root / name.lstrip("/")) in text
    assert 'set EnableProbe="0"' in text
    assert "50-gratia-gwms.conf" in text
    assert "60-gratia-notes.conf" not in text


def test_a_disabled_official_probe_is_no_obstacle(tmp_path: Path) -> None:
    refuse_two_probes(OFFICIAL_PROBECONFIGS, root=machine(tmp_path, enabled="0"))


def test_a_machine_without_one_is_no_obstacle(tmp_path: Path) -> None:
    refuse_two_probes(OFFICIAL_PROBECONFIGS, root=tmp_path)


def test_one_that_reports_other_jobs_can_be_taken_out(tmp_path: Path) -> None:
    refuse_two_probes((), root=machine(tmp_path, enabled="1"))


def test_one_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / CONDOR_AP.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="make it readable"):
        refuse_two_probes([CONDOR_AP], root=tmp_path)


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONDOR_AP.lstrip("/")).mkdir(parents=True)

    with pytest.raises(ConfigError, match="official probe is switched off"):
        refuse_two_probes([CONDOR_AP], root=tmp_path)
