"""Arrow schemas of the ledger's tables, and the mark that each file carries."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolmeter.errors import LedgerMismatchError
from poolmeter.record import (
    NETWORK_COLUMNS,
    Column,
    JobRecord,
    Payload,
    StorageType,
    job_columns,
)

SCHEMA_VERSION = 1
ROW_GROUP_ROWS = 64 * 1024
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1

_VERSION_KEY = b"poolmeter.schema_version"
_SCHEDD_KEY = b"poolmeter.schedd"

TIMESTAMP = pa.timestamp("ms", tz="UTC")

_PAYLOAD = pa.struct(
    [
        pa.field("at", TIMESTAMP),
        pa.field("user", pa.string()),
        pa.field("subject", pa.string()),
        *(pa.field(name, pa.int64()) for name in NETWORK_COLUMNS),
    ]
)

_ARROW_TYPES: dict[StorageType, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp_ms_utc": TIMESTAMP,
    "list_string": pa.list_(pa.string()),
    "map_string_string": pa.map_(pa.string(), pa.string()),
    "map_string_int64": pa.map_(pa.string(), pa.int64()),
    "list_payload": pa.list_(_PAYLOAD),
}


@functools.cache
def jobs_schema() -> pa.Schema:
    """Return the schema of the table ``jobs``, without a file's mark."""
    return schema_of(job_columns())


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a table with these *columns*, without a file's mark."""
    return pa.schema([_field(column) for column in columns])


def _field(column: Column) -> "pa.Field[Any]":
    return pa.field(
        column.name,
        _ARROW_TYPES[column.storage],
        nullable=column.nullable,
        metadata={"meaning": column.meaning},
    )


@functools.cache
def gaps_schema() -> pa.Schema:
    """Return the schema of the table ``gaps``, without a file's mark."""
    fields: list[pa.Field[Any]] = [
        pa.field("schedd", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("from_at", TIMESTAMP, nullable=False),
        pa.field("to_at", TIMESTAMP, nullable=False),
    ]
    return pa.schema(fields)


def table_of(records: Sequence[JobRecord]) -> pa.Table:
    """Return *records* as a table of :func:`jobs_schema`, in their order."""
    return table_with(jobs_schema(), records)


def table_with(schema: pa.Schema, records: Sequence[object]) -> pa.Table:
    """Return the attributes of *records* that *schema* names, as its table."""
    columns = {
        name: [_plain(getattr(record, name)) for record in records]
        for name in schema.names
    }
    return pa.table(columns, schema=schema)


def _plain(value: object) -> object:
    """Return *value* in the form that Arrow's builders take."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, tuple):
        return [
            dataclasses.asdict(item) if isinstance(item, Payload) else item
            for item in value
        ]
    return value


def marked(schema: pa.Schema, schedd: str) -> pa.Schema:
    """Return *schema* with the mark of a file that belongs to *schedd*."""
    mark: dict[bytes | str, bytes | str] = {
        _VERSION_KEY: str(SCHEMA_VERSION).encode(),
        _SCHEDD_KEY: schedd.encode(),
    }
    return schema.with_metadata(mark)


def check_mark(schema: pa.Schema, path: Path, *, schedd: str | None = None) -> None:
    """Refuse a file of another schema version, or of another schedd than *schedd*.

    Raises:
        LedgerMismatchError: It is one.
    """
    mark: dict[bytes, bytes] = schema.metadata or {}
    version = mark.get(_VERSION_KEY, b"none").decode("utf-8", "replace")
    if version != str(SCHEMA_VERSION):
        raise LedgerMismatchError(
            str(path),
            expected=f"ledger schema version {SCHEMA_VERSION}",
            found=version,
            mend="use the poolmeter that wrote this ledger, or another --ledger",
        )
    owner = mark.get(_SCHEDD_KEY, b"").decode("utf-8", "replace")
    if schedd is not None and owner != schedd:
        raise LedgerMismatchError(
            str(path),
            expected=f"a file of schedd {schedd}",
            found=f"one of schedd {owner}",
            mend="name the schedd with --schedd as before",
        )


def writer_options() -> dict[str, Any]:
    """Return the options that every Parquet file of the ledger is written with."""
    return {"compression": COMPRESSION, "compression_level": COMPRESSION_LEVEL}
