"""Bring out the windows that are open, where no more of their rows are to come.

They are computed from bronze and merged into the table. The stream keeps them in its
state, and emits them once it has closed them: while the table has windows that are not
closed, it merges, too, so no window ever comes twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluice.config.silver import WINDOW_COLUMNS
from sluice.delta.log import open_table
from sluice.delta.tables import query_table
from sluice.history.replays import DRAIN, TouchedWindows, keep_touched
from sluice.intervals import Interval
from sluice.silver.backfill import closed_windows, interval_windows
from sluice.silver.judged import judge_windows
from sluice.silver.live import END
from sluice.silver.merge import cached, merge_until_won
from sluice.silver.sessions import SessionsAsked, newest_end, replace_sessions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sluice.config import PipelineConfig, SilverConfig
    from sluice.control.hold import Hold


def drain_windows(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig, hold: Hold
) -> int:
    """Merge the windows that are not closed into the table; return how many.

    Each group of a window counts. Doing it again changes nothing.

    Raises:
        RetryableError: others wrote the table all the time, or the lease is lost.
        FatalError: the table cannot be written, or a rule of ``fail`` is violated.
    """
    closed = closed_windows(config, silver)
    if silver.window.is_session:
        hold.require_held()
        return _drain_sessions(spark, config, silver, closed)
    open_ones = Interval(silver.window.grid.first_open(closed), END)
    bronze = spark.read.format("delta").load(config.bronze_location)
    with cached(interval_windows(bronze, silver, [open_ones], counted=False)) as found:
        count = found.count()
        # Of those that came out before, some may have lost their rows to a replay.
        if count or has_open_windows(config, silver):
            location = config.silver_location(silver)
            windows = judge_windows(found, silver, location)
            hold.require_held()
            merge_until_won(windows, location, silver, only_after=closed)
    return count


def _drain_sessions(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig, closed: datetime
) -> int:
    """Put all open sessions into the table, and have them computed again when closed.

    One that goes on after that has other bounds: the stream would not find its row.
    """
    location = config.silver_location(silver)
    bronze = spark.read.format("delta").load(config.bronze_location)
    newest = newest_end(bronze, silver)
    if newest is not None and newest > closed:
        touched = TouchedWindows(
            replay_id=f"{DRAIN}-{closed:%Y%m%dT%H%M%S%fZ}",
            run_id=DRAIN,
            at=datetime.now(UTC),
            after_version=0,
            spans=(Interval(closed, newest),),
            reason=DRAIN,
            recomputed_up_to=closed,
        )
        keep_touched(config, silver.name, touched)
    # Of those that came out before, all may have lost their rows to a replay.
    elif not has_open_windows(config, silver):
        return 0
    asked = SessionsAsked(
        intervals=[Interval(closed, END)],
        closed=closed,
        said={"step": DRAIN},
        open_ones="put in",
    )
    return replace_sessions(bronze, location, silver, asked).open


def has_open_windows(config: PipelineConfig, silver: SilverConfig) -> bool:
    """Return True if the table has windows that the stream has yet to close."""
    table = open_table(config.silver_location(silver))
    if table is None or not table.file_uris():
        return False
    closed = closed_windows(config, silver).isoformat()
    where = f"{WINDOW_COLUMNS[1]} > to_timestamp('{closed}')"
    found = query_table(table, f"select 1 from t where {where} limit 1")
    return bool(found.num_rows)
