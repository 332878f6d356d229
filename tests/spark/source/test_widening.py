"""A stream of one's own that widens: its Delta table follows, or refuses it by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, Row
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from sluice import is_schema_change, run_until_stable
from sluice.errors import UsageError
from sluice.source.datasource import CloudFilesDataSource
from sluice.spark.failures import own_error
from support.plain_stream import Stream, full_name

pytestmark = pytest.mark.needs_java

WIDENS = {
    "schemaEvolutionMode": "addNewColumnsWithTypeWidening",
    "inferColumnTypes": "true",
    "schemaHints": "id INT, q INT, s STRUCT<x: INT>",
}
SCOPE = "spark.databricks.delta.typeWidening.allowAutomaticWidening"
FOLLOWS = "SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"


def widening(stream: Stream) -> DataFrame:
    """Return a stream whose columns widen."""
    return stream.read(None, **WIDENS)


def into(stream: Stream, frame: DataFrame, **written: str) -> DataStreamWriter:
    """Return the writer of a query that ends by itself."""
    checkpoint = str(stream.root / "checkpoint")
    writer = frame.writeStream.option("checkpointLocation", checkpoint)
    return writer.options(**written).trigger(availableNow=True)


def run(stream: Stream, table: str | None = None, **written: str) -> None:
    """Run the query until its schema is stable, into a folder or a named table."""

    def start() -> StreamingQuery:
        writer = into(stream, widening(stream), **written)
        if table is not None:
            return writer.toTable(table)
        return writer.format("delta").start(str(stream.root / "table"))

    run_until_stable(start)


def refusal(stream: Stream, table: str | None = None, **written: str) -> str:
    """Return what refuses the query."""
    with pytest.raises(StreamingQueryException) as caught:
        run(stream, table, **written)
    assert not is_schema_change(caught.value)
    return str(own_error(caught.value)).partition(" SQLSTATE")[0]


def values(rows: Iterable[Row]) -> list[tuple[object, ...]]:
    """Return the values of rows by id."""
    found = sorted(rows, key=lambda row: row.id)
    return [(row.id, row.q, row.s and row.s.x) for row in found]


@pytest.mark.long
def test_table_that_does_not_follow_gets_no_row(stream: Stream) -> None:
    """Delta would write 2; the error names column, types and what to run."""
    table = f"delta.`{stream.root / 'table'}`"
    stream.land("a.json", {"id": 1, "q": 1, "s": {"x": 1}})
    run(stream, mergeSchema="true")
    stream.land("b.json", {"id": 2, "q": 2.5}, seconds=1)

    assert refusal(stream, mergeSchema="true") == (
        f"[SCHEMA_UNSUPPORTED] table {table} has column 'q' as INT, and the stream, "
        "which widens its columns, has it as DOUBLE: values would be cut short without "
        f"a word; run ALTER TABLE {table} {FOLLOWS}, write with the option mergeSchema "
        "= true, and start the query again"
    )
    assert values(stream.rows()) == [(1, 1, 1)]

    stream.spark.sql(f"ALTER TABLE {table} {FOLLOWS}")
    assert "DOUBLE: values would be cut short without a word; write" in refusal(stream)
    assert values(stream.rows()) == [(1, 1, 1)]

    run(stream, mergeSchema="true")
    stream.land("c.json", {"id": 3, "q": 3, "s": {"x": 1 << 40}}, seconds=2)
    run(stream, mergeSchema="true")

    found = [(1, 1.0, 1), (2, 2.5, None), (3, 3.0, 1 << 40)]
    assert values(stream.rows()) == found


@pytest.mark.long
def test_named_table_that_was_widened_by_hand_gets_its_rows(stream: Stream) -> None:
    """A column that is wide already needs no option; another one is named."""
    spark, table = stream.spark, "widened_by_hand"
    stream.land("a.json", {"id": 1, "q": 1, "s": {"x": 1}})
    run(stream, table)
    spark.sql(f"ALTER TABLE {table} {FOLLOWS}")
    spark.sql(f"ALTER TABLE {table} ALTER COLUMN q TYPE DOUBLE")
    stream.land("b.json", {"id": 2, "q": 2.5}, seconds=1)
    run(stream, table)
    stream.land("c.json", {"id": 3, "s": {"x": 1 << 40}}, seconds=2)

    assert f"`{table}` has column 's.x' as INT" in refusal(stream, table)
    assert values(spark.table(table).collect()) == [(1, 1.0, 1), (2, 2.5, None)]


@pytest.mark.long
@pytest.mark.parametrize("scope", ["never", "same_family_type"])
def test_session_that_forbids_widening_gets_no_row(stream: Stream, scope: str) -> None:
    """A setting of Delta's, by which it casts in spite of the table's property."""
    stream.land("a.json", {"id": 1, "q": 1})
    run(stream, mergeSchema="true")
    table = f"delta.`{stream.root / 'table'}`"
    stream.spark.sql(f"ALTER TABLE {table} {FOLLOWS}")
    stream.land("b.json", {"id": 2, "q": 2.5}, seconds=1)
    stream.spark.conf.set(SCOPE, scope)
    try:
        assert "cast the column in the query" in refusal(stream, mergeSchema="true")
    finally:
        stream.spark.conf.unset(SCOPE)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["ANSI", "STRICT"])
def test_batches_of_a_function_are_held_by_a_setting_alone(
    stream: Stream, policy: str
) -> None:
    """The plan does not say where such rows go; docs/schema.md has the setting."""
    spark, table = stream.spark, f"of_a_function_{policy}"

    def write(rows: DataFrame, _: int) -> None:
        rows.select("id", "q").write.mode("append").saveAsTable(table)

    def start() -> StreamingQuery:
        return into(stream, widening(stream)).foreachBatch(write).start()

    stream.land("a.json", {"id": 1, "q": 1})
    run_until_stable(start)
    stream.land("b.json", {"id": 2, "q": 2.5}, seconds=1)
    spark.conf.set("spark.sql.storeAssignmentPolicy", policy)
    try:
        if policy == "ANSI":
            run_until_stable(start)
        else:
            with pytest.raises(StreamingQueryException, match="CANNOT_UP_CAST"):
                run_until_stable(start)
    finally:
        spark.conf.unset("spark.sql.storeAssignmentPolicy")

    found = sorted(row.q for row in spark.table(table).collect())
    assert found == ([1, 2] if policy == "ANSI" else [1])


def test_session_without_the_jar_is_refused(tmp_path: Path) -> None:
    """There nothing holds the values against the table: a loss would be silent."""
    options = {full_name(name): value for name, value in WIDENS.items()}
    (tmp_path / "a.json").write_text('{"id": 1}')
    location = {"path": str(tmp_path), "cloudFiles.schemaLocation": str(tmp_path / "s")}
    source = CloudFilesDataSource(options | location | {"cloudFiles.format": "json"})

    with pytest.raises(UsageError, match="lacks the jar"):
        source.schema()
