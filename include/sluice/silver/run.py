"""The silver step: bronze as a Delta stream, windows that are closed into a table."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.definition import keep_definition
from sluice.checkpoint.write import clear_unplanned, give_query_id
from sluice.control.hold import hold_lease
from sluice.control.query import await_query
from sluice.delta.log import open_table
from sluice.errors import SluiceError
from sluice.history import archive_history, record_step
from sluice.model import StepSummary
from sluice.rules.require import require_fit, require_nothing_begun
from sluice.silver.complete import run_complete
from sluice.silver.drain import drain_windows, has_open_windows
from sluice.silver.explain import explained
from sluice.silver.judged import archive_violations
from sluice.silver.late import COUNTED, Archived, archive_batches
from sluice.silver.live import logs_read_ahead, refresh_live
from sluice.silver.merge import write_windows
from sluice.silver.replayed import recompute_replayed
from sluice.silver.transform import aggregate_windows, check_columns
from sluice.spark.failures import translated
from sluice.spark.session import spark_session, storage_conf
from sluice.spark.settings import applied
from sluice.spark.triggers import Trigger, apply_trigger, parse_trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery
    from pyspark.sql.streaming.readwriter import DataStreamWriter
    from pyspark.sql.types import StructType

    from sluice.config import PipelineConfig, SilverConfig
    from sluice.control.hold import Hold

_LOG = logging.getLogger(__name__)
_ALL = str(2**31 - 1)
_STATE = "spark.sql.streaming.stateStore"
# What keeps windows, as Spark calls it.
_WINDOWS = {"stateStoreSave", "sessionWindowStateStoreSaveExec"}
_PROVIDERS = "org.apache.spark.sql.execution.streaming.state"
# Spark writes them into the checkpoint, and goes by that from then on.
_STATE_STORES = {
    "memory": {f"{_STATE}.providerClass": f"{_PROVIDERS}.HDFSBackedStateStoreProvider"},
    "rocksdb": {
        f"{_STATE}.providerClass": f"{_PROVIDERS}.RocksDBStateStoreProvider",
        f"{_STATE}.rocksdb.changelogCheckpointing.enabled": "true",
    },
}


def run_silver_tables(
    config: PipelineConfig,
    *,
    run_id: str,
    trigger: str = "available-now",
    drain: bool = False,
) -> Iterator[StepSummary]:
    """Run the silver tables one after the other, none after one asked to stop.

    Those that are computed whole come last, each behind its source.
    """
    for silver in config.streamed:
        summary = run_silver(
            config, silver, run_id=run_id, trigger=trigger, drain=drain
        )
        yield summary
        if summary.stopped:
            return
    for silver in config.complete:
        summary = run_complete(config, silver, run_id=run_id)
        yield summary
        if summary.stopped:
            return


def run_silver(
    config: PipelineConfig,
    silver: SilverConfig,
    *,
    run_id: str,
    trigger: str = "available-now",
    drain: bool = False,
) -> StepSummary:
    """Aggregate what is new in bronze; append the windows that the watermark closed.

    With ``drain`` the windows that are open come out as well.

    May be tried again at any time. The counts are those of the micro-batches that this
    call archives: after a crash the next call counts the crashed one's as well.

    Raises:
        UsageError: the trigger is refused, or bronze lacks what the aggregates need.
        RetryableError: another process runs the same query.
        FatalError: checkpoint and tables do not fit, or the query failed.
    """
    started = datetime.now(UTC)
    when = parse_trigger(trigger)
    if open_table(config.bronze_location) is None:
        note = f"bronze {config.bronze_location!r} does not exist yet: nothing to do"
        summary = _summarize(silver, run_id, Archived(notes=(note,)), 0)
    else:
        summary = _stream(config, silver, run_id, when, drain=drain)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _stream(
    config: PipelineConfig,
    silver: SilverConfig,
    run_id: str,
    trigger: Trigger,
    *,
    drain: bool,
) -> StepSummary:
    """Hold the lease while the query runs, then archive and count what it did."""
    name, checkpoint = _name(config, silver), config.silver_checkpoint_location(silver)
    with hold_lease(checkpoint, query=name, run_id=run_id) as hold:
        # A task may be tried again alone, long after the preflight of its run.
        require_nothing_begun(config)
        require_fit(config, [config.silver_query(silver)])
        clear_unplanned(checkpoint)
        spark = spark_session(name, **storage_conf(config.locations))
        more: dict[str, int] = {}
        check_columns(spark.read.format("delta").load(config.bronze_location), silver)
        keep_definition(checkpoint, silver.definition)
        try:
            with translated(config.silver_location(silver)):
                archived, query = _run_query(spark, config, silver, trigger, hold)
                if drain and not hold.stop_reason:
                    drained = drain_windows(spark, config, silver, hold)
                    more["windows_drained"] = drained
                if silver.live and trigger.ends_by_itself and not hold.stop_reason:
                    refreshed = refresh_live(spark, config, silver, hold)
                    more["live_refreshed"] = int(refreshed)
        except SluiceError as error:
            raise explained(spark, config, silver, error) from error
        _LOG.info("silver %s: archiving its history", silver.name)
        archive_history(config)
        violated = archive_violations(config, silver, run_id=run_id)
        hold.require_held()
        stopped = hold.stop_reason
    notes = tuple(note for note in (trigger.note, stopped, *violated) if note)
    windows_open = count_open_windows(query, spark, checkpoint) if query else None
    summary = _summarize(silver, run_id, Archived(notes=notes) + archived, windows_open)
    return replace(summary, stopped=bool(stopped), counts={**summary.counts, **more})


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


def _query_id(checkpoint: str) -> str:
    """Return the id that Spark gives the query, which it may be the first to have."""
    give_query_id(checkpoint)
    facts = read_checkpoint(checkpoint)
    return str(facts.query_id if facts else None)


def fit_empty_table(
    spark: SparkSession,
    config: PipelineConfig,
    silver: SilverConfig,
    columns: StructType,
) -> None:
    """Give a table that a repair emptied the columns that its windows have now.

    Only before the first micro-batch: later on, a column more is another writer's.
    """
    location = config.silver_location(silver)
    facts = read_checkpoint(config.silver_checkpoint_location(silver))
    table = open_table(location)
    if table is None or table.file_uris() or (facts and facts.commits):
        return
    found = spark.read.format("delta").load(location).schema
    if _types(found) != _types(columns):
        (
            spark.createDataFrame([], columns)
            .write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .save(location)
        )


def _types(columns: StructType) -> list[tuple[str, str]]:
    return [(each.name, each.dataType.simpleString()) for each in columns]


def count_open_windows(
    query: StreamingQuery, spark: SparkSession, checkpoint_location: str
) -> int | None:
    """Return how many windows, each group counted, wait in the state of ``query``.

    None where Spark cannot say: its reader of state does not find a checkpoint whose
    path has a space or the like, and only a query that ran a micro-batch knows itself.
    """
    ran = [each.stateOperators for each in query.recentProgress if each.stateOperators]
    if ran:
        windows = [each for each in ran[-1] if each.operatorName in _WINDOWS]
        return sum(operator.numRowsTotal for operator in windows)
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
    windows = aggregate_windows(stream_bronze(spark, config), silver)
    fit_empty_table(spark, config, silver, windows.schema)
    writer = (
        windows.writeStream.outputMode(silver.output_mode)
        .queryName(_name(config, silver))
        .option("checkpointLocation", config.silver_checkpoint_location(silver))
    )
    with applied(spark, _STATE_STORES[silver.state_store]):
        return _start(writer, config, silver, trigger)


def _start(
    writer: DataStreamWriter,
    config: PipelineConfig,
    silver: SilverConfig,
    trigger: Trigger,
) -> StreamingQuery:
    """Start the query into Delta's sink, or into one that judges or merges."""
    checkpoint = config.silver_checkpoint_location(silver)
    location = config.silver_location(silver)
    merges = silver.output_mode == "update" or has_open_windows(config, silver)
    if merges or silver.expectations:
        query_id = _query_id(checkpoint)
        write = write_windows(location, silver, query_id, merges=merges)
        return apply_trigger(writer.foreachBatch(write), trigger).start()
    return apply_trigger(writer.format("delta"), trigger).start(location)


