"""The job whose classes set-up archives: what an hourly run does, on a few rows."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame, SparkSession, functions
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import ReadLimit

from sluice.spark.session import spark_session


class _Rows(DataSourceStreamReader):
    """One micro-batch of rows, a minute apart."""

    def initialOffset(self) -> dict[str, int]:  # noqa: N802 - Spark's name
        return {"seq": 0}

    def latestOffset(  # noqa: N802 - Spark's name
        self, start: dict[str, int], limit: ReadLimit
    ) -> dict[str, int]:
        return {"seq": 100}

    def partitions(
        self, start: dict[str, int], end: dict[str, int]
    ) -> list[InputPartition]:
        return [InputPartition((start["seq"], end["seq"]))]

    def read(self, partition: InputPartition) -> Iterator[tuple[int, str, float]]:
        first, last = partition.value
        yield from ((60 * seq, f"m{seq % 3}", float(seq)) for seq in range(first, last))


class _TrainingSource(DataSource):
    """A Python source like cloudFiles, without its files."""

    @classmethod
    def name(cls) -> str:
        return "sluice_training"

    def schema(self) -> str:
        return "second bigint, method string, amount double"

    def streamReader(self, schema: object) -> DataSourceStreamReader:  # noqa: N802
        return _Rows()


def main(folder: str) -> None:
    """Stream into bronze, window into silver, read both, merge and count."""
    spark = spark_session("sluice-training")
    spark.dataSource.register(_TrainingSource)
    bronze, silver = f"{folder}/bronze", f"{folder}/silver"
    rows = spark.readStream.format("sluice_training").load()
    _append(_stamped(rows), bronze, partition="day")
    _append(_windows(spark.readStream.format("delta").load(bronze)), silver)
    read = spark.read.format("delta").load(bronze)
    read.groupBy("method").agg(functions.count("*"), functions.sum("amount")).collect()
    _windows(read).orderBy("window_start").limit(5).collect()
    _merge(spark, silver)
    spark.stop()


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
