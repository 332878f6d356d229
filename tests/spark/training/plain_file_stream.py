# Spark's own file source, before Auto Loader: JSON files in, a Delta table out.
from pyspark.sql.functions import current_timestamp
from pyspark.sql.types import (
    DoubleType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

orders_schema = StructType(
    [
        StructField("order_id", StringType(), True),
        StructField("customer_id", StringType(), True),
        StructField("order_date", StringType(), True),
        StructField("total_amount", DoubleType(), True),
        StructField("payment_method", StringType(), True),
        StructField("product_id", StringType(), True),
        StructField("quantity", IntegerType(), True),
    ]
)

orders = (
    spark.readStream.format("json")
    .schema(orders_schema)
    .option("maxFilesPerTrigger", 1)
    .load(f"{source}/orders_stream_*.json")
    .withColumn("_processing_timestamp", current_timestamp())
)

query = (
    orders.writeStream.format("delta")
    .outputMode("append")
    .option("checkpointLocation", f"{lake}/_checkpoints/plain")
    .trigger(availableNow=True)
    .start(f"{lake}/plain")
)
query.awaitTermination()
