"""Which micro-batch read each file and what came of it, without reading data twice.

What is archived is joined by SQL in delta-rs's engine, one row of the result for each
file; only the few micro-batches that are newer have their data files counted. Counts
are those of the commit that added the rows, so what is done to the table afterwards
changes none: OPTIMIZE, DELETE, VACUUM or the appends of another writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from sluice.deltalog import open_table
from sluice.history.archive import Done, QueryHistory, file_rows, find_planned
from sluice.history.queries import BRONZE
from sluice.model import SeqRange
from sluice.paths import join
from sluice.source.events import Replayed
from sluice.tables import equal

if TYPE_CHECKING:
    from sluice.config import PipelineConfig
    from sluice.source.ledger import Ledger

READINGS_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("query_id", pa.string()),
        ("batch_id", pa.int64()),
        ("table_version", pa.int64()),
        ("commit_time", pa.timestamp("us", tz="UTC")),
        ("rows", pa.int64()),
        ("rescued_rows", pa.int64()),
    ]
)
_COLUMNS = (
    "f.query_id, f.batch_id, f.table_version, b.committed_at as commit_time, "
    "f.rows, f.rescued_rows"
)


def archived_readings(
    config: PipelineConfig, ledger: Ledger, within: SeqRange
) -> pa.Table:
    """Return the archived reading of each file of a range, in order of seq.

    Of several queries that read a file the one that began last counts. What was read
    under the numbers of an earlier ledger is found by the path.
    """
    files = open_table(config.ops_location("batch_files"))
    batches = open_table(config.ops_location("batches"))
    if files is None or batches is None:
        return READINGS_SCHEMA.empty_table()
    tables = {"f": files, "b": batches}
    mine = _query(_own_ledger_sql(config, ledger, within), tables)
    others = _query(_count_other_ledgers_sql(config, ledger), tables)
    if not others["n"][0].as_py():
        return newest_readings(mine)
    tables["t"] = DeltaTable(join(ledger.root, "files"))
    older = _query(_other_ledgers_sql(config, ledger, within), tables)
    return newest_readings(older, mine)


def find_not_archived(history: QueryHistory) -> list[Done]:
    """Return the micro-batches that the checkpoint has and the archive has not."""
    table = open_table(history.config.ops_location("batch_files"))
    newest = table.transaction_version(history.archive_id) if table else None
    return find_planned(history, after=-1 if newest is None else newest)


def newer_readings(history: QueryHistory, planned: Iterable[Done]) -> pa.Table:
    """Count the rows of each file of those of the ``planned`` batches that are done."""
    found = [
        _reading(done, row)
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
            "commit_time": event["at"],
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


def _reading(done: Done, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seq": row["seq"],
        "query_id": row["query_id"],
        "batch_id": row["batch_id"],
        "table_version": row["table_version"],
        "commit_time": done.batch.committed_at,
        "rows": row["rows"],
        "rescued_rows": row["rescued_rows"],
    }


def _own_ledger_sql(config: PipelineConfig, ledger: Ledger, within: SeqRange) -> str:
    return (
        f"select f.seq, {_COLUMNS} from ({_files_sql(config)}) f "
        f"left join ({_batches_sql(config)}) b "
        "on b.query_id = f.query_id and b.batch_id = f.batch_id "
        f"where f.seq > {within.start} and f.seq <= {within.end} "
        f"and (b.end_offsets is null or b.end_offsets like '%{ledger.ledger_id}%') "
        "order by f.seq, b.began"
    )


def _count_other_ledgers_sql(config: PipelineConfig, ledger: Ledger) -> str:
    return (
        f"select count(*) as n from ({_batches_sql(config)}) b "
        f"where b.end_offsets not like '%{ledger.ledger_id}%'"
    )


def _other_ledgers_sql(config: PipelineConfig, ledger: Ledger, within: SeqRange) -> str:
    return (
        f"select t.seq, {_COLUMNS} from ({_files_sql(config)}) f "
        f"join ({_batches_sql(config)}) b "
        "on b.query_id = f.query_id and b.batch_id = f.batch_id "
        "join t on t.path = f.path "
        f"where t.seq > {within.start} and t.seq <= {within.end} "
        f"and b.end_offsets not like '%{ledger.ledger_id}%' "
        "order by t.seq, b.began, f.seq"
    )


def _files_sql(config: PipelineConfig) -> str:
    mine = equal(pipeline=config.name)
    return f"select * from f where {mine}"


def _batches_sql(config: PipelineConfig) -> str:
    mine = equal(pipeline=config.name, query=BRONZE)
    return (
        "select query_id, batch_id, committed_at, end_offsets, "
        "min(planned_at) over (partition by query_id) as began "
        f"from b where {mine}"
    )


def _query(sql: str, tables: Mapping[str, DeltaTable]) -> pa.Table:
    builder = QueryBuilder()
    for name, table in tables.items():
        builder = builder.register(name, table)
    return pa.RecordBatchReader.from_stream(builder.execute(sql)).read_all()
