"""Read Delta tables into Arrow by SQL, in delta-rs's own engine.

Arrow's dataset reader would do, but its threads call back into Python for delta-rs's
file system and may outlive a short process: "terminate called without an active
exception" and SIGABRT after all its work (apache/arrow#34314), about one process in ten
on a busy machine. It also imports pandas, a third of what a run with nothing new costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    QueryBuilder,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from sluice.errors import Condition, RetryableError
from sluice.paths import is_local

if TYPE_CHECKING:
    import pyarrow.fs as pafs

ROUNDS = 20
_Result = TypeVar("_Result")


def commit_until_won(
    what: str,
    attempt: Callable[[], _Result | None],
    *,
    rounds: int = ROUNDS,
    then: str = "run again",
) -> _Result:
    """Call ``attempt`` until it returns a result; None where another commit came first.

    One writer wins each round, so ``rounds`` are lost only to as many other commits.

    Raises:
        RetryableError: they came first all the time; the message names ``what``.
    """
    for _ in range(rounds):
        result = attempt()
        if result is not None:
            return result
    raise RetryableError(
        Condition.COMMIT_CONFLICT,
        f"{what}: {rounds} commits by others came first; {then}",
        {"what": what},
    )


def create_table(
    location: str, schema: pa.Schema, properties: Mapping[str, object] | None = None
) -> DeltaTable:
    """Create an empty table unless there is one; of several processes one does.

    delta-rs commits what lost a race once more, as the next version: a creation then
    gives the table another id and other properties than those whom it has met by then.
    """
    try:
        return DeltaTable.create(
            location,
            schema,
            mode="ignore",
            configuration={key: str(each) for key, each in (properties or {}).items()},
            commit_properties=CommitProperties(max_commit_retries=0),
            # By its own default delta-rs takes no property but Delta's.
            raise_if_key_not_exists=False,
        )
    except CommitFailedError:
        # Another process made it in the same moment.
        return DeltaTable(location)


def query_table(table: DeltaTable, sql: str) -> pa.Table:
    """Run ``sql`` over the snapshot ``table``, in it ``t``; reads the columns named."""
    # Arrow's own reader distinguishes a missing data file from other errors.
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


def stream_table(
    table: DeltaTable, *, columns: Sequence[str], where: str = "true"
) -> Iterator[pa.RecordBatch]:
    """Yield some ``columns`` of the rows that meet ``where``, never all at once."""
    sql = f"select {', '.join(columns)} from t where {where}"
    result = QueryBuilder().register("t", table).execute(sql)
    yield from pa.RecordBatchReader.from_stream(result)


def append_once(table: DeltaTable, rows: pa.Table, transaction: Transaction) -> bool:
    """Append ``rows`` through the snapshot they were compared with; return if done.

    A writer that appended for the same application since that snapshot wins; this call
    changes nothing: read again, compare again, and try what is left.
    """
    properties = CommitProperties(app_transactions=[transaction])
    try:
        write_deltalake(table, rows, mode="append", commit_properties=properties)
    except CommitFailedError:
        return False
    return True


def append_always(
    location: str, open_newest: Callable[[], DeltaTable], rows: pa.Table
) -> DeltaTable:
    """Append ``rows`` that only this process writes, whatever others do meanwhile.

    A compaction between opening and writing refuses the append; then it is made again.
    Return the table with them.

    Raises:
        RetryableError: other writers were faster all the time.
    """

    def attempt() -> DeltaTable | None:
        table = open_newest()
        try:
            write_deltalake(table, rows, mode="append")
        except CommitFailedError:
            return None
        return table

    return commit_until_won(f"table {location!r}", attempt)


def equal(**values: str | int | None) -> str:
    """Return the SQL condition that each of these columns has this value."""
    conditions = [
        f"{name} is null" if value is None else f"{name} = {literal(value)}"
        for name, value in values.items()
    ]
    return " and ".join(conditions)


def any_of(name: str, values: Sequence[str] | Sequence[int]) -> str:
    """Return the SQL condition that a column has one of ``values``, which are some.

    The bounds are said too: a list alone lets the engine pass over no data file.
    """
    listed = ", ".join(literal(value) for value in values)
    low, high = literal(min(values)), literal(max(values))
    return f"{name} >= {low} and {name} <= {high} and {name} in ({listed})"


def table_filesystem(location: str) -> pafs.FileSystem:
    """Return a file system whose root is the table at ``location``."""
    import pyarrow.fs as pafs  # noqa: PLC0415 - loads much
    from deltalake.fs import DeltaStorageHandler  # noqa: PLC0415 - loads pyarrow.fs

    if is_local(location):
        return pafs.SubTreeFileSystem(location, pafs.LocalFileSystem())
    return pafs.PyFileSystem(DeltaStorageHandler(location))


def literal(value: str | int) -> str:
    """Return ``value`` as SQL spells it."""
    return (
        str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
    )
