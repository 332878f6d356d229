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
    first_end,
    first_window,
    last_window,
    with_event_time,
)
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


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
        path for silver in config.streamed for path in _files(bronze, silver, interval)
    }
    if not paths:
        return None
    return run_replay(config, Selection(paths=frozenset(paths)), run_id=run_id)


def _files(bronze: DataFrame, silver: SilverConfig, interval: Interval) -> list[str]:
    """Return the files of the rows in windows that start in ``interval``."""
    check_columns(bronze, silver)
    timed = with_event_time(bronze, silver).where(F.col(EVENT_TIME).isNotNull())
    found = timed.where(_is_within(silver, interval))
    return [row[SOURCE_FILE] for row in found.select(SOURCE_FILE).distinct().collect()]


def _is_within(silver: SilverConfig, interval: Interval) -> Column:
    """Return whether a row is in a window of ``interval``; in sessions, until its gap.

    The sessions of the rows that are replaced are computed again however far they go.
    """
    moment = F.col(EVENT_TIME)
    if silver.window.is_session:
        end = first_end(moment, silver)
        return (end > F.lit(interval.start)) & (moment < F.lit(interval.end))
    return (last_window(moment, silver) >= F.lit(interval.start)) & (
        first_window(moment, silver) < F.lit(interval.end)
    )
