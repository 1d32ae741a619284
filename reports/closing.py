"""Closing a month: what was said stays said, what comes later is a correction."""

import dataclasses
import datetime as dt
import hashlib
from pathlib import Path
from typing import get_args

from poolmeter.errors import LedgerBusyError, LedgerError, UsageError
from poolmeter.ledger.layout import day_files, state_folder
from poolmeter.ledger.scan import job_files
from poolmeter.locks import locked
from reports.closed_month import (
    ClosedMonth,
    Input,
    corrections,
    read_closed,
    write_closed,
)
from reports.duckdb_connection import connection
from reports.known_runs import run_files_of
from reports.line import Line
from reports.month_sums import charge_sums, lines_by_vo
from reports.months import Month
from reports.parquet_names import literal
from reports.question import By, Pricing, Question, ask
from reports.statement import statement_of
from reports.statement_data import Statement
from reports.trend_data import Closing

_CHUNK_BYTES = 1 << 20

#: Jobs of the month whose GlobalJobId stands under another key, anywhere.
_TWICE = """
WITH here AS (
    SELECT hash(global_job_id) AS id
    FROM read_parquet($paths, hive_partitioning = false)
    WHERE global_job_id IS NOT NULL AND (
        (ended_at >= $from_at AND ended_at < $to_at)
        OR least(epoch_ms(ended_at), epoch_ms(last_started_at)) // 1000
           - greatest(coalesce(wall_s, 0), 0)::HUGEINT < $to_s)
),
often AS (
    SELECT hash(global_job_id) AS id
    FROM read_parquet($all_paths, hive_partitioning = false)
    WHERE global_job_id IS NOT NULL
      AND hash(global_job_id) IN (SELECT id FROM here)
    GROUP BY ALL HAVING count(*) > 1
)
SELECT global_job_id, count(DISTINCT (schedd, cluster_id, proc_id, queued_at)) AS keys
FROM read_parquet($all_paths, hive_partitioning = false)
WHERE hash(global_job_id) IN (SELECT id FROM often)
GROUP BY ALL HAVING keys > 1 ORDER BY ALL LIMIT 4
"""


def close_month(
    ledger: Path, month: Month | str, pricing: Pricing, *, now: dt.datetime
) -> ClosedMonth | None:
    """Freeze *month* as it is priced now; ``None`` if it has been closed before.

    Raises:
        UsageError: The month is none or is not over at *now*, or there is no ledger.
        PriceBookError: The book has no prices for the month.
        LedgerError: One GlobalJobId stands under two keys, our own sums disagree, or
            the ledger cannot be read or written now.
    """
    question = ask(ledger, month, pricing, "vo", None)
    _refuse_running(question.month, now)
    lock = state_folder(ledger) / "locks" / f"close-{question.month}.lock"
    with locked(lock, what=f"closing {question.month}"):
        if read_closed(ledger, question.month) is not None:
            return None
        _refuse_doubles(question)
        closed = _closed(question, now)
        write_closed(ledger, question.month, closed)
    return closed


def with_closing(made: Statement, closed: ClosedMonth) -> Statement:
    """Return *made* with the month as it was closed, and its corrections since."""
    before = closed.lines_of(made.by, made.vo)
    is_same = (made.book_sha256, made.vcpus_per_cpu) == (
        closed.book_sha256,
        closed.vcpus_per_cpu,
    )
    closing = Closing(
        closed_at=closed.closed_at,
        book_id=closed.book.id,
        book_sha256=closed.book_sha256,
        inputs_sha256=closed.inputs_sha256,
        totals=sum(before, start=Line(key="total")),
        corrections=corrections(made.lines, before) if is_same else None,
    )
    return dataclasses.replace(made, closing=closing)


def _closed(question: Question, now: dt.datetime) -> ClosedMonth:
    """Return the month as it is now; its inputs must stay as they are meanwhile."""
    inputs = _inputs(question)
    made = statement_of(question)
    sums = charge_sums(question)
    lines = {by: lines_by_vo(question, sums, by) for by in get_args(By)}
    if made.difference:
        raise LedgerError(
            f"statement of {question.month}",
            expected="sums that agree with each other",
            found=f"a difference of {made.difference}",
            mend="report it; nothing was closed",
        )
    if inputs != _inputs(question):
        raise LedgerBusyError(
            f"ledger {question.ledger}",
            expected="files that stay as they are while the month is closed",
            found="changes",
            mend="try again when the probe has ended",
        )
    pricing = question.pricing
    return ClosedMonth(
        month=str(question.month),
        closed_at=now.astimezone(dt.UTC).replace(microsecond=0),
        inputs_sha256=_hash_of(inputs),
        book_sha256=pricing.book.sha256,
        vcpus_per_cpu=pricing.vcpus_per_cpu,
        own_resources=pricing.own_resources,
        lines=lines,
        statement=made.to_json(),
        inputs=inputs,
        book=pricing.book.terms,
    )


def _refuse_running(month: Month, now: dt.datetime) -> None:
    if now.timestamp() < month.end_s:
        raise UsageError(
            f"closing {month}",
            expected="a month that is over",
            found=f"{now.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
            mend=f"close it from {month.next()}-01 on",
        )


def _refuse_doubles(question: Question) -> None:
    """Refuse while a job of the month may be charged twice, under two keys."""
    month = question.month
    paths = job_files(question.ledger, first_day=month.first_day)
    if not paths:
        return
    parameters = {
        "paths": [literal(path) for path in paths],
        "all_paths": [literal(path) for path in job_files(question.ledger)],
        "from_at": dt.datetime.fromtimestamp(month.start_s, dt.UTC),
        "to_at": dt.datetime.fromtimestamp(month.end_s, dt.UTC),
        "to_s": month.end_s,
    }
    with connection() as database:
        found = database.execute(_TWICE, parameters).fetchall()
    if found:
        names = ", ".join(str(name) for name, _ in found[:3])
        raise LedgerError(
            f"closing {month}",
            expected="each GlobalJobId under one key",
            found=f"more than one key for {names}{' and others' * (len(found) > 3)}",  # noqa: PLR2004
            mend="one job would be charged twice; remove the false rows first",
        )


def _inputs(question: Question) -> tuple[Input, ...]:
    """Return the files that the month is made of, by content."""
    ledger = question.ledger
    paths = [
        *job_files(ledger, first_day=question.month.first_day),
        *run_files_of(ledger, question.month),
        *day_files(ledger, "gaps", first_day=question.month.first_day),
    ]
    return tuple(
        Input(path=path.relative_to(ledger).as_posix(), sha256=_file_hash(path))
        for path in paths
    )


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise LedgerError(
            f"cannot read {path}", found=error.strerror or str(error)
        ) from error
    return digest.hexdigest()


def _hash_of(inputs: tuple[Input, ...]) -> str:
    """Return one hash of all *inputs*: of lines as ``sha256sum`` writes them."""
    lines = "".join(f"{item.sha256}  {item.path}\n" for item in inputs)
    return hashlib.sha256(lines.encode()).hexdigest()
