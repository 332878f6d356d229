"""The job whose classes set-up archives: what an hourly run does, on a few rows."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, functions

from sluice.spark.session import spark_session


def main(folder: str) -> None:
    """Stream into bronze, window into silver, read both, merge and count."""
    spark = spark_session("sluice-training")
    bronze, silver = f"{folder}/bronze", f"{folder}/silver"
    _append(_stamped(_landed(spark, folder)), bronze, partition="day")
    _append(_windows(spark.readStream.format("delta").load(bronze)), silver)
    read = spark.read.format("delta").load(bronze)
    read.groupBy("method").agg(functions.count("*"), functions.sum("amount")).collect()
    _windows(read).orderBy("window_start").limit(5).collect()
    _merge(spark, silver)
    spark.stop()


def _landed(spark: SparkSession, folder: str) -> DataFrame:
    """Land a file of a hundred rows, a minute apart, and return its stream."""
    landing = Path(folder, "landing")
    landing.mkdir()
    rows = (
        {"second": 60 * each, "method": f"m{each % 3}", "amount": float(each)}
        for each in range(100)
    )
    Path(landing, "1.json").write_text("\n".join(map(json.dumps, rows)))
    reader = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
    reader = reader.option("cloudFiles.schemaLocation", f"{folder}/schemas")
    schema = "second bigint, method string, amount double"
    return reader.schema(schema).load(str(landing)).select("*", "_metadata.file_path")


def _stamped(rows: DataFrame) -> DataFrame:
    """Add the columns that bronze adds."""
    return rows.withColumn("at", functions.current_timestamp()).withColumn(
        "day", functions.to_date("at")
    )


def _windows(rows: DataFrame) -> DataFrame:
    """Aggregate by tumbling windows, as silver does."""
    event_time = functions.timestamp_seconds("second").alias("event_time")
    window = functions.window("event_time", "5 minutes")
    return (
        rows.select(event_time, "method", "amount")
        .withWatermark("event_time", "10 minutes")
        .groupBy(window, "method")
        .agg(
            functions.count("*").alias("orders"), functions.avg("amount").alias("mean")
        )
        .select(functions.col("window.start").alias("window_start"), "method", "orders")
    )


def _append(rows: DataFrame, table: str, partition: str | None = None) -> None:
    """Append the stream to a Delta table with all there is now."""
    writer = rows.writeStream.format("delta").outputMode("append")
    if partition:
        writer = writer.partitionBy(partition)
    query = writer.option("checkpointLocation", f"{table}-checkpoint")
    query.trigger(availableNow=True).start(table).awaitTermination()


def _merge(spark: SparkSession, table: str) -> None:
    """Replace a part of a table and merge into it, as a backfill does."""
    rows = spark.read.format("delta").load(table)
    rows.write.format("delta").mode("overwrite").option("replaceWhere", "true").save(
        table
    )
    rows.limit(3).createOrReplaceTempView("changes")
    spark.sql(
        f"MERGE INTO delta.`{table}` t USING changes c "
        "ON t.window_start = c.window_start "
        "WHEN MATCHED THEN UPDATE SET orders = c.orders WHEN NOT MATCHED THEN INSERT *"
    )
