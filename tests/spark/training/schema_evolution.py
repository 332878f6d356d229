# What becomes of new, missing and changed fields, mode by mode.
def load(mode):
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", f"{lake}/_schemas/{mode}")
        .option("cloudFiles.inferColumnTypes", "true")
        .option("cloudFiles.schemaEvolutionMode", mode)
        .load(source)
    )


def write(mode):
    return (
        load(mode)
        .writeStream.format("delta")
        .option("checkpointLocation", f"{lake}/_checkpoints/{mode}")
        .option("mergeSchema", "true")
        .trigger(availableNow=True)
        .start(f"{lake}/{mode}")
    )


failures = {}
for mode in ["addNewColumns", "rescue", "failOnNewColumns", "none"]:
    retries = 3
    while True:
        try:
            write(mode).awaitTermination()
            break
        except Exception as e:
            failures.setdefault(mode, []).append(str(e))
            retries -= 1
            if "UNKNOWN_FIELD" not in str(e) or retries == 0:
                break
