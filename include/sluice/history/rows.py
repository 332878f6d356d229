"""Rows per landed file: of a whole table, and of the data files of one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltalake.exceptions import DeltaError

from sluice.columns import RESCUED_DATA, SOURCE_FILE
from sluice.delta.log import open_table
from sluice.delta.tables import table_filesystem
from sluice.errors import Condition, FatalError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable

    from sluice.delta.log import AddedFile

_PHYSICAL = "delta.columnMapping.physicalName"


@dataclass(frozen=True)
class RowCounts:
    """Rows by landed file; ``rescued`` counts those with something in rescued data."""

    rows: Counter[str]
    rescued: Counter[str]


def has_source_file(table: DeltaTable) -> bool:
    """Return True if a table names the landed file of each row."""
    return SOURCE_FILE in {each.name for each in table.schema().fields}


def rows_by_file(table: DeltaTable, where: str = "true") -> dict[str | None, int]:
    """Count the rows that meet ``where`` by landed file.

    The condition names this column, and those that the table is partitioned by.

    Raises:
        DeltaError: the table does not name the file of a row.
    """
    from sluice.delta.copies import Part, query_part  # noqa: PLC0415 - loads much

    if not has_source_file(table):
        message = f"table {table.table_uri!r} has no column {SOURCE_FILE!r}"
        raise DeltaError(message)
    sql = f'select "{SOURCE_FILE}", count(*) from part group by 1'
    part = Part(columns=[SOURCE_FILE], where=where)
    paths, counts = query_part(table, sql, part).to_pydict().values()
    return dict(zip(paths, counts, strict=True))


def count_added_rows(
    table_location: str, added: Iterable[AddedFile]
) -> RowCounts | None:
    """Count the rows of ``added`` by landed file, None where a file is gone.

    Reads ``_source_file``, and ``_rescued_data`` only of row groups whose footer says
    that some row has it.

    Raises:
        FatalError: a data file has no ``_source_file``: this is no table of ours.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - loads much

    filesystem = table_filesystem(table_location)
    counts = RowCounts(Counter(), Counter())
    names = {SOURCE_FILE: SOURCE_FILE, RESCUED_DATA: RESCUED_DATA}
    for file in added:
        relative = file.path.removeprefix(table_location).lstrip("/")
        try:
            with filesystem.open_input_file(relative) as stream:
                data = pq.ParquetFile(stream)
                if names[SOURCE_FILE] not in data.schema_arrow.names:
                    names |= names_in_files(table_location)
                _count_file(data, counts, names, file.path)
        except FileNotFoundError:  # compacted and vacuumed since
            return None
    return counts


def names_in_files(table_location: str) -> dict[str, str]:
    """Return what data files call columns: with column mapping by other names."""
    table = open_table(table_location)
    fields = table.schema().fields if table else []
    return {field.name: field.metadata.get(_PHYSICAL, field.name) for field in fields}


def _count_file(
    file: pq.ParquetFile, counts: RowCounts, names: Mapping[str, str], path: str
) -> None:
    found, source = file.schema_arrow.names, names[SOURCE_FILE]
    rescued = names.get(RESCUED_DATA, RESCUED_DATA)
    if source not in found:
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"data file {path!r} has no column {SOURCE_FILE!r}, found {found}; "
            "only a bronze table that Sluice wrote has rows by file",
            {"path": path, "columns": found},
        )
    for group in range(file.num_row_groups):
        rescue = may_hold(file, group, rescued)
        columns = [source, rescued] if rescue else [source]
        rows = file.read_row_group(group, columns=columns)
        _tally(counts.rows, rows[source])
        if rescue:
            kept = rows.filter(rows[rescued].is_valid())
            _tally(counts.rescued, kept[source])


def _tally(counts: Counter[str], paths: pa.ChunkedArray) -> None:
    for entry in paths.value_counts().to_pylist():
        counts[entry["values"]] += entry["counts"]


def may_hold(file: pq.ParquetFile, group: int, name: str) -> bool:
    """Return True unless a footer says that a column holds nothing but nulls."""
    if name not in file.schema_arrow.names:
        return False
    # Bronze has flat columns here and may have nested ones before: find it by its path.
    metadata = file.metadata.row_group(group)
    columns = (metadata.column(index) for index in range(metadata.num_columns))
    column = next(each for each in columns if each.path_in_schema == name)
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return True
    return bool(statistics.null_count < metadata.num_rows)
