"""Tables that would not take the rows of an undo: refused before a version is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from sluice.bronze.held import HeldFields
from sluice.bronze.movable import why_immovable
from sluice.bronze.undo import run_undo
from sluice.errors import UsageError
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from support.builders import PipelineBuilder, pipeline_config

pytestmark = pytest.mark.needs_java

UNDONE = [("tip",), ("s", "zip"), ("days",)]
COLUMNS = "tip INT {tip}, s STRUCT<x: INT, zip: STRING {zip}>, days MAP<STRING, DATE>"
OURS = "_rescued_data STRING, _source_file STRING"
ROW = "1, named_struct('x', 1, 'zip', '2'), map('a', {day}), {rescued}, 'a.json'"
TIMES = "they hold times outside of the years 1 to 9999"
DAY = "date'2026-01-01'"


def reason(spark: SparkSession, folder: Path, *statements: str, **given: str) -> object:
    """Return why the values of a table of one row cannot be moved."""
    config = pipeline_config(folder)
    table = f"delta.`{config.bronze_location}`"
    given = {"tip": "", "zip": "", "day": DAY, "rescued": "null"} | given
    columns = f"{COLUMNS}, {OURS}".format(**given)
    spark.sql(f"CREATE TABLE {table} ({columns}) USING delta")
    spark.sql(f"INSERT INTO {table} VALUES ({ROW.format(**given)})")
    for statement in statements:
        spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT {statement}")
    bronze = spark.table(table)
    return why_immovable(config, bronze, HeldFields.of(bronze.schema, UNDONE))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"tip": "NOT NULL"},
            (["tip"], "the table has them as NOT NULL"),
            marks=pytest.mark.long,
        ),
        ({"zip": "NOT NULL"}, (["s.zip"], "the table has them as NOT NULL")),
        ({"day": "make_date(12000, 1, 1)"}, (["days"], TIMES)),
        pytest.param(
            {"day": "make_date(-5, 1, 1)"}, (["days"], TIMES), marks=pytest.mark.long
        ),
    ],
)
def test_column_that_cannot_be_written_again_is_named(
    spark: SparkSession, tmp_path: Path, given: dict[str, str], expected: object
) -> None:
    """Nested ones too."""
    assert reason(spark, tmp_path, **given) == expected


@pytest.mark.long
def test_constraints_that_rows_would_break_are_named(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Checks see the rows as they would be: one that takes nulls is none."""
    checks = ("a CHECK (tip IS NULL OR tip > 0)", "b CHECK (tip > 0)")
    checks += ("c CHECK (s.zip = '2')", "d CHECK (_rescued_data IS NULL)")

    assert reason(spark, tmp_path, *checks) == (
        ["tip", "s.zip", "days"],
        "rows without their values break constraints of the table ('b': tip > 0; "
        "'c': s . zip = '2'; 'd': _rescued_data IS NULL)",
    )


@pytest.mark.long
def test_undo_that_the_table_would_refuse_keeps_no_version(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The same command works once the constraint is gone."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch()
    config = pipeline.config
    first = StructType().add("order_id", "string").add("order_date", "string")
    keep_version(config.schema_location, SchemaVersion(schema=first))
    second = StructType(list(first)).add("payment_method", "string")
    keep_version(config.schema_location, SchemaVersion(number=1, schema=second))
    table = f"delta.`{config.bronze_location}`"
    for check in ("paid CHECK (payment_method IS NOT NULL)", "dated CHECK (TRUE)"):
        spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT {check}")

    with pytest.raises(UsageError, match=r"constraints of the table \('paid'[^;]*\)"):
        run_undo(config, run_id="undo-1")

    assert len(list_versions(config.schema_location)) == 2
    spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT paid")
    assert run_undo(config, run_id="undo-2").rows == 3
