"""Auto Loader code as notebooks have it: formats, options, triggers and sinks together.

Each row is one use as public code writes it, by how often it does.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import (
    col,
    current_timestamp,
    from_json,
    input_file_name,
    regexp_extract,
    udf,
)
from pyspark.sql.streaming import DataStreamWriter, StreamingQuery

pytestmark = pytest.mark.needs_java

ORDERS = [[("o1", 1.5), ("o2", 2.0)], [("o3", 3.0)]]
NOW = {"availableNow": True}
LOCATION = "cloudFiles.schemaLocation"
INFER = {"cloudFiles.inferColumnTypes": "true"}


@dataclass(frozen=True)
class Notebook:
    """What a notebook asks for; without ``ids`` only its rows are counted.

    ``schema_location`` is a folder beside the table, None where the code has none.
    """

    format: str
    options: dict[str, str] = field(default_factory=dict)
    trigger: dict[str, object] = field(default_factory=lambda: NOW)
    sink: str = "path"
    schema: str | None = None
    schema_location: str | None = "schemas"
    glob: str = ""
    change: Callable[[DataFrame], DataFrame] = lambda rows: rows
    rows: int = 3


def with_audit_columns(rows: DataFrame) -> DataFrame:
    """Add what nearly every notebook adds."""
    return rows.select(
        "*",
        col("_metadata.file_path").alias("source"),
        current_timestamp().alias("loaded_at"),
    )


def with_parsed_text(rows: DataFrame) -> DataFrame:
    """Parse lines of JSON by hand, as code does that reads everything as text."""
    order = from_json(col("value"), "id string, amount double").alias("order")
    return rows.where(col("value").startswith("{")).select(order).select("order.*")


def with_name_of_path(rows: DataFrame) -> DataFrame:
    """Take a part of the path, which is said in several ways."""
    path = regexp_extract(input_file_name(), r"([^/]+)$", 1)
    return rows.withColumn("name", path).withColumnRenamed("amount", "total")


def with_size_of_content(rows: DataFrame) -> DataFrame:
    """Look into files by a function of Python."""
    size = udf(len, "int")
    return rows.select("path", size("content").alias("size"))


NOTEBOOKS = {
    "json": Notebook("json"),
    "json typed, to a table": Notebook("json", INFER, sink="toTable"),
    "json, the checkpoint has the schemas": Notebook("json", schema_location="state"),
    "json, writeStream.table": Notebook("json", INFER, sink="table"),
    "json, names in any case": Notebook(
        "JSON", {"cloudfiles.INFERcolumntypes": "TRUE"}
    ),
    "json, an explicit schema": Notebook(
        "json", schema="id string, amount double", schema_location=None
    ),
    "json, once, merge": Notebook("json", INFER, {"once": True}, "merge"),
    "json, a standing query": Notebook("json", INFER, {"processingTime": "1 second"}),
    "json, no trigger, memory": Notebook("json", trigger={}, sink="memory"),
    "json, audit columns": Notebook("json", INFER, change=with_audit_columns),
    "json, addNewColumns, mergeSchema": Notebook(
        "json", {"cloudFiles.schemaEvolutionMode": "addNewColumns"}, sink="toTable"
    ),
    "json, few files, no notifications": Notebook(
        "json",
        {
            "cloudFiles.maxFilesPerTrigger": "1",
            "cloudFiles.useNotifications": "false",
            "cloudFiles.includeExistingFiles": "true",
            "cloudFiles.allowOverwrites": "true",
            "cloudFiles.validateOptions": "false",
        },
    ),
    "json, words of other readers": Notebook(
        "json", {"inferSchema": "true", "mergeSchema": "true", "headerRows": "1"}
    ),
    "json, columns of folders": Notebook(
        "json", {"cloudFiles.partitionColumns": "dt"}, sink="toTable"
    ),
    "json, a glob in the path": Notebook("json", glob="/*.json"),
    "json, a filter of names": Notebook(
        "json", {"pathGlobFilter": "0.*", "recursiveFileLookup": "true"}, rows=2
    ),
    "json, a view and SQL": Notebook("json", INFER, sink="view"),
    "json, multiLine": Notebook("json", {"multiLine": "true"}),
    "json, hints": Notebook(
        "json",
        INFER
        | {"cloudFiles.schemaHints": "amount decimal(10,2), more map<string,int>"},
    ),
    "json, hints, strings": Notebook(
        "json", {"cloudFiles.schemaHints": "amount double"}, sink="toTable"
    ),
    "json, a part of the path": Notebook("json", INFER, change=with_name_of_path),
    "json, selectExpr": Notebook(
        "json", INFER, change=lambda rows: rows.selectExpr("*", "_metadata as source")
    ),
    "json, bytes and listings": Notebook(
        "json",
        {
            "cloudFiles.maxBytesPerTrigger": "10g",
            "cloudFiles.backfillInterval": "1 day",
            "cloudFiles.useIncrementalListing": "auto",
            "ignoreMissingFiles": "true",
        },
    ),
    "json, FAILFAST, no limits": Notebook(
        "json", {"mode": "FAILFAST", "ignoreCorruptFiles": "false"}, sink="memory"
    ),
    "json, partitioned": Notebook(
        "json", INFER | {"checkpointLocation": "/nowhere"}, sink="partitioned"
    ),
    "csv, delimiter, nulls": Notebook(
        "csv",
        {
            "header": "true",
            "delimiter": ",",
            "nullValue": "NULL",
            "emptyValue": "",
            "escape": '"',
            "cloudFiles.includeExistingFiles": "true",
            "cloudFiles.schemaEvolutionMode": "addNewColumns",
        },
    ),
    "csv, no header": Notebook("csv", {"header": "false"}, rows=5),
    "text, parsed": Notebook("text", change=with_parsed_text, glob="/*.json"),
    "binaryFile, a UDF": Notebook(
        "binaryFile", change=with_size_of_content, sink="toTable", rows=2
    ),
    "csv": Notebook("csv"),
    "csv, header and types": Notebook(
        "csv", INFER | {"header": "true"}, sink="toTable"
    ),
    "csv, rescue": Notebook(
        "csv",
        {
            "header": "true",
            "cloudFiles.schemaEvolutionMode": "rescue",
            "cloudFiles.rescuedDataColumn": "_rescue",
        },
    ),
    "csv, an explicit schema": Notebook(
        "csv",
        {"header": "true", "rescuedDataColumn": "_rescued_data", "sep": ","},
        schema="id string, amount double",
    ),
    "csv, quotes and line ends": Notebook(
        "csv",
        {"multiLine": "true", "quote": '"', "escape": '"', "encoding": "UTF-8"},
        {"once": True},
        "table",
    ),
    "csv, input_file_name": Notebook(
        "csv", change=lambda rows: rows.withColumn("file", input_file_name())
    ),
    "parquet": Notebook("parquet", sink="toTable"),
    "parquet, an explicit schema, merge": Notebook(
        "parquet", schema="id string, amount double", sink="merge"
    ),
    "parquet, audit columns": Notebook(
        "parquet", INFER, {}, "memory", change=with_audit_columns
    ),
    "text": Notebook("text", rows=5),
    "text, whole files": Notebook("text", {"wholetext": "true"}, rows=2),
    "binaryFile": Notebook("binaryFile", {"pathGlobFilter": "*.binaryfile"}, rows=2),
    "binaryFile, an explicit schema": Notebook(
        "binaryFile", schema="path string, length long", sink="table", rows=2
    ),
}
# What makes a sink ordinary is shown once; the others are long.
SHORT = {
    "json, writeStream.table",
    "json, once, merge",
    "parquet, audit columns",
}


def land(folder: Path, notebook: Notebook) -> None:
    """Write the orders, a file for each group."""
    folder.mkdir()
    source_format = notebook.format.lower()
    for number, orders in enumerate(ORDERS):
        path = folder / f"{number}.{source_format}"
        if source_format == "parquet":
            ids, amounts = zip(*orders, strict=True)
            table = pa.table({"id": ids, "amount": amounts})
            pyarrow.parquet.write_table(table, path)
        elif source_format == "json" or notebook.glob:
            path = path.with_suffix(".json")
            lines = [json.dumps({"id": id_, "amount": n}) for id_, n in orders]
            is_document = "multiLine" in notebook.options
            text = f"[{', '.join(lines)}]" if is_document else "\n".join(lines)
            path.write_text(text)
        else:
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([("id", "amount"), *orders])


def read(spark: SparkSession, notebook: Notebook, root: Path) -> DataFrame:
    """Return the stream, as the notebook has it."""
    reader = spark.readStream.format("cloudFiles")
    reader = reader.option("cloudFiles.format", notebook.format)
    if notebook.schema_location:
        reader = reader.option(LOCATION, str(root / notebook.schema_location))
    reader = reader.options(**notebook.options)
    if notebook.schema:
        reader = reader.schema(notebook.schema)
    return notebook.change(reader.load(f"{root / 'landing'}{notebook.glob}"))


def merge(spark: SparkSession, path: str, batch: DataFrame, _number: int) -> None:
    """Upsert a micro-batch, as ``foreachBatch`` is asked to most often."""
    target = DeltaTable.createIfNotExists(spark).addColumns(batch.schema).location(path)
    condition = "target.id = batch.id"
    (
        target.execute()
        .alias("target")
        .merge(batch.alias("batch"), condition)
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
        .execute()
    )


def table_name(root: Path) -> str:
    """Return a name that no other test of the session gives a table."""
    return f"t{abs(hash(str(root)))}"


def start(
    spark: SparkSession, writer: DataStreamWriter, sink: str, root: Path
) -> tuple[StreamingQuery, Callable[[], DataFrame]]:
    """Start the query; return it, and what reads the table that it writes."""
    path, name = str(root / "table"), table_name(root)
    if sink == "path":
        return writer.format("delta").start(path), partial(
            spark.read.format("delta").load, path
        )
    if sink == "partitioned":
        query = writer.format("delta").partitionBy("id").start(path)
        return query, partial(spark.read.format("delta").load, path)
    if sink == "merge":
        query = writer.foreachBatch(partial(merge, spark, path)).start()
        return query, partial(spark.read.format("delta").load, path)
    if sink == "memory":
        query = writer.format("memory").queryName(name).start()
    elif sink == "table":
        query = writer.option("mergeSchema", "true").table(name)
    else:
        query = writer.option("mergeSchema", "true").toTable(name)
    return query, partial(spark.table, name)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SHORT else pytest.mark.long)
        for name in NOTEBOOKS
    ],
)
def test_notebook_runs_as_it_is_written(
    spark: SparkSession, name: str, tmp_path: Path
) -> None:
    """Its table has each row once, and a table without a format is Delta."""
    notebook = NOTEBOOKS[name]
    land(tmp_path / "landing", notebook)
    rows = read(spark, notebook, tmp_path)
    if notebook.sink == "view":
        rows.createOrReplaceTempView("landed")
        rows = spark.sql("select *, _metadata.file_name from landed where id > 'o0'")
    writer = rows.writeStream.option("checkpointLocation", str(tmp_path / "state"))
    writer = writer.trigger(**notebook.trigger) if notebook.trigger else writer

    query, table = start(spark, writer, notebook.sink, tmp_path)
    if notebook.trigger in (NOW, {"once": True}):
        query.awaitTermination()
    else:
        query.processAllAvailable()
        query.stop()

    written = table().collect()
    assert len(written) == notebook.rows
    if notebook.rows > 1 and "id" in written[0]:
        expected = ["o1", "o2", "o3"][: notebook.rows]
        assert sorted(row.id for row in written) == expected
    if notebook.sink in {"table", "toTable", "view"}:
        detail = spark.sql(f"describe detail {table_name(tmp_path)}").first()
        assert detail.format == "delta"
