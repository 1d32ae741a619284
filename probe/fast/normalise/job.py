"""Many history records in, as many rows out; see ``probe.normalise.job``.

A draft is all of the rows that an ad alone decides.  The rest, which depends on what
stands before and behind in the file, is filled in when the ends are known.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolmeter import attributes as names
from poolmeter.attributes import known_attributes
from poolmeter.config import Config, ProbeConfig
from poolmeter.ledger.schema import TIMESTAMP, jobs_schema
from poolmeter.units import MS_PER_S
from probe.fast.ads import Ads, Integers
from probe.fast.arrays import Flags, Numbers
from probe.fast.columns import (
    Column,
    chosen_words,
    flag_column,
    number_column,
)
from probe.fast.normalise.billing import billing_columns
from probe.fast.normalise.contradictions import (
    EndChecks,
    bits_of,
    bits_of_ends,
    end_checks_of,
    names_of_bits,
)
from probe.fast.normalise.identity import first_text, identity_columns
from probe.fast.normalise.network import network_of
from probe.fast.normalise.resources import resources_of
from probe.fast.normalise.times import Times, times_of
from probe.fast.values import Kind
from probe.normalise.job import INT8_MAX, INT32_MAX, STATUSES

#: Of the attributes that are known, those that no row of a job is made of.
_OF_RUNS = frozenset(
    [
        names.EPOCH_WRITE_DATE,
        names.REMOTE_HOST,
        names.REMOTE_POOL,
        names.SHADOW_BDAY,
        names.TICKET_OF_EXECUTION,
        names.VACATE_REASON,
    ]
)
#: Looked at for whether they are there or how they are written, never evaluated.
_NEVER_EVALUATED = frozenset(
    [
        names.IMAGE_SIZE,
        names.IMAGE_SIZE_RAW,
        names.JOB_CURRENT_START_EXECUTING_DATE,
        names.JOB_MATERIALIZE_DIGEST_FILE,
        names.LAST_PUBLIC_CLAIM_ID,
        names.LEAVE_JOB_IN_QUEUE,
        names.RESIDENT_SET_SIZE,
        names.STARTD_PRINCIPAL,
    ]
)
_EXTRA = pa.map_(pa.string(), pa.string())


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """Rows without what depends on their neighbours, and what that is made of.

    ``rows`` has a row for each record; those that are not ``is_plain`` mean nothing.
    Times are Unix seconds, 0 where unknown.
    """

    rows: pa.Table
    is_plain: Flags
    bits: Numbers
    checks: EndChecks
    own_end_s: Numbers
    last_run_end_s: Numbers
    begun_s: Numbers
    prompt_end_s: Numbers
    may_linger: Flags


def wanted_attributes(config: ProbeConfig) -> list[str]:
    """Return the names of all attributes that rows are made of, the job's id first."""
    wanted = [names.CLUSTER_ID, names.PROC_ID, names.GLOBAL_JOB_ID]
    wanted += [name for name in known_attributes() if name not in _OF_RUNS]
    further = [*_evaluated_further(config), *config.extra_attributes]
    unique: dict[str, str] = {}
    for name in [*map(str, wanted), *further]:
        unique.setdefault(name.lower(), name)
    return [*unique.values()]


#: The first wanted attributes are those that one job has one value of.
IDENTITY_COLUMNS = (0, 1, 2)


def evaluated_attributes(config: ProbeConfig) -> list[str]:
    """Return those of the wanted attributes whose values count, not their text."""
    skipped = _OF_RUNS | _NEVER_EVALUATED
    known = [str(name) for name in known_attributes() if name not in skipped]
    return [*known, *_evaluated_further(config)]


def _evaluated_further(config: ProbeConfig) -> list[str]:
    benchmark = config.benchmark_attribute
    return [*config.network_other, *([benchmark] if benchmark else [])]


def draft_of(ads: Ads, *, schedd: str, config: Config) -> Draft:
    """Return the rows of *ads*, as far as each ad alone decides them."""
    times = times_of(ads)
    usage, bits = _usage_columns(ads, times, config.probe)
    columns = (
        _job_columns(ads, times, schedd, config.probe.site)
        | identity_columns(ads, config.vo.rules)
        | times.columns()
        | usage
        | _place_columns(ads)
        | _ending_columns(ads)
        | _extra_columns(ads, config.probe)
    )
    prompt = ~times.may_linger & times.entered.known
    return Draft(
        rows=_table(columns, ads.count),
        checks=end_checks_of(ads, times),
        is_plain=ads.is_plain,
        bits=bits,
        own_end_s=times.own_end_s,
        last_run_end_s=times.last_run_end_s,
        begun_s=np.maximum(times.queued.values, times.started.values),
        prompt_end_s=np.where(prompt, times.entered.values, 0),
        may_linger=times.may_linger,
    )


def _table(columns: dict[str, Column], count: int) -> pa.Table:
    schema = jobs_schema()
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.table(arrays, names=schema.names)


