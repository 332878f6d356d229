"""Read Delta tables into Arrow by SQL, in delta-rs's own engine.

Arrow's dataset reader would do, but its threads call back into Python for delta-rs's
file system and may outlive a short process: "terminate called without an active
exception" and SIGABRT after all its work (apache/arrow#34314), about one process in ten
on a busy machine. It also imports pandas, a third of what a run with nothing new costs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import (
    CommitProperties,
    DeltaTable,
    QueryBuilder,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler

from sluice.paths import is_local


def query_table(table: DeltaTable, sql: str) -> pa.Table:
    """Run ``sql`` over the snapshot ``table``, in it ``t``; reads the columns named."""
    # Arrow's own reader tells a missing data file apart from other errors.
    result = QueryBuilder().register("t", table).execute(sql)
    return pa.RecordBatchReader.from_stream(result).read_all()


def read_table(
    table: DeltaTable,
    *,
    columns: Sequence[str] = ("*",),
    where: str = "true",
    order_by: str | None = None,
) -> pa.Table:
    """Return some ``columns`` of the rows that meet ``where``, a condition in SQL."""
    order = f" order by {order_by}" if order_by else ""
    sql = f"select {', '.join(columns)} from t where {where}{order}"
    return query_table(table, sql)


def append_once(table: DeltaTable, rows: pa.Table, transaction: Transaction) -> bool:
    """Append ``rows`` through the snapshot they were compared with; tell if done.

    Whoever appended for the same application since that snapshot wins, and this call
    changes nothing: read again, compare again, and try what is left.
    """
    properties = CommitProperties(app_transactions=[transaction])
    try:
        write_deltalake(table, rows, mode="append", commit_properties=properties)
    except CommitFailedError:
        return False
    return True


def equal(**values: str | int | None) -> str:
    """Return the SQL condition that each of these columns has this value."""
    conditions = [
        f"{name} is null" if value is None else f"{name} = {_literal(value)}"
        for name, value in values.items()
    ]
    return " and ".join(conditions)


def table_filesystem(location: str) -> pafs.FileSystem:
    """Return a file system whose root is the table at ``location``."""
    if is_local(location):
        return pafs.SubTreeFileSystem(location, pafs.LocalFileSystem())
    return pafs.PyFileSystem(DeltaStorageHandler(location))


def _literal(value: str | int) -> str:
    return (
        str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
    )
