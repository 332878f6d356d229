"""How many rows of each file violate which rule: the table ``ops/rules``.

A row has the ids of the micro-batch that read the file, or of the replay, which also
says of rules that no row violates.

A table names the rules that a row violates in a column of the row itself, written by
the same commit, bronze and the quarantine alike. So the counts are those of the commit,
as the counts of rows are: no crash loses one, and no repetition counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import Transaction

from sluice.checkpoint import read_checkpoint
from sluice.columns import SOURCE_FILE, VIOLATIONS
from sluice.delta.log import open_table
from sluice.delta.tables import (
    commit_until_won,
    equal,
    query_table,
    table_filesystem,
)
from sluice.history.rows import may_hold, names_in_files
from sluice.history.tables import append_archived, open_or_create

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from sluice.delta.log import AddedFile
    from sluice.pipeline import Pipeline, Query

TABLE = "rules"
RULES_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("query_id", pa.string()),
        pa.field("batch_id", pa.int64()),
        pa.field("replay_id", pa.string()),
        pa.field("run_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("table_version", pa.int64()),
        pa.field("quarantine_version", pa.int64()),
        pa.field("committed_at", pa.timestamp("us", tz="UTC")),
    ]
)
_SUMS = "cast(sum(rows) as bigint) as rows, count(distinct t.path) as files"


def has_violations(query: Query) -> bool:
    """Return True if rows of a query may have violated a rule."""
    table = open_table(query.table)
    fields = table.schema().fields if table else []
    if VIOLATIONS in {each.name for each in fields}:
        return True
    return query.quarantine is not None and open_table(query.quarantine) is not None


def newest_quarantined(pipeline: Pipeline, query_id: str) -> int:
    """Return the newest version of the quarantine that is kept of a query, or -1."""
    mine = equal(pipeline=pipeline.name, query_id=query_id)
    sql = f"select max(quarantine_version) as newest from t where {mine}"
    newest = [row["newest"] for row in _query(pipeline, sql)]
    return -1 if not newest or newest[0] is None else int(str(newest[0]))


def count_violations(
    table_location: str, added: Iterable[AddedFile]
) -> Counter[tuple[str, str]]:
    """Count the rows of ``added`` by landed file and violated rule.

    Reads two columns of the row groups whose footer says that some row violates a rule.
    A data file that is gone, vacuumed since, has no counts any more.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - loads much

    filesystem = table_filesystem(table_location)
    names = names_in_files(table_location)
    counts: Counter[tuple[str, str]] = Counter()
    for file in added:
        relative = file.path.removeprefix(table_location).lstrip("/")
        try:
            with filesystem.open_input_file(relative) as stream:
                counts += _count_file(pq.ParquetFile(stream), names)
        except FileNotFoundError:
            continue
    return counts


def keep_replayed(
    pipeline: Pipeline,
    counts: Mapping[str, Mapping[str, int]],
    **replay: str | int | datetime,
) -> None:
    """Keep by path and rule what a replay counted, once; ``replay`` has other columns.

    Raises:
        RetryableError: others were faster all the time.
    """
    rows = [
        {"pipeline": pipeline.name, "path": path, "rule": rule, "rows": n, **replay}
        for path, rules in counts.items()
        for rule, n in rules.items()
    ]
    app_id = f"sluice-rules-{replay['replay_id']}"
    location = pipeline.ops_location(TABLE)

    def attempt() -> bool | None:
        table = open_or_create(location, RULES_SCHEMA)
        if table.transaction_version(app_id) is not None:
            return True
        return (
            append_archived(table, RULES_SCHEMA, rows, Transaction(app_id, 0)) or None
        )

    if rows:
        commit_until_won(f"table {location!r}", attempt)


def list_violations(pipeline: Pipeline) -> list[dict[str, object]]:
    """Return what is kept of each rule and file, the newest last.

    There is nothing before the first row violated a rule.
    """
    where = equal(pipeline=pipeline.name)
    order = "committed_at, path, rule"
    return _query(pipeline, f"select * from t where {where} order by {order}")


def total_violations(pipeline: Pipeline) -> dict[str, dict[str, object]]:
    """Return by rule how many rows of how many files violate it, and the newest time.

    Of a file that was replayed only what was read then, and since, counts. Windows do
    not, nor those of tables that the pipeline has no more.
    """
    mine = f"{equal(pipeline=pipeline.name)} and not ({_of_windows(pipeline)})"
    sql = (
        f"with mine as (select * from t where {mine}), "
        "again as (select path, max(committed_at) as at from mine "
        "where replay_id is not null group by path) "
        f"select rule, {_SUMS}, max(committed_at) as newest "
        "from mine as t left join again on again.path = t.path "
        "where t.rows > 0 and (at is null or committed_at >= at) group by rule"
    )
    return {str(row.pop("rule")): row for row in _query(pipeline, sql)}


def describe_violations(pipeline: Pipeline, *, after: int) -> list[str]:
    """Return a note for each rule that rows of the batches above ``after`` violate."""
    checkpoint = read_checkpoint(pipeline.queries[0].checkpoint)
    if checkpoint is None:
        return []
    mine = equal(pipeline=pipeline.name, query_id=checkpoint.query_id)
    sql = (
        f"select rule, {_SUMS}, min(path) as path from t "
        f"where {mine} and batch_id > {after} group by rule order by rule"
    )
    return [
        f"rule {row['rule']!r}: {row['rows']} rows of {row['files']} files violate it, "
        f"as of {row['path']}"
        for row in _query(pipeline, sql)
    ]


def _of_windows(pipeline: Pipeline) -> str:
    """Return a condition in SQL: a row counts windows, which no query of bronze wrote.

    It is a silver stream's, or of a backfill or the like, which is neither a
    micro-batch nor a replay of files.
    """
    table = open_table(pipeline.ops_location("batches"))
    mine = f"{equal(pipeline=pipeline.name)} and query <> '{pipeline.queries[0].name}'"
    sql = f"select distinct query_id from t where {mine}"
    ids = query_table(table, sql).to_pylist() if table else []
    silver = ["''", *(f"'{row['query_id']}'" for row in ids)]
    in_silver = f"coalesce(query_id, '') in ({', '.join(silver)})"
    return f"replay_id is null and {in_silver}"


def _query(pipeline: Pipeline, sql: str) -> list[dict[str, object]]:
    table = open_table(pipeline.ops_location(TABLE))
    found: list[dict[str, object]] = (
        query_table(table, sql).to_pylist() if table else []
    )
    return found


def _count_file(
    file: pq.ParquetFile, names: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    source = names.get(SOURCE_FILE, SOURCE_FILE)
    violations = names.get(VIOLATIONS, VIOLATIONS)
    counts: Counter[tuple[str, str]] = Counter()
    for group in range(file.num_row_groups):
        if may_hold(file, group, violations):
            rows = file.read_row_group(group, columns=[source, violations])
            counts.update(dict(_tally(rows[source], rows[violations])))
    return counts


def _tally(
    paths: pa.ChunkedArray, violations: pa.ChunkedArray
) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield how many rows each file has of each rule."""
    import pyarrow.compute as pc  # noqa: PLC0415 - loads much

    rules = pc.split_pattern(violations.combine_chunks(), ",")
    rows = pc.list_parent_indices(rules)
    pairs = pa.table([paths.take(rows), pc.list_flatten(rules)], ["path", "rule"])
    counted = pairs.group_by(["path", "rule"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        yield (row["path"], row["rule"]), row["count_all"]
