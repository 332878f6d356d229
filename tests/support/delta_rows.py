"""Read Delta tables by delta-rs alone, not by the code under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import Row


def read_delta(location: str | Path) -> pa.Table:
    """Return all rows of the newest version of a table.

    Not by Arrow's dataset reader: its threads may abort the process at its end
    (see sluice.delta.tables), and a green test run would end red.
    """
    result = (
        QueryBuilder().register("t", DeltaTable(location)).execute("select * from t")
    )
    table = pa.RecordBatchReader.from_stream(result).read_all()
    fields = [
        field.with_type(pa.string()) if field.type == pa.string_view() else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def read_rows(location: str | Path) -> list[Row]:
    """Return all rows of a table as Spark has them; it would take a second for that."""
    return [_as_row(each) for each in read_delta(location).to_pylist()]


def _as_row(value: Any) -> Any:
    """Return a value of Arrow's with a row for each struct."""
    if isinstance(value, dict):
        return Row(**{name: _as_row(each) for name, each in value.items()})
    return [_as_row(each) for each in value] if isinstance(value, list) else value
