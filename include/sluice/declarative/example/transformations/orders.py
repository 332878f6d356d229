"""Bronze: landed files of orders, each exactly once."""

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession

spark = SparkSession.active()


@dp.table
def orders() -> DataFrame:
    """Take in the files of a folder, each with the path that its rows came from."""
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.inferColumnTypes", "true")
        .option("cloudFiles.schemaLocation", "${folder}/lake/schemas/orders")
        .load("${folder}/landing/orders")
        .select("*", "_metadata.file_path")
    )
