"""Which micro-batch read each file and what came of it, without reading data twice.

What is archived is joined by SQL in delta-rs's engine, one row of the result for each
file; only the few micro-batches that are newer have their data files counted. Counts
are those of the commit that added the rows, so what is done to the table afterwards
changes none: OPTIMIZE, DELETE, VACUUM or the appends of another writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from sluice.delta.log import open_table
from sluice.delta.tables import equal, literal
from sluice.history.archive import Done, QueryHistory, file_rows, find_planned
from sluice.ledger.events import Replayed
from sluice.model import SeqRange
from sluice.paths import join

if TYPE_CHECKING:
    from sluice.ledger.ledger import Ledger
    from sluice.pipeline import Pipeline

READINGS_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("query_id", pa.string()),
        ("batch_id", pa.int64()),
        ("table_version", pa.int64()),
        ("committed_at", pa.timestamp("us", tz="UTC")),
        ("rows", pa.int64()),
        ("rescued_rows", pa.int64()),
        ("dropped_records", pa.int64()),
        ("quarantined_rows", pa.int64()),
    ]
)
# Tables of earlier releases lack these; what was read by one without the ledger's id is
# found by the path.
_ADDED = {
    "ledger_id": "string",
    "committed_at": "timestamp",
    "dropped_records": "bigint",
    "quarantined_rows": "bigint",
}


def archived_readings(
    pipeline: Pipeline,
    ledger: Ledger,
    within: SeqRange,
    archive: DeltaTable | None = None,
) -> pa.Table:
    """Return the archived reading of each file of a range, in order of seq.

    Of several queries that read a file the one that began last counts. What was read
    under the numbers of an earlier ledger is found by the path. ``archive`` is the
    table ``ops/batch_files`` if it is open already.
    """
    files = archive or open_table(pipeline.ops_location("batch_files"))
    if files is None:
        return READINGS_SCHEMA.empty_table()
    read, tables = _files_sql(pipeline, files), {"f": files}
    is_mine = f"f.ledger_id = {literal(ledger.ledger_id)}"
    is_other = f"(f.ledger_id is distinct from {literal(ledger.ledger_id)})"
    columns = ", ".join(f"f.{name}" for name in READINGS_SCHEMA.names[1:])
    order = "f.committed_at nulls first, f.seq"
    mine = _query(
        f"select f.seq, {columns} from ({read}) f where {is_mine} "
        f"and f.seq > {within.start} and f.seq <= {within.end} order by f.seq, {order}",
        tables,
    )
    others = _query(f"select count(*) as n from ({read}) f where {is_other}", tables)
    if not others["n"][0].as_py():
        return newest_readings(mine)
    tables["t"] = DeltaTable(join(ledger.root, "files"))
    older = _query(
        f"select t.seq, {columns} from ({read}) f join t on t.path = f.path "
        f"where {is_other} and t.seq > {within.start} and t.seq <= {within.end} "
        f"order by t.seq, {order}",
        tables,
    )
    return newest_readings(older, mine)


def find_not_archived(
    history: QueryHistory, archive: DeltaTable | None = None
) -> list[Done]:
    """Return the micro-batches that the checkpoint has and the archive has not.

    ``archive`` is the table ``ops/batch_files`` if it is open already.
    """
    table = archive or open_table(history.pipeline.ops_location("batch_files"))
    newest = table.transaction_version(history.archive_id) if table else None
    return find_planned(history, after=-1 if newest is None else newest)


def newer_readings(history: QueryHistory, planned: Iterable[Done]) -> pa.Table:
    """Count the rows of each file of those of the ``planned`` batches that are done."""
    found = [
        row
        for done in planned
        if done.batch.is_done
        for row in file_rows(history, done)
        if row["seq"] is not None
    ]
    return newest_readings(pa.Table.from_pylist(found, schema=READINGS_SCHEMA))


def replay_readings(replayed: pa.Table) -> pa.Table:
    """Return what files had in their newest replay, given the events of that.

    The time of the event is that of the commit.
    """
    rows = [
        {
            "seq": event["seq"],
            "committed_at": event["at"],
            **msgspec.structs.asdict(Replayed.of(event["detail"])),
        }
        for event in replayed.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=READINGS_SCHEMA)


def newest_readings(*tables: pa.Table) -> pa.Table:
    """Return one reading of each file, in order of seq: the last of the last table."""
    joined = pa.concat_tables([each.cast(READINGS_SCHEMA) for each in tables])
    seqs = joined["seq"].to_numpy()
    order = np.argsort(seqs, kind="stable")
    ordered = seqs[order]
    is_last = np.ones(len(ordered), np.bool_)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    return joined.take(pa.array(order[is_last]))


def _files_sql(pipeline: Pipeline, files: DeltaTable) -> str:
    known = {each.name for each in files.schema().fields}
    added = [
        f", cast(null as {kind}) as {name}"
        for name, kind in _ADDED.items()
        if name not in known
    ]
    return f"select *{''.join(added)} from f where {equal(pipeline=pipeline.name)}"


def _query(sql: str, tables: Mapping[str, DeltaTable]) -> pa.Table:
    builder = QueryBuilder()
    for name, table in tables.items():
        builder = builder.register(name, table)
    return pa.RecordBatchReader.from_stream(builder.execute(sql)).read_all()
