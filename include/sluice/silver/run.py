"""The silver step: bronze as a Delta stream, windows that are closed into a table."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from sluice.checkpoint import read_checkpoint
from sluice.deltalog import open_table
from sluice.failures import translated
from sluice.history import archive_history, record_step
from sluice.model import StepSummary
from sluice.session import spark_session
from sluice.silver.late import COUNTED, Archived, archive_batches
from sluice.silver.transform import aggregate_windows, check_columns
from sluice.triggers import Trigger, apply_trigger, parse_trigger

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
# Spark keeps the logs of 100 batches, and a query may run for months.
_ARCHIVE_SECONDS = 20
_ALL = str(2**31 - 1)


def run_silver(
    config: PipelineConfig,
    silver: SilverConfig,
    *,
    run_id: str,
    trigger: str = "available-now",
) -> StepSummary:
    """Aggregate what is new in bronze; append the windows that the watermark closed.

    May be tried again at any time. The counts are those of the micro-batches that this
    call archives: after a crash the next call counts the crashed one's as well.

    Raises:
        UsageError: the trigger is refused, or bronze lacks what the aggregates need.
        RetryableError: another process runs the same query.
        FatalError: the query failed.
    """
    started = datetime.now(UTC)
    when = parse_trigger(trigger)
    if open_table(config.bronze_location) is None:
        note = f"bronze {config.bronze_location!r} does not exist yet: nothing to do"
        summary = _summarize(silver, run_id, Archived(notes=(note,)), 0)
    else:
        summary = _stream(config, silver, run_id, when)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _stream(
    config: PipelineConfig, silver: SilverConfig, run_id: str, trigger: Trigger
) -> StepSummary:
    spark = spark_session(f"{config.name}_{silver.name}")
    check_columns(spark.read.format("delta").load(config.bronze_location), silver)
    _LOG.info("silver %s: running the query", silver.name)
    with translated(config.silver_location(silver)):
        query = start_silver(spark, config, silver, trigger)
        archived = _await(query, spark, config, silver, run_id=run_id)
    _LOG.info("silver %s: archiving its history", silver.name)
    archive_history(config)
    checkpoint = config.silver_checkpoint_location(silver)
    noted = Archived(notes=(trigger.note,) if trigger.note else ())
    windows_open = count_open_windows(query, spark, checkpoint)
    return _summarize(silver, run_id, noted + archived, windows_open)


def stream_bronze(spark: SparkSession, config: PipelineConfig) -> DataFrame:
    """Return bronze as a stream that takes all there is in one micro-batch.

    Limits would only cut windows into pieces: state grows with windows, not with rows.
    A first run over an old bronze must even see it whole, or its rows were late to each
    other, in whatever order their files come.
    """
    return (
        spark.readStream.format("delta")
        .option("maxFilesPerTrigger", _ALL)
        .option("skipChangeCommits", "true")
        .load(config.bronze_location)
    )


def count_open_windows(
    query: StreamingQuery, spark: SparkSession, checkpoint_location: str
) -> int | None:
    """Return how many windows, each group counted, wait in the state of ``query``.

    None where Spark cannot tell: its reader of state does not find a checkpoint whose
    path has a space or the like, and only a query that ran a micro-batch knows itself.
    """
    ran = [each.stateOperators for each in query.recentProgress if each.stateOperators]
    if ran:
        return sum(operator.numRowsTotal for operator in ran[-1])
    facts = read_checkpoint(checkpoint_location)
    if facts is None or facts.last_committed is None:
        return 0
    if quote(checkpoint_location, safe="/:") != checkpoint_location:
        return None
    return spark.read.format("statestore").load(checkpoint_location).count()


def start_silver(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig, trigger: Trigger
) -> StreamingQuery:
    """Start the query from the bronze table into the silver table."""
    writer = (
        aggregate_windows(stream_bronze(spark, config), silver)
        .writeStream.format("delta")
        .outputMode(silver.output_mode)
        .queryName(f"{config.name}_{silver.name}")
        .option("checkpointLocation", config.silver_checkpoint_location(silver))
    )
    return apply_trigger(writer, trigger).start(config.silver_location(silver))


def _await(
    query: StreamingQuery,
    spark: SparkSession,
    config: PipelineConfig,
    silver: SilverConfig,
    *,
    run_id: str,
) -> Archived:
    """Wait for the end of ``query``, archiving its batches while it runs."""
    archived = Archived()
    try:
        while not query.awaitTermination(_ARCHIVE_SECONDS):
            archived += archive_batches(spark, config, silver, run_id=run_id)
    finally:
        query.stop()
    return archived + archive_batches(spark, config, silver, run_id=run_id)


def _summarize(
    silver: SilverConfig, run_id: str, archived: Archived, windows_open: int | None
) -> StepSummary:
    counts = {"batches": len(archived.rows)}
    counts |= {name: archived.total(name) for name in COUNTED}
    if windows_open is not None:
        counts["windows_open"] = windows_open
    return StepSummary(silver.name, run_id, counts, archived.notes)
