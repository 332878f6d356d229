"""The bronze step, in order: preflight, stream what is new, archive what it did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from sluice.bronze.settle import settle_quarantine
from sluice.bronze.source import declared_schema, source_settings
from sluice.bronze.split import known_query_id, must_split, write_split
from sluice.bronze.transform import to_bronze
from sluice.bronze.types import require_partitions, require_same_types
from sluice.bronze.violated import explained
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import clear_unplanned
from sluice.cleanup.pipeline import clean_landing
from sluice.config import PipelineConfig
from sluice.control.hold import Hold, hold_lease
from sluice.control.query import await_query
from sluice.errors import SluiceError
from sluice.history import archive_history, count_batches, record_step
from sluice.history.violations import describe_violations
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.model import StepSummary
from sluice.options.clean import CleanMode
from sluice.options.configured import source_options
from sluice.preflight.run import Preflight, preflight
from sluice.quality.copies import require_key
from sluice.quality.judge import judge, require_analysed
from sluice.rules.require import require_nothing_begun
from sluice.schema.kept import latest_number, list_versions
from sluice.schema.properties import tables_that_take
from sluice.spark.failures import all_causes, delta_error, own_error
from sluice.spark.restarts import is_schema_change
from sluice.spark.session import spark_session, storage_conf
from sluice.spark.triggers import Trigger, apply_trigger, parse_trigger

_LOG = logging.getLogger(__name__)
_WENT = {
    LeftOut.QUARANTINED: "file %r goes to quarantine: %s",
    LeftOut.REPLACED: "file %r was replaced before it was read: %s; its new version is "
    "read instead",
}


def run_bronze(
    config: PipelineConfig,
    *,
    run_id: str,
    trigger: str = "available-now",
    options: Mapping[str, str] | None = None,
    found: Preflight | None = None,
) -> StepSummary:
    """Read what has landed since the last run into the bronze table.

    ``options`` win over those of the pipeline file for this run. ``found`` is the
    preflight of this run where one was made: a query that ends by itself then reads
    what that discovered, and lists nothing. A run with nothing to do starts no Spark
    and counts no file. Running again after a crash or a failure repeats the micro-batch
    that was cut off, with the same files.

    Raises:
        FatalError: the checkpoint would lose or duplicate, or a file cannot be read.
        RetryableError: another process runs the same query.
    """
    started = datetime.now(UTC)
    when = parse_trigger(trigger)
    found = found or preflight(config, run_id=run_id)
    if found.bronze_has_work or not when.ends_by_itself:
        summary = _stream(config, found, run_id, when, options or {})
    else:
        counts = count_batches(config, after=found.bronze_batch)
        summary = StepSummary("bronze", run_id, counts)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    cleaned = None if summary.stopped else clean_landing(config, run_id=run_id)
    return replace(summary, notes=summary.notes + cleaned.notes) if cleaned else summary


def _stream(
    config: PipelineConfig,
    found: Preflight,
    run_id: str,
    trigger: Trigger,
    options: Mapping[str, str],
) -> StepSummary:
    """Hold the lease while the query runs, then archive and count what it did."""
    checkpoint, name = config.bronze_checkpoint_location, f"{config.name}_bronze"
    with hold_lease(checkpoint, query=name, run_id=run_id) as hold:
        # A repair may have been begun since preflight, and cut off.
        require_nothing_begun(config)
        clear_unplanned(checkpoint)
        # Another run may have ended since then: its batches are not ours.
        committed = _last_committed(checkpoint)
        spark = spark_session(name, **storage_conf(config.locations))
        settle_quarantine(spark, config)
        # A start after a bad file discovers again: a replaced file has a newer version.
        discovered = iter([_discovered_options(found, trigger)])

        def start() -> StreamingQuery:
            given = {**options, **next(discovered, {})}
            return start_bronze(spark, config, run_id, trigger, given)

        try:
            notes = _run_query(config, hold, start, lambda: _meanwhile(config, run_id))
        except SluiceError as error:
            raise explained(spark, config, error) from error
        archive_history(config)
        hold.require_held()
        stopped = hold.stop_reason
    counts = count_batches(config, after=committed)
    notes += describe_violations(config, after=committed)
    if stopped:
        notes.append(stopped)
    return StepSummary("bronze", run_id, counts, tuple(notes), bool(stopped))


def _discovered_options(found: Preflight, trigger: Trigger) -> dict[str, str]:
    if not trigger.ends_by_itself:
        return {}
    return {"sluice.discoveredUpTo": str(found.discovered_up_to)}


def _run_query(
    config: PipelineConfig,
    hold: Hold,
    start: Callable[[], StreamingQuery],
    meanwhile: Callable[[], None],
) -> list[str]:
    """Run the query; start it again where its tasks have made that worth while.

    They record files that cannot be read, and evolve the schema, of which each new
    field gives a note.
    """
    left_out, first = _left_out(config), latest_number(config.schema_location)
    version = first
    while not hold.stop_reason:
        try:
            await_query(start(), hold, meanwhile=meanwhile)
        except (PySparkException, Py4JJavaError) as error:
            before, left_out = left_out, _left_out(config)
            recorded = [left_out[seq] for seq in left_out.keys() - before.keys()]
            read_in, version = version, latest_number(config.schema_location)
            has_evolved = is_schema_change(error) and version > read_in
            if not recorded and not has_evolved:
                raise _failed_error(config, error) from error
            for file in recorded:
                _LOG.warning(_WENT[file.kind], file.path, file.error)
        else:
            break
    return list(_evolutions(config, after=first))


def _meanwhile(config: PipelineConfig, run_id: str) -> None:
    """Do beside a query that may never end what otherwise follows it."""
    archive_history(config)
    if source_options(config).clean_source is not CleanMode.OFF:
        clean_landing(config, run_id=run_id)


def _last_committed(checkpoint: str) -> int:
    facts = read_checkpoint(checkpoint)
    return -1 if facts is None or facts.last_committed is None else facts.last_committed


def start_bronze(
    spark: SparkSession,
    config: PipelineConfig,
    run_id: str,
    trigger: Trigger,
    options: Mapping[str, str],
) -> StreamingQuery:
    """Start the query from the landing folder into the bronze table.

    Raises:
        UsageError: the table has a column in another type, other partitions, or does
            not take a name, or Spark cannot analyse an expectation.
    """
    landed = read_landed(spark, config, {**options, "sluice.runId": run_id})
    rows, rules = to_bronze(landed), config.bronze.expectations
    require_partitions(rows.schema, config.bronze.partition_by, config.bronze_location)
    require_analysed(rows, config)
    require_key(rows, config)
    if must_split(config):
        return _start_split(spark, config, rows, trigger)
    rows = judge(rows, rules)
    writer = (
        _written(rows, config)
        .format("delta")
        .outputMode("append")
        .option("mergeSchema", "true")
        .partitionBy(*config.bronze.partition_by)
    )
    with _taking(spark, config, rows, [config.bronze_location]):
        return apply_trigger(writer, trigger).start(config.bronze_location)


def _start_split(
    spark: SparkSession, config: PipelineConfig, rows: DataFrame, trigger: Trigger
) -> StreamingQuery:
    """Start the query with a sink of two tables, which Delta has not."""
    write = partial(write_split, config=config, query_id=known_query_id(config))
    writer = _written(rows, config).foreachBatch(write)
    with _taking(
        spark, config, rows, [config.bronze_location, config.quarantine_location]
    ):
        return apply_trigger(writer, trigger).start()


def _written(rows: DataFrame, config: PipelineConfig) -> DataStreamWriter:
    checkpoint = config.bronze_checkpoint_location
    named = rows.writeStream.queryName(f"{config.name}_bronze")
    return named.option("checkpointLocation", checkpoint)


@contextmanager
def _taking(
    spark: SparkSession, config: PipelineConfig, rows: DataFrame, tables: Sequence[str]
) -> Iterator[None]:
    """Have a query that starts meanwhile make tables that take its rows."""
    widens = source_options(config).widens
    with ExitStack() as stack:
        for location in tables:
            require_same_types(rows.schema, location)
            taking = tables_that_take(rows.schema, location, spark, widens=widens)
            stack.enter_context(taking)
        yield


def read_landed(
    spark: SparkSession, config: PipelineConfig, options: Mapping[str, str]
) -> DataFrame:
    """Return the stream of what lands, as the pipeline file describes it."""
    settings = source_settings(config) | dict(options)
    reader = spark.readStream.format("cloudFiles").options(**settings)
    declared = declared_schema(config)
    if declared is not None:
        reader = reader.schema(declared)
    return reader.load(config.landing_location)


def _left_out(config: PipelineConfig) -> dict[int, QuarantinedFile]:
    ledger = Ledger.open(config.schema_location)
    return ledger.left_out() if ledger else {}


def _evolutions(config: PipelineConfig, *, after: int) -> Iterator[str]:
    """Yield a note for each field that came with a version behind ``after``."""
    for version in list_versions(config.schema_location, after=after):
        for name, path in version.added.items():
            yield f"schema version {version.number}: {name!r} came with {path!r}"
        for name, path in version.widened.items():
            kind = "got its wider type"
            yield f"schema version {version.number}: {name!r} {kind} with {path!r}"


def _failed_error(
    config: PipelineConfig, error: PySparkException | Py4JJavaError
) -> SluiceError:
    """Return our own error where there is one, else Spark's."""
    return own_error(error) or delta_error(config.bronze_location, all_causes(error))
