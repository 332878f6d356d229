"""The archive's Delta tables: their schemas, and an append that cannot happen twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from deltalake import DeltaTable, Schema, Transaction

from sluice.delta.compaction import COMPACT_ABOVE, compact_table
from sluice.delta.log import open_table
from sluice.delta.tables import append_always, append_once, create_table, read_table

_TIMESTAMP = pa.timestamp("us", tz="UTC")
BATCHES_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("batch_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("committed", pa.bool_(), nullable=False),
        pa.field("start_offsets", pa.string()),
        pa.field("end_offsets", pa.string(), nullable=False),
        pa.field("rows", pa.int64()),
        pa.field("table_version", pa.int64()),
        pa.field("planned_at", _TIMESTAMP, nullable=False),
        pa.field("committed_at", _TIMESTAMP),
        pa.field("watermark", _TIMESTAMP),
        pa.field("next_watermark", _TIMESTAMP),
        pa.field("run_id", pa.string()),
    ]
)
BATCH_FILES_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("batch_id", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("seq", pa.int64()),
        pa.field("rows", pa.int64()),
        pa.field("rescued_rows", pa.int64()),
        pa.field("dropped_records", pa.int64()),
        pa.field("quarantined_rows", pa.int64()),
        pa.field("table_version", pa.int64()),
        pa.field("ledger_id", pa.string()),
        pa.field("committed_at", _TIMESTAMP),
    ]
)
STEPS_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("started", _TIMESTAMP, nullable=False),
        pa.field("finished", _TIMESTAMP, nullable=False),
        pa.field("counts", pa.string(), nullable=False),
        pa.field("notes", pa.string(), nullable=False),
    ]
)
_COMPACT_ABOVE = COMPACT_ABOVE


def open_or_create(location: str, schema: pa.Schema) -> DeltaTable:
    """Open the newest version of an operational table; an absent one is made.

    Columns that the table of an earlier format lacks are added.
    """
    table = open_table(location) or create_table(location, schema)
    known = {each.name for each in table.schema().fields}
    added = [each for each in schema if each.name not in known]
    if added:
        table.alter.add_columns(Schema.from_arrow(pa.schema(added)).fields)
    return table


def read_rows(
    location: str, where: str, columns: Sequence[str] = ("*",)
) -> list[dict[str, object]]:
    """Return the rows of an operational table that meet ``where``, a condition in SQL.

    There are none where there is no table yet.
    """
    table = open_table(location)
    if table is None:
        return []
    rows = read_table(table, columns=columns, where=where)
    found: list[dict[str, object]] = rows.to_pylist()
    return found


def append_rows(
    location: str, schema: pa.Schema, rows: Sequence[Mapping[str, object]]
) -> None:
    """Append rows that only this process writes, such as what this run did."""
    table = append_always(
        location, lambda: open_or_create(location, schema), _arrow(rows, schema)
    )
    compact_table(location, above=_COMPACT_ABOVE, opened=table)


def append_archived(
    table: DeltaTable,
    schema: pa.Schema,
    rows: Sequence[Mapping[str, object]],
    transaction: Transaction,
) -> bool:
    """Append ``rows`` as ``append_once`` does; small files become one now and then."""
    if not append_once(table, _arrow(rows, schema), transaction):
        return False
    compact_table(table.table_uri, above=_COMPACT_ABOVE, opened=table)
    return True


def _arrow(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
