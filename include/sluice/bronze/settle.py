"""Replace rows in quarantine after a replay has replaced those in bronze.

The rows wait beside the ledger from before the commit of bronze on, so this can be done
by any later run, and doing it twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.bronze.replace import FILE, replace_by_file
from sluice.delta.log import open_table
from sluice.delta.tables import commit_until_won
from sluice.errors import RetryableError
from sluice.history.replays import (
    discard_set_aside,
    list_set_aside,
    rows_set_aside,
)
from sluice.options.configured import source_options
from sluice.schema.properties import tables_that_take
from sluice.spark.failures import translated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.history.replays import ReplayedFiles

_ROUNDS = 5


def keep_set_aside(config: PipelineConfig, replay_id: str, rows: DataFrame) -> None:
    """Keep the rows that go to quarantine when the replay has committed."""
    location = rows_set_aside(config, replay_id)
    with translated(location):
        rows.write.mode("overwrite").parquet(location)


def settle_quarantine(spark: SparkSession, config: PipelineConfig) -> None:
    """Replace the rows in quarantine of every replay that has committed.

    Raises:
        RetryableError: other writers were faster all the time; the next run does it.
        FatalError: the table cannot be written.
    """
    for replay in list_set_aside(config):
        rows = spark.read.parquet(rows_set_aside(config, replay.replay_id))
        if open_table(config.quarantine_location) is None:
            _make(spark, config, rows)
        else:
            _replace(spark, config, rows, replay)
        discard_set_aside(config, replay.replay_id)


def _make(spark: SparkSession, config: PipelineConfig, rows: DataFrame) -> None:
    location, widens = config.quarantine_location, source_options(config).widens
    with (
        translated(location),
        tables_that_take(rows.schema, location, spark, widens=widens),
    ):
        writer = rows.write.format("delta").partitionBy(*config.bronze.partition_by)
        writer.mode("append").save(location)


def _replace(
    spark: SparkSession, config: PipelineConfig, rows: DataFrame, replay: ReplayedFiles
) -> None:
    location = config.quarantine_location
    paths = [(file.path,) for file in replay.files]
    files = spark.createDataFrame(paths, f"`{FILE}` string")

    def attempt() -> bool | None:
        try:
            with translated(location):
                replace_by_file(location, rows, files, where=F.expr("true"))
        except RetryableError:
            return None
        return True

    commit_until_won(f"table {location!r}", attempt, rounds=_ROUNDS)
