"""An ended job as its ad stood in the queue, rebuilt from its row in ClassAd units.

The ledger keeps what a job came to, not how: sizes are those at its end.  Three
moments of its life can be rebuilt: waiting for its first start, running (after any
number of seconds of wall time), and after its last run if it did not complete.  What
the ledger does not know is left out of the ad, so that it cannot be told; what it
knows to have been absent is ``undefined``.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import classad2

from poolmeter import attributes
from poolmeter.units import BYTES_PER_KIB, BYTES_PER_MIB, MILLI
from reports.policy.expression import TRIAL_TIME

Row = Mapping[str, Any]

IDLE, RUNNING, HELD = 1, 2, 5


def _seconds(value: dt.datetime) -> int:
    return int(value.timestamp())


def _whole_up(unit_bytes: int) -> Callable[[int], int]:
    return lambda value: -(-value // unit_bytes)


def _cpus(milli: int) -> int | float:
    return milli // MILLI if milli % MILLI == 0 else milli / MILLI


def _cpu_seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def _same(value: object) -> object:
    return value


_KIB, _MIB = _whole_up(BYTES_PER_KIB), _whole_up(BYTES_PER_MIB)

#: Text that stands in the row as it stood in the ad: null is "not there".
_TEXTS = {
    attributes.GLOBAL_JOB_ID: "global_job_id",
    attributes.OWNER: "owner",
    attributes.USER: "user",
    attributes.ACCT_GROUP: "accounting_group",
    attributes.ACCT_GROUP_USER: "accounting_group_user",
    attributes.PROJECT_NAME: "project",
    attributes.X509_SUBJECT: "x509_subject",
    attributes.X509_VO_NAME: "x509_vo_name",
    attributes.X509_FQAN: "x509_fqan",
    attributes.GLEXEC_USER: "payload_user",
    attributes.GLEXEC_SUBJECT: "payload_subject",
    attributes.ROUTED_FROM_JOB_ID: "routed_from",
}

#: Numbers that do not change while the job runs, or whose last value is its peak.
_NUMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    attributes.CLUSTER_ID: ("cluster_id", _same),
    attributes.PROC_ID: ("proc_id", _same),
    attributes.JOB_UNIVERSE: ("universe", _same),
    attributes.Q_DATE: ("queued_at", _seconds),
    attributes.REQUEST_CPUS: ("cpus_requested_milli", _cpus),
    attributes.CPUS_PROVISIONED: ("cpus_milli", _cpus),
    attributes.REQUEST_MEMORY: ("memory_requested_bytes", _MIB),
    attributes.DAGMAN_JOB_ID: ("dag_job_id", _same),
}

#: What exists only once the job has started.
_OF_RUNS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    attributes.JOB_START_DATE: ("started_at", _seconds),
    attributes.JOB_CURRENT_START_DATE: ("last_started_at", _seconds),
    attributes.NUM_SHADOW_STARTS: ("shadow_starts", _same),
    attributes.NUM_JOB_RECONNECTS: ("reconnects", _same),
    attributes.MEMORY_PROVISIONED: ("memory_provisioned_bytes", _MIB),
    attributes.MEMORY_USAGE: ("memory_peak_bytes", _MIB),
    attributes.RESIDENT_SET_SIZE_RAW: ("memory_peak_bytes", _KIB),
    "ResidentSetSize": ("memory_peak_bytes", _KIB),
    attributes.DISK_USAGE_RAW: ("disk_peak_bytes", _KIB),
    "DiskUsage": ("disk_peak_bytes", _KIB),
    attributes.DISK_PROVISIONED: ("disk_provisioned_bytes", _KIB),
    attributes.BYTES_RECVD: ("transfer_in_bytes", _same),
    attributes.NETWORK_OUTGOING_INTERNAL: ("network_outgoing_internal_bytes", _same),
    attributes.NETWORK_OUTGOING_EXTERNAL: ("network_outgoing_external_bytes", _same),
    attributes.NETWORK_OUTGOING_LOCAL: ("network_outgoing_local_bytes", _same),
    attributes.NETWORK_INCOMING_INTERNAL: ("network_incoming_internal_bytes", _same),
    attributes.NETWORK_INCOMING_EXTERNAL: ("network_incoming_external_bytes", _same),
    attributes.NETWORK_INCOMING_LOCAL: ("network_incoming_local_bytes", _same),
}

_CPU_OF_SCOPE = {
    "all_runs": (
        attributes.CUMULATIVE_REMOTE_USER_CPU,
        attributes.CUMULATIVE_REMOTE_SYS_CPU,
    ),
    "last_run": (attributes.REMOTE_USER_CPU, attributes.REMOTE_SYS_CPU),
}
_CPU_COLUMNS = ("cpu_user_ms", "cpu_system_ms")

#: Every column that an ad is rebuilt from.
COLUMNS = tuple(
    dict.fromkeys(
        [
            *_TEXTS.values(),
            *(column for column, _ in (*_NUMBERS.values(), *_OF_RUNS.values())),
            *_CPU_COLUMNS,
            "cpu_scope",
            "ended_at",
            "job_status",
            "wall_s",
            "last_run_wall_s",
            "runs",
            "holds",
            "hold_reason_code",
            "removal_reason",
        ]
    )
)


def waiting_ad(row: Row) -> classad2.ClassAd | None:
    """Return the ad of the last moment before the first start; ``None`` if unknown.

    For a job that never started that is its last moment in the queue.
    """
    until, since = row["started_at"], row["queued_at"]
    if since is None or (until is None and row["runs"]):
        return None
    ad = _lasting(row)
    ad.update(_never_started())
    _set_state(ad, IDLE, _seconds(since), 0)
    if until is not None or _knows_its_end(row):
        ad[TRIAL_TIME] = _seconds(until or row["ended_at"])
    return ad


def running_ad(row: Row) -> classad2.ClassAd | None:
    """Return the ad of the job as it ran, without its clock: see :func:`set_clock`."""
    if not row["runs"] or row["wall_s"] is None:
        return None
    ad = _lasting(row)
    _put(ad, row, _OF_RUNS)
    _put_cpu_time(ad, row)
    ad[attributes.NUM_JOB_STARTS] = row["runs"]
    return ad


def set_clock(ad: classad2.ClassAd, row: Row, wall_s: int) -> None:
    """Set *ad*, of :func:`running_ad`, to the moment after *wall_s* seconds of runs.

    While a job runs, HTCondor evaluates its policy with a wall time that includes the
    run (``BaseUserPolicy``, ``updateJobTime``).
    """
    started, ran_s = _last_start(row)
    _set_state(ad, RUNNING, started, wall_s)
    ad[TRIAL_TIME] = started + wall_s - (row["wall_s"] - ran_s)


def between_ads(row: Row) -> Iterator[classad2.ClassAd]:
    """Yield ads of the job out of slots after a run: idle again, and on hold.

    A removed job's last moment in the queue has its time if it was never held and a
    person removed it: HTCondor 23.9.6 leaves EnteredCurrentStatus as it was when its
    own policy removes a job that does not run.  Other moments have none.
    """
    if row["wall_s"] is None:
        return
    was_held = _was_held(row)
    started, ran_s = _last_start(row)
    wall_s, ended = row["wall_s"], _seconds(row["ended_at"])
    left_by_removal = row["job_status"] == "removed" and ended > started + ran_s
    if row["runs"] and (left_by_removal or was_held):
        ad = _out_of_slot(row, IDLE, row["runs"], wall_s)
        ad[attributes.ENTERED_CURRENT_STATUS] = started + ran_s
        if not was_held and _knows_its_end(row):
            ad[TRIAL_TIME] = ended
        yield ad
    if row["runs"] > 1:
        yield _out_of_slot(row, IDLE, row["runs"] - 1, wall_s - ran_s)
    if was_held:
        yield _out_of_slot(row, HELD, row["runs"], wall_s)


def _out_of_slot(row: Row, status: int, runs: int, wall_s: int) -> classad2.ClassAd:
    ad = _lasting(row)
    _put(ad, row, _OF_RUNS)
    _put_cpu_time(ad, row)
    ad[attributes.NUM_JOB_STARTS] = runs
    ad[attributes.JOB_STATUS] = status
    ad[attributes.REMOTE_WALL_CLOCK_TIME] = wall_s
    return ad


def _knows_its_end(row: Row) -> bool:
    """Whether ``ended_at`` is when the job left the queue, not when it last ran."""
    by_hand = (row["removal_reason"] or "").startswith("via condor_rm")
    return row["job_status"] == "completed" or by_hand


def _last_start(row: Row) -> tuple[int, int]:
    """Return the start of the last run and its length, as far as the row tells."""
    ran_s = row["last_run_wall_s"]
    if ran_s is None:
        ran_s = row["wall_s"]
    ran_s = min(max(ran_s, 0), row["wall_s"])
    started = row["last_started_at"]
    if started is None:
        return _seconds(row["ended_at"]) - ran_s, ran_s
    return _seconds(started), ran_s


def _set_state(ad: classad2.ClassAd, status: int, since_s: int, wall_s: int) -> None:
    ad[attributes.JOB_STATUS] = status
    ad[attributes.ENTERED_CURRENT_STATUS] = since_s
    ad[attributes.REMOTE_WALL_CLOCK_TIME] = wall_s


def _lasting(row: Row) -> classad2.ClassAd:
    """Return what is the same all through the job's life."""
    ad = classad2.ClassAd()
    for name, column in _TEXTS.items():
        value = row[column]
        ad[name] = classad2.Value.Undefined if value is None else value
    _put(ad, row, _NUMBERS)
    if not _was_held(row):
        never = classad2.Value.Undefined if row["holds"] is None else 0
        ad[attributes.NUM_HOLDS] = never
    return ad


def _was_held(row: Row) -> bool:
    """Whether the job was ever on hold: its ad keeps count and reason for good."""
    return bool(row["holds"]) or row["hold_reason_code"] is not None


def _put(
    ad: classad2.ClassAd,
    row: Row,
    table: Mapping[str, tuple[str, Callable[[Any], Any]]],
) -> None:
    for name, (column, converted) in table.items():
        value = row[column]
        if value is not None:
            ad[name] = converted(value)


def _put_cpu_time(ad: classad2.ClassAd, row: Row) -> None:
    scopes: Iterable[str] = [row["cpu_scope"]] if row["cpu_scope"] else []
    if row["runs"] == 1:
        scopes = _CPU_OF_SCOPE
    for scope in scopes:
        for name, column in zip(_CPU_OF_SCOPE[scope], _CPU_COLUMNS, strict=True):
            if row[column] is not None:
                ad[name] = _cpu_seconds(row[column])


def _never_started() -> dict[str, object]:
    """Return what an ad says, or does not have, before the first start."""
    absent = dict.fromkeys(_OF_RUNS, classad2.Value.Undefined)
    return {**absent, attributes.NUM_JOB_STARTS: 0}