def _run_query(
    spark: SparkSession,
    config: PipelineConfig,
    silver: SilverConfig,
    trigger: Trigger,
    hold: Hold,
) -> tuple[Archived, StreamingQuery | None]:
    """Run the query to its end, archiving its batches while it runs.

    Asked to stop, a query that ends by itself is let do so: it is in its one batch with
    rows, or in the one after it that closes windows. Those would stay open until rows
    come again if the query ended between the two.
    """
    archived: list[Archived] = []

    def archive() -> None:
        run_id = hold.lease.run_id
        archived.append(archive_batches(spark, config, silver, run_id=run_id))
        archived.append(
            Archived(notes=tuple(recompute_replayed(config, silver, run_id=run_id)))
        )

    if hold.stop_reason:
        return Archived(), None
    _LOG.info("silver %s: running the query", silver.name)
    ends_soon = trigger.ends_by_itself
    with logs_read_ahead(spark, config, silver) if ends_soon else nullcontext():
        query = start_silver(spark, config, silver, trigger)
        await_query(query, hold, ends_soon=ends_soon, meanwhile=archive)
        archive()
    return sum(archived, Archived()), query


def _name(config: PipelineConfig, silver: SilverConfig) -> str:
    return f"{config.name}_{silver.name}"


def _summarize(
    silver: SilverConfig, run_id: str, archived: Archived, windows_open: int | None
) -> StepSummary:
    counts = {"batches": len(archived.rows)}
    counts |= {name: archived.total(name) for name in COUNTED}
    if windows_open is not None:
        counts["windows_open"] = windows_open
    return StepSummary(silver.name, run_id, counts, archived.notes)
