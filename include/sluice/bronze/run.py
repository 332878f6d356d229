"""The bronze step, in order: preflight, stream what is new, archive what it did."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.types import StructType

from sluice.bronze.transform import to_bronze, with_source_columns
from sluice.config import PipelineConfig
from sluice.errors import Condition, SluiceError, UsageError
from sluice.failures import all_causes, own_error, translate
from sluice.history import archive_history, count_batches, record_step
from sluice.model import StepSummary
from sluice.preflight import preflight
from sluice.session import spark_session
from sluice.source.ledger import Ledger, QuarantinedFile
from sluice.triggers import Trigger, apply_trigger, parse_trigger

_LOG = logging.getLogger(__name__)


def run_bronze(
    config: PipelineConfig,
    *,
    run_id: str,
    trigger: str = "available-now",
    options: Mapping[str, str] | None = None,
) -> StepSummary:
    """Read what has landed since the last run into the bronze table.

    ``options`` win over those of the pipeline file for this run. A run with nothing to
    do starts no Spark and counts no file. Running again after a crash or a failure
    repeats the micro-batch that was cut off, with the same files.

    Raises:
        FatalError: the checkpoint would lose or duplicate, or a file cannot be read.
    """
    started = datetime.now(UTC)
    when = parse_trigger(trigger)
    found = preflight(config, run_id=run_id)
    if found.bronze_has_work or not when.ends_by_itself:
        _stream(config, run_id, when, options or {})
        archive_history(config)
    counts = count_batches(config, after=found.bronze_batch)
    summary = StepSummary("bronze", run_id, counts)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _stream(
    config: PipelineConfig, run_id: str, trigger: Trigger, options: Mapping[str, str]
) -> None:
    """Run the query; start it again without the files that it put in quarantine."""
    spark = spark_session(f"{config.name}_bronze")
    quarantined = _quarantined(config)
    while True:
        try:
            start_bronze(spark, config, run_id, trigger, options).awaitTermination()
        except (PySparkException, Py4JJavaError) as error:
            before, quarantined = quarantined, _quarantined(config)
            bad = [quarantined[seq] for seq in quarantined.keys() - before.keys()]
            if not bad:
                raise _failed(config, error) from error
            for file in bad:
                _LOG.warning("file %r goes to quarantine: %s", file.path, file.error)
        else:
            return


def start_bronze(
    spark: SparkSession,
    config: PipelineConfig,
    run_id: str,
    trigger: Trigger,
    options: Mapping[str, str],
) -> StreamingQuery:
    """Start the query from the landing folder into the bronze table."""
    landed = read_landed(spark, config, {**options, "sluice.runId": run_id})
    writer = (
        to_bronze(landed)
        .writeStream.format("delta")
        .outputMode("append")
        .queryName(f"{config.name}_bronze")
        .option("checkpointLocation", config.bronze_checkpoint_location)
        .option("mergeSchema", "true")
        .partitionBy(*config.bronze.partition_by)
    )
    return apply_trigger(writer, trigger).start(config.bronze_location)


def read_landed(
    spark: SparkSession, config: PipelineConfig, options: Mapping[str, str]
) -> DataFrame:
    """Return the stream of what lands, as the pipeline file describes it."""
    source = config.bronze.source
    reader = spark.readStream.format("cloudFiles").options(
        **{
            **source.options,
            "cloudFiles.format": source.format,
            "cloudFiles.schemaLocation": config.schema_location,
            "sluice.badFiles": config.bronze.bad_files,
            **options,
        }
    )
    if source.ddl is not None:
        reader = reader.schema(with_source_columns(_declared(config, source.ddl)))
    return reader.load(config.landing_location)


def _declared(config: PipelineConfig, ddl: str) -> StructType:
    try:
        schema = StructType.fromDDL(ddl)
    except ParseException as error:
        raise _wrong_schema(config, ddl, str(error)) from error
    if not isinstance(schema, StructType):
        raise _wrong_schema(config, ddl, f"it is a {schema.simpleString()}")
    return schema


def _wrong_schema(config: PipelineConfig, ddl: str, reason: str) -> UsageError:
    return UsageError(
        Condition.CONFIG_INVALID,
        f"pipeline {config.name!r}: bronze.source.schema {ddl!r} is no list of columns "
        f"such as 'order_id string, quantity int': {reason}",
        {"schema": ddl},
    )


def _quarantined(config: PipelineConfig) -> dict[int, QuarantinedFile]:
    ledger = Ledger.open(config.schema_location)
    return ledger.quarantined() if ledger else {}


def _failed(
    config: PipelineConfig, error: PySparkException | Py4JJavaError
) -> SluiceError:
    """Return our own error where there is one, else what Spark tells."""
    return own_error(error) or translate(config.bronze_location, all_causes(error))
