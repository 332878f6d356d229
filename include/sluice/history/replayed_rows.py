"""The rows of files that were replayed: those of the replay's own commit.

A replay is no micro-batch, so it is archived as what it is: rows of ``ops/batch_files``
under a query id of its own, its table version in the place of a batch id. Archiving it
twice changes nothing, for readers take one row of each file and version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.deltalog import open_table, read_commits
from sluice.history.rows import RowCounts, count_added_rows
from sluice.history.tables import BATCH_FILES_SCHEMA, append_rows
from sluice.paths import join
from sluice.source.events import EventKind
from sluice.source.ledger import Ledger
from sluice.tables import equal, query_table

if TYPE_CHECKING:
    from sluice.config import PipelineConfig

REPLAY = "replay"
"""What stands for the query id of an archived replay."""

_COUNTS = pa.schema(
    [
        ("seq", pa.int64()),
        ("table_version", pa.int64()),
        ("rows", pa.int64()),
        ("rescued_rows", pa.int64()),
    ]
)
_Row = dict[str, Any]


def archive_replays(config: PipelineConfig) -> None:
    """Append the rows of every replay that is not archived yet.

    Costs a look at two tables where there is none.
    """
    ledger = Ledger.open(config.schema_location)
    told = _told_versions(ledger) if ledger else []
    if ledger is None or not told:
        return
    archived = set(_archived_versions(config))
    versions = [each for each in told if each not in archived]
    rows = [
        {"pipeline": config.name, "query_id": REPLAY, **row}
        for row in _count_replays(config, ledger, versions)
    ]
    if rows:
        append_rows(config.ops_location("batch_files"), BATCH_FILES_SCHEMA, rows)


def replay_readings(
    config: PipelineConfig, ledger: Ledger, replayed: pa.Table
) -> pa.Table:
    """Return what came of the newest replay of files, in order of seq.

    ``replayed`` are their newest events, whose detail is the table version and whose
    time stands for that of the commit.
    """
    columns = ["seq", "table_version", "at", "rows", "rescued_rows"]
    versions = pc.cast(replayed["detail"], pa.int64())
    asked = pc.unique(versions).to_pylist()
    archived = _read_archived(config, asked)
    known = set(archived["table_version"].to_pylist())
    newer = _count_replays(config, ledger, [v for v in asked if v not in known])
    counts = pa.concat_tables([archived, _counted(newer)])
    found = replayed.append_column("table_version", versions)
    found = found.join(counts, ["seq", "table_version"], use_threads=False)
    named = found.select(columns).rename_columns(
        ["commit_time" if each == "at" else each for each in columns]
    )
    return named.sort_by("seq")


def _count_replays(
    config: PipelineConfig, ledger: Ledger, versions: Sequence[int]
) -> Iterator[_Row]:
    """Yield each replayed file of some table versions with the rows that it has there.

    The commit may also have written rows of other files again, which shared a data file
    with those that it replaced.
    """
    for version in sorted(versions):
        counts = _count_commit(config, version)
        for seq, path in _replayed_files(ledger, version):
            yield {
                "batch_id": version,
                "path": path,
                "seq": seq,
                "rows": counts.rows[path] if counts else None,
                "rescued_rows": counts.rescued[path] if counts else None,
                "table_version": version,
            }


def _count_commit(config: PipelineConfig, version: int) -> RowCounts | None:
    location = config.bronze_location
    commit = next(iter(read_commits(location, after=version - 1)), None)
    if commit is None or commit.version != version:
        return None  # log cleanup has taken it
    return count_added_rows(location, commit.added)


def _counted(rows: Iterator[_Row]) -> pa.Table:
    columns = [{name: row[name] for name in _COUNTS.names} for row in rows]
    return pa.Table.from_pylist(columns, schema=_COUNTS)


def _told_versions(ledger: Ledger) -> list[int]:
    sql = f"select distinct detail from t where {equal(kind=EventKind.REPLAYED)}"
    return [int(each) for each in _query(join(ledger.root, "events"), sql, "detail")]


def _replayed_files(ledger: Ledger, version: int) -> Iterator[tuple[int, str]]:
    table = open_table(join(ledger.root, "events"))
    where = equal(kind=EventKind.REPLAYED, detail=str(version))
    if table is not None:
        sql = f"select distinct seq, path from t where {where} order by seq"
        for row in query_table(table, sql).to_pylist():
            yield row["seq"], row["path"]


def _archived_versions(config: PipelineConfig) -> list[int]:
    where = equal(pipeline=config.name, query_id=REPLAY)
    sql = f"select distinct batch_id from t where {where}"
    found: list[int] = _query(config.ops_location("batch_files"), sql, "batch_id")
    return found


def _read_archived(config: PipelineConfig, versions: Sequence[int]) -> pa.Table:
    table = open_table(config.ops_location("batch_files"))
    if table is None or not versions:
        return _COUNTS.empty_table()
    listed = ", ".join(map(str, versions))
    where = equal(pipeline=config.name, query_id=REPLAY)
    sql = (
        f"select distinct {', '.join(_COUNTS.names)} from t "
        f"where {where} and batch_id in ({listed})"
    )
    return query_table(table, sql).cast(_COUNTS)


def _query(location: str, sql: str, column: str) -> list[Any]:
    table = open_table(location)
    values: list[Any] = query_table(table, sql)[column].to_pylist() if table else []
    return values
