# Auto Loader with an explicit schema and with one that is inferred and kept.
from pyspark.sql.functions import col, current_timestamp

schema = (
    "order_id STRING, customer_id STRING, order_date STRING, total_amount DOUBLE, "
    "payment_method STRING, product_id STRING, quantity INT"
)

explicit = (
    spark.readStream.format("cloudFiles")
    .option("cloudFiles.format", "json")
    .option("cloudFiles.maxFilesPerTrigger", 2)
    .schema(schema)
    .load(source)
    .withColumn("_processing_time", current_timestamp())
    .withColumn("_source_file", col("_metadata.file_path"))
)
(
    explicit.writeStream.format("delta")
    .outputMode("append")
    .option("checkpointLocation", f"{lake}/_checkpoints/explicit")
    .trigger(availableNow=True)
    .start(f"{lake}/explicit")
    .awaitTermination()
)

inferred = (
    spark.readStream.format("cloudFiles")
    .option("cloudFiles.format", "json")
    .option("cloudFiles.schemaLocation", f"{lake}/_schemas/inferred")
    .option("cloudFiles.inferColumnTypes", "true")
    .option("cloudFiles.schemaEvolutionMode", "addNewColumns")
    .option("cloudFiles.maxFilesPerTrigger", 1000)
    .option("cloudFiles.maxBytesPerTrigger", "10g")
    .load(source)
    .withColumn("_processing_time", current_timestamp())
    .withColumn("_source_file", col("_metadata.file_path"))
)
(
    inferred.writeStream.format("delta")
    .outputMode("append")
    .option("checkpointLocation", f"{lake}/_checkpoints/inferred")
    .option("mergeSchema", "true")
    .trigger(availableNow=True)
    .start(f"{lake}/inferred")
    .awaitTermination()
)
