"""Make a table that takes the names of its columns, or refuse those that it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from sluice.delta.log import open_table
from sluice.errors import Condition, UsageError
from sluice.reading.names import odd_names

MAPPING = "delta.columnMapping.mode"
# New tables have the properties that a session names so.
_DEFAULT = "spark.databricks.delta.properties.defaults.columnMapping.mode"


@contextmanager
def tables_that_take(
    rows: StructType, table_location: str, spark: SparkSession
) -> Iterator[None]:
    """Have a query that starts meanwhile make a table that takes the names of rows.

    Raises:
        UsageError: the table is there without it.
    """
    names = list(odd_names(to_arrow_schema(rows, timezone="UTC")))
    if not names:
        yield
        return
    _require_mapping(names, table_location)
    before = spark.conf.get(_DEFAULT, None)
    spark.conf.set(_DEFAULT, before or "name")
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_DEFAULT)


def _require_mapping(names: list[str], table_location: str) -> None:
    table = open_table(table_location)
    mode = table.metadata().configuration.get(MAPPING, "none") if table else "name"
    if mode != "none":
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not take columns {names}: of the characters "
        "' ,;{}()=', tabs and line feeds none may be in a name without column mapping; "
        f"run ALTER TABLE delta.`{table_location}` SET TBLPROPERTIES "
        f"('{MAPPING}' = 'name'), or declare bronze.source.schema without these "
        "fields, which are rescued then",
        {"columns": names, "table": table_location},
    )
