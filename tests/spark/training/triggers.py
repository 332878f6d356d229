# The triggers: all that is there, once, every interval, as fast as it can, and never.
def writer(name):
    orders = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", f"{lake}/_schemas/{name}")
        .option("cloudFiles.maxFilesPerTrigger", 1)
        .load(source)
    )
    return (
        orders.writeStream.format("delta")
        .queryName(name)
        .option("checkpointLocation", f"{lake}/_checkpoints/{name}")
    )


writer("available_now").trigger(availableNow=True).start(
    f"{lake}/available_now"
).awaitTermination()
writer("once").trigger(once=True).start(f"{lake}/once").awaitTermination()

for name, trigger in {
    "processing_time": {"processingTime": "1 second"},
    "default": {},
}.items():
    standing = writer(name)
    if trigger:
        standing = standing.trigger(**trigger)
    query = standing.start(f"{lake}/{name}")
    query.processAllAvailable()
    query.stop()

try:
    query = (
        writer("continuous").trigger(continuous="1 second").start(f"{lake}/continuous")
    )
    query.awaitTermination(60)
    refusal = None
except Exception as e:
    refusal = str(e)
