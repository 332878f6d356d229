"""Hold the types of what is read against those of the table that gets it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.types as pt
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema
from pyspark.sql.types import StructType

from sluice.delta.log import open_table
from sluice.delta.widening import is_widened
from sluice.errors import Condition, UsageError
from sluice.reading.widening import widened

_Clash = tuple[str, pa.DataType, pa.DataType]


def require_same_types(rows: StructType, table_location: str) -> None:
    """Refuse rows for a table that has a column of theirs in another type.

    Delta would cast each value without a word: 2.5 to 2, ``"abc"`` to an error. A table
    whose columns may get wider types follows, or is ahead of what is read.

    Raises:
        UsageError: there is such a column.
    """
    table = open_table(table_location)
    if table is None:
        return
    found = to_arrow_schema(rows, timezone="UTC")
    clashes = _find_clashes(pa.schema(table.schema()), found)
    if is_widened(table):
        clashes = (each for each in clashes if not _can_follow(*each[1:]))
    clash = next(clashes, None)
    if clash is None:
        return
    name, kind, read_as = clash
    has, reads = (from_arrow_type(each).simpleString() for each in (kind, read_as))
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} has column {name!r} as {has}, and files are read "
        f"with {reads}: values would be changed without a word; read it as {has}, by "
        "bronze.source.schema or cloudFiles.schemaHints, or change the table's type "
        "first (ALTER TABLE … ALTER COLUMN … TYPE, with delta.enableTypeWidening)",
        {"column": name, "table": has, "files": reads},
    )


def require_partitions(
    rows: StructType, partition_by: Sequence[str], table_location: str
) -> None:
    """Refuse partition columns that the rows lack, or that the table has otherwise.

    Raises:
        UsageError: it names the nearest column, or the table's partitioning.
    """
    names = {name.lower() for name in rows.names}
    missing = [name for name in partition_by if name.lower() not in names]
    if missing:
        close = get_close_matches(missing[0], rows.names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {rows.names}"
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"key 'bronze.partition_by' names {missing[0]!r}, which bronze does not "
            f"have; {hint}",
            {"columns": missing},
        )
    table = open_table(table_location)
    has = table.metadata().partition_columns if table else list(partition_by)
    if [name.lower() for name in partition_by] != [name.lower() for name in has]:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"key 'bronze.partition_by' is {list(partition_by)}, and table "
            f"{table_location!r} is partitioned by {has}, which stays: write that, or "
            "give the pipeline a table of its own",
            {"table": table_location, "partition_by": has},
        )


def _find_clashes(
    known: Iterable[pa.Field], read: Iterable[pa.Field], *, inside: str = ""
) -> Iterator[_Clash]:
    """Yield name and types of each field that both have, and in other types.

    Names are compared as Delta does, in any case. A nested field is ``a.b``.
    """
    mine = {field.name.lower(): field for field in known}
    for field in read:
        name = inside + field.name
        before = mine.get(field.name.lower())
        if before is not None:
            yield from _clashes(name, before.type, field.type)


def _clashes(name: str, known: pa.DataType, read: pa.DataType) -> Iterator[_Clash]:
    if pt.is_struct(known) and pt.is_struct(read):
        yield from _find_clashes(known, read, inside=f"{name}.")
    elif _is_list(known) and _is_list(read):
        yield from _clashes(f"{name}.element", known.value_type, read.value_type)
    elif pt.is_map(known) and pt.is_map(read):
        yield from _clashes(f"{name}.key", known.key_type, read.key_type)
        yield from _clashes(f"{name}.value", known.item_type, read.item_type)
    elif from_arrow_type(known) != from_arrow_type(read):
        yield name, known, read


def _can_follow(known: pa.DataType, read: pa.DataType) -> bool:
    """Return True if one of two types widens to the other."""
    pairs = ((known, read), (read, known))
    return any(widened(narrow, wide).equals(wide) for narrow, wide in pairs)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind))
