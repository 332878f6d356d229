"""Replace rows in quarantine after a replay has replaced those in bronze.

The rows wait beside the ledger from before the commit of bronze on, so this can be done
by any later run, and doing it twice changes nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.bronze.replace import FILE, replace_by_file
from sluice.delta.log import open_table
from sluice.delta.tables import commit_until_won
from sluice.errors import RetryableError, SluiceError
from sluice.history.replays import (
    discard_set_aside,
    is_set_aside,
    list_set_aside,
    rows_set_aside,
    sweep_set_aside,
)
from sluice.options.configured import source_options
from sluice.schema.properties import tables_that_take
from sluice.spark.failures import translated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.history.replays import ReplayedFiles

_LOG = logging.getLogger(__name__)
_ROUNDS = 5


def keep_set_aside(config: PipelineConfig, replay_id: str, rows: DataFrame) -> None:
    """Keep the rows that go to quarantine when the replay has committed."""
    location = rows_set_aside(config, replay_id)
    with translated(location):
        rows.write.mode("overwrite").parquet(location)


def settle_quarantine(spark: SparkSession, config: PipelineConfig) -> None:
    """Replace the rows in quarantine of every replay that has committed.

    A replay holds no lease, so another process may do it at the same time.

    Raises:
        RetryableError: other writers were faster all the time; the next run does it.
        FatalError: the table cannot be written.
    """
    for replay in list_set_aside(config):
        try:
            _settle(spark, config, replay)
        except SluiceError as error:
            if is_set_aside(config, replay.replay_id):
                raise
            _LOG.info("replay %s was settled meanwhile: %s", replay.run_id, error)
    sweep_set_aside(config)


def _settle(spark: SparkSession, config: PipelineConfig, replay: ReplayedFiles) -> None:
    location = rows_set_aside(config, replay.replay_id)
    with translated(location):
        rows = spark.read.parquet(location)
    # The record goes before any row: if it is there now, those just listed are all.
    if is_set_aside(config, replay.replay_id):
        _replace(spark, config, rows, replay)
        discard_set_aside(config, replay.replay_id)


def _replace(
    spark: SparkSession, config: PipelineConfig, rows: DataFrame, replay: ReplayedFiles
) -> None:
    location = config.quarantine_location
    paths = [(file.path,) for file in replay.files]
    files = spark.createDataFrame(paths, f"`{FILE}` string")

    def attempt() -> bool | None:
        try:
            with translated(location):
                if open_table(location) is None:
                    _make(spark, config, rows)
                replace_by_file(location, rows, files, where=F.expr("true"))
        except RetryableError:
            return None
        return True

    commit_until_won(f"table {location!r}", attempt, rounds=_ROUNDS)


def _make(spark: SparkSession, config: PipelineConfig, rows: DataFrame) -> None:
    """Make an empty table, unless another process has made it."""
    location, widens = config.quarantine_location, source_options(config).widens
    with tables_that_take(rows.schema, location, spark, widens=widens):
        writer = rows.limit(0).write.format("delta").mode("ignore")
        writer.partitionBy(*config.bronze.partition_by).save(location)
