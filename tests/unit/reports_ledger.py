"""Small ledgers for the tests of reports: records by their differences."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolmeter.ledger.merge import merge_jobs
from poolmeter.ledger.schema import jobs_schema
from poolmeter.record import JobRecord
from reports.price_book_file import PriceBook, parse_book

GIB = 2**30
GB = 10**9

#: Three types with the prices of the packing rule's examples; the shipped tiers.
BOOK_TOML = """
format = 1
id = "three-types"
title = "Three types"
currency = "USD"
region = "us-east-1"
basis = "on-demand"
packing = "cheapest-fit"

[sources.s]
title = "a price list"
date = 2026-07-20
confidence = "secondary"

[[billing]]
from = 2017-10-02
increment_s = 1
minimum_s = 60
source = "s"

[[instances]]
name = "c5.large"
vcpu = 2
memory_mib = 4096
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.085", source = "s" }]

[[instances]]
name = "m5.large"
vcpu = 2
memory_mib = 8192
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]

[[instances]]
name = "r5.large"
vcpu = 2
memory_mib = 16384
source = "s"
rates = [{ from = 2020-01-01, per_hour = "0.126", source = "s" }]

[[network.outgoing_external]]
from = 2020-01-01
unit = "GB"
scope = "payer"
allowance = { quantity = "100", placement = "inside-first-tier", source = "s" }
tiers = [
    { up_to = "10240", rate = "0.09", source = "s" },
    { up_to = "51200", rate = "0.085", source = "s" },
    { up_to = "153600", rate = "0.07", source = "s" },
    { rate = "0.05", source = "s" },
]
""" + "".join(
    f"""
[[network.{name}]]
from = 2020-01-01
unit = "GB"
tiers = [{{ rate = "0", free = true, source = "s" }}]
"""
    for name in (
        "outgoing_internal",
        "outgoing_local",
        "incoming_internal",
        "incoming_external",
        "incoming_local",
    )
)


def book(*changes: tuple[str, str]) -> PriceBook:
    """Return the book of three types, with each old text replaced by the new."""
    text = BOOK_TOML
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_book(text.encode(), where="three-types.toml")


def utc(text: str) -> dt.datetime:
    """Return the time that *text* (``2026-10-31 23:00``) names in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def job(**changes: object) -> dict[str, Any]:
    """Return a row of the ledger: one hour of one cpu and 3 GiB on 2 October 2026."""
    row: dict[str, Any] = {f.name: None for f in dataclasses.fields(JobRecord)}
    row |= {
        "schedd": "ap1",
        "cluster_id": 1,
        "proc_id": 0,
        "owner": "alice",
        "vo": "cms",
        "vo_source": "x509_vo_name",
        "job_status": "completed",
        "billable": True,
        "queued_at": utc("2026-10-01 00:00"),
        "last_started_at": utc("2026-10-02 10:00"),
        "ended_at": utc("2026-10-02 11:00"),
        "wall_s": 3600,
        "last_run_wall_s": 3600,
        "runs": 1,
        "cpus_milli": 1000,
        "memory_provisioned_bytes": 3 * GIB,
        "network_trust": "signed",
        "network_outgoing_external_bytes": 0,
        "time_trust": "consistent",
        "contradictions": [],
        "revision": 0,
    }
    assert changes.keys() <= row.keys()
    return row | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    """Return *rows* as the ledger's table, each as a job of its own."""
    numbered = [row | {"proc_id": number} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(numbered, schema=jobs_schema())


def write_ledger(ledger: Path, *rows: dict[str, Any]) -> Path:
    """Write *rows* as jobs of the schedd ``ap1`` and return the ledger's path."""
    ledger.mkdir(exist_ok=True)
    merge_jobs(ledger, "ap1", table(*rows))
    return ledger
