"""Make few data files of the many small ones that appends leave, beside other writers.

Not by ``optimize`` of delta-rs: 1.6 lets two at once commit, and the second adds every
row again. Rows are read and written over in one commit instead. Delta refuses that
where another did it first, and refuses an append that was prepared before it; both try
again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    QueryBuilder,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from sluice.delta.log import open_table

# Each append adds one small file. Past this many they become one again, so the cost of
# opening a table does not grow with the years; an hourly run gets there in two days.
COMPACT_ABOVE = 50
# A file of this size stays as it is where the key says which rows came after it.
LARGE_BYTES = 8 << 20
_ROUNDS = 20
_APP_ID = "sluice-compaction"


@dataclass(frozen=True)
class Compaction:
    """How many data files a table had and has now."""

    files_before: int
    files_after: int


def compact_table(
    location: str,
    *,
    key: str | None = None,
    above: int = COMPACT_ABOVE,
    opened: DeltaTable | None = None,
) -> Compaction | None:
    """Compact a table with more than ``above`` small files; None where it has not.

    ``key`` is a column that only grows: then large files are left alone. Every row and
    every app transaction stays. Data files of earlier versions are removed after a
    week, so a reader keeps what it reads now. Where other writers are faster all
    the time, the next call does it. ``opened`` is the table as it was a moment ago.
    """
    at_first = [opened] if opened else []
    for _ in range(_ROUNDS):
        table = at_first.pop() if at_first else open_table(location)
        if table is None:
            return None
        files = pa.table(table.get_add_actions(flatten=True))
        boundary = _end_of_large(files, key)
        small = files.num_rows if boundary is None else _count_small(files)
        if small <= above:
            return None
        if _write_over(table, key, boundary):
            return Compaction(files.num_rows, _tidy(location))
    return None


def _write_over(table: DeltaTable, key: str | None, boundary: int | None) -> bool:
    where = None if boundary is None else f"{key} > {boundary}"
    order = f" order by {key}" if key else ""
    sql = f"select * from t where {where or 'true'}{order}"
    rows = QueryBuilder().register("t", table).execute(sql)
    transaction = Transaction(_APP_ID, table.version())
    try:
        write_deltalake(
            table,
            pa.RecordBatchReader.from_stream(rows),
            mode="overwrite",
            predicate=where,
            commit_properties=CommitProperties(app_transactions=[transaction]),
        )
    except CommitFailedError:
        return False
    return True


def _end_of_large(files: pa.Table, key: str | None) -> int | None:
    """Return the highest key in a large file, None where all is to be written over."""
    if key is None:
        return None
    sizes, ends = files["size_bytes"].to_pylist(), files[f"max.{key}"].to_pylist()
    large = zip(sizes, ends, strict=True)
    found = [end for size, end in large if size >= LARGE_BYTES and end is not None]
    return max(found, default=None)


def _count_small(files: pa.Table) -> int:
    return sum(size < LARGE_BYTES for size in files["size_bytes"].to_pylist())


def _tidy(location: str) -> int:
    table = DeltaTable(location)
    # The log is read from its newest checkpoint on, and delta-rs writes one only every
    # hundred commits.
    table.create_checkpoint()
    table.vacuum(dry_run=False)
    return int(table.get_add_actions().num_rows)
