"""Rows per landed file: of a whole table, and of the data files of one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from sluice.columns import RESCUED_DATA, SOURCE_FILE
from sluice.delta.tables import query_table, table_filesystem
from sluice.errors import Condition, FatalError

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.delta.log import AddedFile


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

    Raises:
        DeltaError: the table does not name the file of a row.
    """
    if not has_source_file(table):
        message = f"table {table.table_uri!r} has no column {SOURCE_FILE!r}"
        raise DeltaError(message)
    sql = f'select "{SOURCE_FILE}", count(*) from t where {where} group by 1'
    paths, counts = query_table(table, sql).to_pydict().values()
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
    filesystem = table_filesystem(table_location)
    counts = RowCounts(Counter(), Counter())
    for file in added:
        relative = file.path.removeprefix(table_location).lstrip("/")
        try:
            with filesystem.open_input_file(relative) as stream:
                _count_file(pq.ParquetFile(stream), counts, file.path)
        except FileNotFoundError:  # compacted and vacuumed since
            return None
    return counts


def _count_file(file: pq.ParquetFile, counts: RowCounts, path: str) -> None:
    names = file.schema_arrow.names
    if SOURCE_FILE not in names:
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"data file {path!r} has no column {SOURCE_FILE!r}, found {names}; "
            "only a bronze table that Sluice wrote has rows by file",
            {"path": path, "columns": names},
        )
    for group in range(file.num_row_groups):
        rescue = _may_rescue(file, group)
        columns = [SOURCE_FILE, RESCUED_DATA] if rescue else [SOURCE_FILE]
        rows = file.read_row_group(group, columns=columns)
        _tally(counts.rows, rows[SOURCE_FILE])
        if rescue:
            kept = rows.filter(pc.is_valid(rows[RESCUED_DATA]))
            _tally(counts.rescued, kept[SOURCE_FILE])


def _tally(counts: Counter[str], paths: pa.ChunkedArray) -> None:
    for entry in paths.value_counts().to_pylist():
        counts[entry["values"]] += entry["counts"]


def _may_rescue(file: pq.ParquetFile, group: int) -> bool:
    names = file.schema_arrow.names
    if RESCUED_DATA not in names:
        return False
    # Bronze has flat columns here and may have nested ones before: find it by its path.
    metadata = file.metadata.row_group(group)
    columns = (metadata.column(index) for index in range(metadata.num_columns))
    column = next(each for each in columns if each.path_in_schema == RESCUED_DATA)
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return True
    return bool(statistics.null_count < metadata.num_rows)