def finished(
    draft: Draft, chosen: Numbers, ended_s: Numbers, is_outside: Flags
) -> tuple[pa.Table, int]:
    """Return the rows of the *chosen* records, and how many contradict themselves.

    *ended_s* and *is_outside* have an item for each chosen record: when it ended, and
    whether that contradicts its neighbours.
    """
    checks = _taken(draft.checks, chosen)
    bits = draft.bits[chosen] | bits_of_ends(checks, ended_s, is_outside)
    is_contradicted = bits != 0
    columns = {
        "ended_at": number_column(ended_s * MS_PER_S, ended_s != 0, TIMESTAMP),
        "time_trust": chosen_words(
            ("consistent", "contradicted"), is_contradicted.astype(np.int64)
        ),
        "contradictions": names_of_bits(bits),
    }
    rows = draft.rows if chosen.size == draft.rows.num_rows else draft.rows.take(chosen)
    schema = jobs_schema()
    arrays: list[Any] = [columns.get(name, rows[name]) for name in schema.names]
    return pa.table(arrays, schema=schema), int(is_contradicted.sum())


def _taken(checks: EndChecks, chosen: Numbers) -> EndChecks:
    return EndChecks(
        **{
            field.name: getattr(checks, field.name)[chosen]
            for field in dataclasses.fields(checks)
        }
    )


def _job_columns(
    ads: Ads, times: Times, schedd: str, site: str | None
) -> dict[str, Column]:
    cluster = ads.integers(names.CLUSTER_ID)
    proc = ads.integers(names.PROC_ID, high=INT32_MAX)
    ads.leave(~(cluster.known & proc.known))
    status = times.status.values
    ads.leave(~np.isin(status, list(STATUSES)))
    codes = np.clip(status - min(STATUSES), 0, len(STATUSES) - 1)
    return {
        "schedd": pa.repeat(pa.scalar(schedd), ads.count),
        "site": pa.repeat(pa.scalar(site, pa.string()), ads.count),
        "cluster_id": cluster.column(),
        "proc_id": proc.column(np.int32),
        "global_job_id": ads.texts(names.GLOBAL_JOB_ID),
        "job_status": chosen_words([*STATUSES.values()], codes),
        "revision": pa.repeat(pa.scalar(0, pa.int32()), ads.count),
    }


def _usage_columns(
    ads: Ads, times: Times, config: ProbeConfig
) -> tuple[dict[str, Column], Numbers]:
    universe = ads.integers(names.JOB_UNIVERSE, high=INT8_MAX)
    codes = np.where(universe.known, universe.values, -1)
    resources = resources_of(ads, times)
    billing = billing_columns(
        ads, times, codes, bill_routed_source=config.bill_routed_source
    )
    network = network_of(
        ads,
        universe=codes,
        has_started=times.has_started,
        other_names=config.network_other,
    )
    columns = resources.columns() | network.columns() | billing
    columns["universe"] = universe.column(np.int8)
    return columns, bits_of(ads, times, resources, codes)


def _place_columns(ads: Ads) -> dict[str, Column]:
    return {
        "last_remote_host": ads.texts(names.LAST_REMOTE_HOST),
        "execute_site": first_text(ads, names.EXECUTE_SITE_SOURCES),
        "execute_pool": ads.texts(names.LAST_REMOTE_POOL),
        "dag_job_id": ads.integers(names.DAGMAN_JOB_ID).column(),
        "routed_from": ads.texts(names.ROUTED_FROM_JOB_ID),
        "routed_to": ads.texts(names.ROUTED_TO_JOB_ID),
    }


def _ending_columns(ads: Ads) -> dict[str, Column]:
    is_held = ads.has_text(names.HOLD_REASON)
    by_signal = ads.kinds(names.EXIT_BY_SIGNAL) == Kind.TRUE
    reasons = [ads.texts(name) for name in (names.HOLD_REASON, names.LAST_HOLD_REASON)]
    codes = (names.HOLD_REASON_CODE, names.LAST_HOLD_REASON_CODE)
    subcodes = (names.HOLD_REASON_SUBCODE, names.LAST_HOLD_REASON_SUBCODE)
    whole = {
        "exit_code": _codes(ads, names.EXIT_CODE),
        "exit_signal": _codes(ads, names.EXIT_SIGNAL).only(by_signal),
        "hold_reason_code": _either(ads, is_held, codes),
        "hold_reason_subcode": _either(ads, is_held, subcodes),
        "holds": _codes(ads, names.NUM_HOLDS),
        "vacate_reason_code": _codes(ads, names.VACATE_REASON_CODE),
    }
    return {name: column.column(np.int32) for name, column in whole.items()} | {
        "removal_reason": ads.texts(names.REMOVE_REASON),
        "hold_reason": pc.if_else(flag_column(is_held), *reasons),
    }


def _either(ads: Ads, is_first: Flags, pair: Iterable[str]) -> Integers:
    first, second = (_codes(ads, name) for name in pair)
    return first.where(is_first, second)


def _codes(ads: Ads, name: str) -> Integers:
    return ads.integers(name, low=-INT32_MAX, high=INT32_MAX)


def _extra_columns(ads: Ads, config: ProbeConfig) -> dict[str, Column]:
    scaling = config.benchmark_attribute or names.MACHINE_ATTR_APEL_SCALING
    reals, known = ads.reals(scaling)
    return {
        "extra": _extra(ads, config.extra_attributes),
        "benchmark_scaling": number_column(reals, known, pa.float64()),
    }


def _extra(ads: Ads, wanted: Iterable[str]) -> Column:
    """Return the attributes that the configuration names, as they are written."""
    present = [(name, ads.has(name) & ads.is_plain) for name in dict.fromkeys(wanted)]
    if not present:
        return pa.nulls(ads.count, _EXTRA)
    maps = [
        [(name, ads.raw(name, row)) for name, has in present if has[row]] or None
        for row in range(ads.count)
    ]
    return pa.array(maps, _EXTRA)
