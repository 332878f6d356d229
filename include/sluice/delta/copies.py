"""Query tables that delta-rs does not read, by a copy of what a query looks at.

delta-rs 1.6 refuses to query a table with type widening, and knows its data files and
their statistics all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, convert_to_deltalake
from deltalake.exceptions import DeltaError

from sluice.delta.tables import query_table, table_filesystem
from sluice.paths import normalize

_WIDENED = {"typeWidening", "typeWidening-preview"}
_PHYSICAL = "delta.columnMapping.physicalName"
_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some columns, which are not nested, of some rows of a table.

    - ``where``: a condition in SQL on these columns and those of partitions;
    - ``nulls``: columns that are null in each of the rows.
    """

    columns: Sequence[str]
    where: str = "true"
    nulls: Sequence[str] = ()


def query_part(table: DeltaTable, sql: str, part: Part) -> pa.Table:
    """Run ``sql`` over a part of the snapshot ``table``, in it ``part``.

    Raises:
        DeltaError: the table cannot be read.
    """
    if can_query(table):
        nulls = "".join(f" and {quoted(name)} is null" for name in part.nulls)
        return query_table(table, _with_part(part, nulls) + sql)
    with _copied(table, part) as copy:
        return query_table(copy, _with_part(part, "") + sql)


def query_parts(parts: Mapping[str, tuple[DeltaTable, Part]], sql: str) -> pa.Table:
    """Run ``sql`` over parts of several tables, each by its name there.

    A table may hold more than its part.

    Raises:
        DeltaError: a table cannot be read.
    """
    with ExitStack() as copies:
        builder = QueryBuilder()
        for name, (table, part) in parts.items():
            whole = can_query(table)
            read = table if whole else copies.enter_context(_copied(table, part))
            builder = builder.register(name, read)
        return pa.RecordBatchReader.from_stream(builder.execute(sql)).read_all()


def can_query(table: DeltaTable) -> bool:
    """Return True if delta-rs itself reads a table."""
    return not set(table.protocol().reader_features or ()) & _WIDENED


def _with_part(part: Part, nulls: str) -> str:
    names = ", ".join(map(quoted, part.columns))
    return f"with part as (select {names} from t where {part.where}{nulls}) "


def quoted(name: str) -> str:
    """Return a column's name as SQL of delta-rs has it."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _copied(table: DeltaTable, part: Part) -> Iterator[DeltaTable]:
    """Write a part of a table into one of a temporary folder, in today's types."""
    if "deletionVectors" in (table.protocol().reader_features or ()):
        message = "a table with type widening and deletion vectors cannot be read"
        raise DeltaError(message)
    known, by = pa.schema(table.schema()), table.metadata().partition_columns
    names = dict.fromkeys((*part.columns, *by))
    schema = pa.schema([(name, known.field(name).type) for name in names])
    with TemporaryDirectory(prefix="sluice-") as folder:
        # Not by delta-rs: while it takes a stream it can read nothing for it.
        with pq.ParquetWriter(Path(folder, "part.parquet"), schema) as writer:
            for batch in _read(table, part, schema):
                writer.write_batch(batch)
        convert_to_deltalake(folder)
        yield DeltaTable(folder)


def _read(table: DeltaTable, part: Part, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    filesystem = table_filesystem(normalize(table.table_uri))
    physical = {
        each.name: each.metadata.get(_PHYSICAL, each.name)
        for each in table.schema().fields
    }
    names = {name: physical[name] for name in (*schema.names, *part.nulls)}
    for path, values in _files(table, part.where):
        for batch in _read_file(filesystem, path, list(names.values())):
            yield _shaped(batch, names, values, part, schema)


def _files(table: DeltaTable, where: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield path and partition values of the data files that may have such rows."""
    uris = table.file_uris(file_pruning_predicate=where)
    wanted = {PurePosixPath(unquote(uri)).name for uri in uris}
    by = table.metadata().partition_columns
    added = pa.table(table.get_add_actions(flatten=True))
    columns = ["path", *(f"partition.{name}" for name in by)]
    for row in added.select(columns).to_pylist():
        path = unquote(row["path"])
        if PurePosixPath(path).name in wanted:
            yield path, {name: row[f"partition.{name}"] for name in by}


def _read_file(
    filesystem: pafs.FileSystem, path: str, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    with filesystem.open_input_file(path) as stream:
        file = pq.ParquetFile(stream)
        found = [name for name in names if name in file.schema_arrow.names]
        yield from file.iter_batches(_BATCH_ROWS, columns=found, use_threads=False)


def _shaped(
    batch: pa.RecordBatch,
    names: dict[str, str],
    values: dict[str, object],
    part: Part,
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Return the rows of a batch that a part is about, as the table has them."""
    found = dict(zip(batch.schema.names, batch.columns, strict=True))

    def column(name: str) -> pa.Array:
        if name in values:
            return pa.array([values[name]]).take(pa.array([0] * batch.num_rows))
        return found.get(names[name], pa.nulls(batch.num_rows))

    arrays = [column(field.name).cast(field.type) for field in schema]
    rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
    empty = [pc.is_null(column(name)) for name in part.nulls]
    return rows.filter(reduce(pc.and_, empty)) if empty else rows
