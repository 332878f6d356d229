"""Make a table that has the properties its rows need, or refuse one that lacks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from sluice.delta.log import open_table
from sluice.delta.widening import WIDENING, require_widening
from sluice.errors import Condition, UsageError
from sluice.reading.names import odd_names

MAPPING = "delta.columnMapping.mode"
_NAIVE_TIMES = "delta.feature.timestampNtz"
# New tables have the properties that a session names so.
_DEFAULTS = "spark.databricks.delta.properties.defaults."


def is_mapped(table_location: str) -> bool:
    """Return True if the data files of a table call its columns by other names."""
    table = open_table(table_location)
    configuration = table.metadata().configuration if table else {}
    return configuration.get(MAPPING, "none") != "none"


@contextmanager
def tables_that_take(
    rows: StructType, table_location: str, spark: SparkSession, *, widens: bool = False
) -> Iterator[None]:
    """Have a query that starts meanwhile make a table that takes its rows.

    One that ``widens`` takes wider types of columns, and times without a zone, which a
    date widens to.

    Raises:
        UsageError: the table is there, and does not take them.
    """
    properties = {}
    names = list(odd_names(to_arrow_schema(rows, timezone="UTC")))
    if names:
        _require_mapping(names, table_location)
        properties[MAPPING] = "name"
    if widens:
        require_widening(table_location)
        properties |= {WIDENING: "true", _NAIVE_TIMES: "supported"}
    if "timestamp_ntz" in rows.simpleString():
        _require_naive_times(table_location)
    with ExitStack() as stack:
        for name, value in properties.items():
            stack.enter_context(_default(name, value, spark))
        yield


@contextmanager
def _default(name: str, value: str, spark: SparkSession) -> Iterator[None]:
    """Give new tables a property meanwhile, unless the session gives them another."""
    key = _DEFAULTS + name.removeprefix("delta.")
    before = spark.conf.get(key, None)
    spark.conf.set(key, before or value)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(key)


def _require_mapping(names: list[str], table_location: str) -> None:
    if is_mapped(table_location) or open_table(table_location) is None:
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not take columns {names}: of the characters "
        "' ,;{}()=', tabs and line feeds none may be in a name without column mapping; "
        f"run {_alter(table_location, {MAPPING: 'name'})}, or declare "
        "bronze.source.schema without these fields, which are rescued then",
        {"columns": names, "table": table_location},
    )


def _require_naive_times(table_location: str) -> None:
    """Refuse a table without the feature, with which Delta makes new ones by itself."""
    table = open_table(table_location)
    features = (table.protocol().reader_features or []) if table else ["timestampNtz"]
    if "timestampNtz" in features:
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not take times without a zone (timestamp_ntz), "
        f"which files have: run {_alter(table_location, {_NAIVE_TIMES: 'supported'})}",
        {"table": table_location},
    )


def _alter(table_location: str, properties: Mapping[str, str]) -> str:
    """Return the SQL that gives a table properties."""
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    return f"ALTER TABLE delta.`{table_location}` SET TBLPROPERTIES ({listed})"
