"""Bring out the windows that are open, where no more of their rows are to come.

They are computed from bronze and merged into the table. The stream keeps them in its
state, and emits them once it has closed them: it merges, too, until it has passed the
last of them, so no window ever comes twice. A record beside the ledger, written first,
says up to where; in the checkpoint it would be lost with that.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint.watermark import EPOCH
from sluice.intervals import Interval
from sluice.paths import DRAINED
from sluice.records import load_record, save_record
from sluice.silver.backfill import cached, closed_windows, interval_windows
from sluice.silver.merge import merge_until_won

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig

_MICROSECOND = timedelta(microseconds=1)
# Later than any event.
_END = datetime(9000, 1, 1, tzinfo=UTC)


class Drained(msgspec.Struct, frozen=True):
    """The latest end of a window that was brought out while it was open."""

    until: datetime


def drain_windows(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig
) -> int:
    """Merge the windows that are not closed into the table; return how many.

    Each group of a window counts. Doing it again changes nothing.
    """
    closed = closed_windows(config, silver)
    open_ones = Interval(silver.window.grid.first_open(closed), _END)
    bronze = spark.read.format("delta").load(config.bronze_location)
    with cached(interval_windows(bronze, silver, [open_ones], counted=False)) as found:
        count, until_us = _measure(found)
        if count:
            until = EPOCH + until_us * _MICROSECOND
            save_record(config.schema_location, _key(silver), Drained(until))
        # Of those that came out before, some may have lost their rows to a replay.
        if count or is_drained(config, silver):
            location = config.silver_location(silver)
            merge_until_won(found, location, silver, only_after=closed)
    return count


def is_drained(config: PipelineConfig, silver: SilverConfig) -> bool:
    """Return True if the table has windows that the stream has yet to emit."""
    remedy = f"repeat the drain: remove it and 'sluice run {config.called} --drain'"
    key = _key(silver)
    drained = load_record(config.schema_location, key, Drained, remedy=remedy)
    return drained is not None and drained.until > closed_windows(config, silver)


def _key(silver: SilverConfig) -> str:
    return f"{DRAINED}/{silver.name}.json"


def _measure(windows: DataFrame) -> tuple[int, int]:
    """Return how many windows there are, and when the last ends, in microseconds."""
    end = F.max(F.unix_micros("window_end"))
    ((count, until),) = windows.agg(F.count("*"), end).collect()
    return count, until
