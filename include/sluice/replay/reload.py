"""Read again what fills an interval of windows, before they are recomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.columns import SOURCE_FILE
from sluice.config import PipelineConfig, SilverConfig
from sluice.delta.log import open_table
from sluice.intervals import Interval
from sluice.replay.result import ReplayResult
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.silver.transform import (
    EVENT_TIME,
    check_columns,
    first_window,
    last_window,
    with_event_time,
)
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def reload_interval(
    config: PipelineConfig, interval: Interval, *, run_id: str
) -> ReplayResult | None:
    """Replay the files with rows in windows of ``interval``; None where there is none.

    Their rows outside of it are replaced as well, and the windows of these computed
    again. A file in quarantine has no row that would say.

    Raises:
        SluiceError: as ``run_replay`` does.
    """
    if open_table(config.bronze_location) is None:
        return None
    conf = storage_conf(config.locations)
    spark = spark_session(f"{config.name}_reload", **conf)
    bronze = spark.read.format("delta").load(config.bronze_location)
    paths = {
        path for silver in config.silver for path in _files(bronze, silver, interval)
    }
    if not paths:
        return None
    return run_replay(config, Selection(paths=frozenset(paths)), run_id=run_id)


def _files(bronze: DataFrame, silver: SilverConfig, interval: Interval) -> list[str]:
    """Return the files of the rows in windows that start in ``interval``."""
    check_columns(bronze, silver)
    timed = with_event_time(bronze, silver).where(F.col(EVENT_TIME).isNotNull())
    found = timed.where(
        (last_window(F.col(EVENT_TIME), silver) >= F.lit(interval.start))
        & (first_window(F.col(EVENT_TIME), silver) < F.lit(interval.end))
    )
    return [row[SOURCE_FILE] for row in found.select(SOURCE_FILE).distinct().collect()]
