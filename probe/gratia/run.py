"""One run: freeze what is new in the ledger, then send what is due."""

import dataclasses
import datetime as dt
from pathlib import Path

import msgspec

from poolmeter.config import Config, GratiaConfig
from poolmeter.errors import ConfigError, ExitCode, LedgerError
from poolmeter.ledger.scan import refuse_other_version
from poolmeter.locks import locked
from probe.gratia.delivered import forget_old_deliveries
from probe.gratia.freeze import Frozen, Limits, freeze
from probe.gratia.metrics import write_metrics
from probe.gratia.official_probe import refuse_two_probes
from probe.gratia.outbox import (
    Outbox,
    due_bundles,
    outbox_at,
    remove,
    tie_to_ledger,
)
from probe.gratia.reporting import reporting_of
from probe.gratia.scanned import KEEP_DAYS
from probe.gratia.send import Progress, Sent, send
from probe.gratia.server_state import ServerState, read_state, write_state
from probe.gratia.status import status_of
from probe.gratia.transport import connected

_BYTES_PER_MB = 10**6


@dataclasses.dataclass(slots=True)
class GratiaReport:
    """What a run did."""

    mode: str
    frozen: Frozen
    #: ``None`` where nothing was to be sent: in shadow, or before the next try.
    sent: Sent | None = None
    retry_at: dt.datetime | None = None

    @property
    def exit_code(self) -> ExitCode:
        """3 when a record was set aside or waits for room, 1 without an answer."""
        sent = self.sent or Sent()
        is_set_aside = (
            self.frozen.set_aside
            or self.frozen.late
            or self.frozen.is_full
            or sent.set_aside
        )
        if is_set_aside:
            return ExitCode.SET_ASIDE
        return ExitCode.FAILED if sent.failure else ExitCode.DONE


def run_gratia(
    ledger: Path,
    config: Config,
    *,
    now: dt.datetime,
    at_once: bool = False,
    progress: Progress | None = None,
) -> GratiaReport:
    """Freeze what is new in *ledger* and, in mode live, send what is due.

    Args:
        ledger: The ledger's folder.
        config: ``[gratia]`` says where to and what for.
        now: The time of the run, aware.
        at_once: Try the server although it has failed shortly before.
        progress: Told how many of how many bundles are done.

    Raises:
        ConfigError: The mode is off, something is missing, or the official probe
            sends as well.
        LedgerError: Another run is at it, or a file cannot be read or written.
    """
    gratia = config.gratia
    outbox = lane_of(gratia)
    reporting = reporting_of(config)
    if gratia.mode == "live":
        refuse_two_probes(gratia.official_probeconfigs)
    limits = Limits(gratia.size_limit_mb * _BYTES_PER_MB, gratia.bundle_records)
    with locked(outbox.lock, what=f"the outbox {outbox.folder}"):
        refuse_other_version(ledger)
        tie_to_ledger(outbox, ledger)
        report = GratiaReport(gratia.mode, Frozen())
        unfrozen: LedgerError | None = None
        try:
            report.frozen = freeze(ledger, outbox, reporting, limits, now=now)
        except LedgerError as error:
            # A disk that is too full to freeze has room again after a delivery.
            unfrozen = error
        if gratia.mode == "shadow":
            _forget_old_bundles(outbox, now=now)
        else:
            _send(outbox, gratia, report, now=now, at_once=at_once, told=progress)
        if unfrozen is not None:
            raise unfrozen
    if gratia.metrics_file is not None:
        write_metrics(Path(gratia.metrics_file), status_of(config, now=now))
    return report


def lane_of(gratia: GratiaConfig) -> Outbox:
    """Return the lane of the outbox that the mode writes to.

    Raises:
        ConfigError: The mode is off.
    """
    if gratia.mode == "off":
        raise ConfigError(
            "[gratia] mode",
            expected="shadow or live",
            found="off",
            mend="set it in the configuration",
        )
    return outbox_at(Path(gratia.outbox), gratia.mode)


def _send(
    outbox: Outbox,
    gratia: GratiaConfig,
    report: GratiaReport,
    *,
    now: dt.datetime,
    at_once: bool,
    told: Progress | None,
) -> None:
    state = read_state(outbox)
    report.retry_at = state.retry_at
    if report.retry_at is None or report.retry_at <= now or at_once:
        with connected(gratia) as server:
            report.sent = send(outbox, server, now=now, progress=told)
        state = _after(state, report.sent, now)
        report.retry_at = state.retry_at
    set_aside = sum(report.frozen.set_aside.values())
    total = state.quarantined_records + set_aside
    write_state(outbox, msgspec.structs.replace(state, quarantined_records=total))
    forget_old_deliveries(outbox, now=now)


def _after(state: ServerState, sent: Sent, now: dt.datetime) -> ServerState:
    """Return what is remembered of the server after a run.

    Only failures of runs that brought it nothing at all make the next wait longer.
    """
    failures = (0 if sent.bundles else state.failures) + 1 if sent.failure else 0
    return msgspec.structs.replace(
        state,
        delivered_records=state.delivered_records + sent.records,
        delivered_bundles=state.delivered_bundles + sent.bundles,
        quarantined_records=state.quarantined_records + sum(sent.set_aside.values()),
        last_success_at=now if sent.bundles else state.last_success_at,
        failures=failures,
        failed_at=now if sent.failure else state.failed_at,
        failure=sent.failure or state.failure,
    )


def _forget_old_bundles(outbox: Outbox, *, now: dt.datetime) -> None:
    """Delete what was built and never sent, when it is too old to be compared."""
    last_kept_s = (now - dt.timedelta(days=KEEP_DAYS)).timestamp()
    for box in outbox.boxes():
        for bundle in due_bundles(box):
            if bundle.stat().st_mtime < last_kept_s:
                remove(bundle)
