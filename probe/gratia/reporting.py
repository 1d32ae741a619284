"""What the configuration says of every usage record."""

import dataclasses
import datetime as dt

from poolmeter.config import Config
from poolmeter.errors import ConfigError, one_line


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Names that stand in every record, and which jobs are reported.

    Jobs that ended at or after *cutover* are, each *delay* after its end.
    """

    site_name: str
    cutover: dt.datetime
    delay: dt.timedelta = dt.timedelta()
    probe_name: str | None = None
    grid: str = "OSG"
    resource_type: str = "Batch"
    vo: str | None = None
    per_run: bool = False
    extra_attributes: tuple[str, ...] = ()

    def probe_name_of(self, host: str) -> str:
        """Return the ProbeName of the records of the schedd on *host*."""
        return self.probe_name or f"condor-ap:{host}"


def reporting_of(config: Config) -> Reporting:
    """Return what *config* says.

    Raises:
        ConfigError: The site's name or the cut-over is missing, or an extra attribute
            is not kept in the ledger.
    """
    gratia = config.gratia
    site_name = gratia.site_name or config.probe.site
    if site_name is None:
        raise ConfigError(
            "[gratia] site_name", found="nothing", mend="set it, or [probe] site"
        )
    if gratia.cutover is None:
        raise ConfigError(
            "[gratia] cutover",
            found="nothing",
            mend="set the time from which on this probe reports the jobs that end",
        )
    _refuse_unknown_extras(config)
    return Reporting(
        site_name=one_line(site_name),
        cutover=gratia.cutover,
        delay=dt.timedelta(hours=gratia.delay_hours),
        probe_name=one_line(gratia.probe_name) if gratia.probe_name else None,
        grid=one_line(gratia.grid),
        resource_type=one_line(gratia.resource_type),
        vo=one_line(gratia.vo) if gratia.vo else None,
        per_run=gratia.per_run,
        extra_attributes=gratia.extra_attributes,
    )


def _refuse_unknown_extras(config: Config) -> None:
    for name in config.gratia.extra_attributes:
        if name not in config.probe.extra_attributes:
            raise ConfigError(
                f"[gratia] extra_attributes: {name}",
                expected="one of [probe] extra_attributes",
                mend="add it there: a record is made of the ledger's row",
            )
