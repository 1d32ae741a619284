"""A site that reports to a stand-in server: history, ledger, outbox, configuration."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from poolmeter.config import Config, GratiaConfig, ProbeConfig
from probe.gratia.outbox import Box, Outbox, outbox_at
from probe.gratia.run import GratiaReport, run_gratia
from probe.run import run_probe
from tests.ads import NOW, SCHEDD, jobs
from tests.gratia_server.downstream import texts_by_record
from tests.gratia_server.server import GratiaServer

#: Before every job of ``tests.ads``.
CUTOVER = dt.datetime(2025, 11, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(slots=True)
class GratiaSite:
    """One access point; its runs are those of the commands."""

    folder: Path
    server: GratiaServer
    config: Config

    @property
    def ledger(self) -> Path:
        """The ledger's folder."""
        return Path(self.config.ledger.path)

    @property
    def outbox(self) -> Outbox:
        """The lane that is sent."""
        return outbox_at(self.folder / "outbox", "live")

    @property
    def box(self) -> Box:
        """The schedd's folders."""
        return self.outbox.box(SCHEDD)

    def configure(self, **changes: Any) -> None:  # noqa: ANN401
        """Change options of ``[gratia]``."""
        gratia = msgspec.structs.replace(self.config.gratia, **changes)
        self.config = msgspec.structs.replace(self.config, gratia=gratia)

    def read(self, history: str, *, name: str = "history") -> None:
        """Take *history* into the ledger, as the probe does."""
        live = self.folder / name
        live.write_text(history)
        run_probe(self.ledger, SCHEDD, [live], self.config, now=NOW)

    def read_jobs(self, last: int) -> None:
        """Let the jobs 1 to *last* end, and take them into the ledger."""
        self.read(jobs(1, last))

    def send(
        self,
        *,
        now: dt.datetime = NOW,
        at_once: bool = True,
        **changes: Any,  # noqa: ANN401
    ) -> GratiaReport:
        """Run ``poolmeter gratia send --now``."""
        if changes:
            self.configure(**changes)
        return run_gratia(self.ledger, self.config, now=now, at_once=at_once)

    def delivered_ids(self) -> list[str]:
        """Return the id of every record that was delivered, in order of delivery."""
        return [found.record_id for found in self.server.collector.deliveries]

    def delivered(self) -> list[dict[str, Any]]:
        """Return every record that was delivered, as GRACC has it."""
        return [found.json for found in self.server.collector.deliveries]

    def delivered_jobs(self) -> list[int]:
        """Return the cluster of every record that was delivered, sorted."""
        return sorted(int(str(f["LocalJobId"]).split(".")[0]) for f in self.delivered())

    def assert_repeats_are_identical(self) -> None:
        """Assert that no record was delivered under two different texts."""
        texts = texts_by_record(self.server.collector.deliveries)
        assert {i: t for i, t in texts.items() if len(t) > 1} == {}


def make_site(folder: Path, server: GratiaServer, **changes: Any) -> GratiaSite:  # noqa: ANN401
    """Return a site in *folder* that sends to *server*."""
    config = Config(
        probe=ProbeConfig(schedd=SCHEDD),
        gratia=GratiaConfig(
            mode="live",
            url=server.url,
            cutover=CUTOVER,
            site_name="EXAMPLE",
            outbox=str(folder / "outbox"),
            timeout_s=30,
            official_probeconfigs=(),
        ),
    )
    ledger = msgspec.structs.replace(config.ledger, path=str(folder / "ledger"))
    site = GratiaSite(folder, server, msgspec.structs.replace(config, ledger=ledger))
    site.configure(**changes)
    return site
