"""Bring out the windows that are open, where no more of their rows are to come.

They are computed from bronze and merged into the table. The stream keeps them in its
state, and emits them once it has closed them: it merges, too, until it has passed the
last of them, so no window ever comes twice. A record in the checkpoint, written first,
says up to where.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint.watermark import EPOCH
from sluice.intervals import Interval
from sluice.records import load_record, save_record
from sluice.silver.backfill import cached, closed_windows, interval_windows
from sluice.silver.merge import merge_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig

_KEY = "drained.json"
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
            checkpoint = config.silver_checkpoint_location(silver)
            save_record(checkpoint, _KEY, Drained(until))
            merge_rows(found, config.silver_location(silver), silver)
    return count


def is_drained(config: PipelineConfig, silver: SilverConfig) -> bool:
    """Return True if the table has windows that the stream has yet to emit."""
    checkpoint = config.silver_checkpoint_location(silver)
    remedy = f"without a backup, 'sluice checkpoint repair {config.called}'"
    drained = load_record(checkpoint, _KEY, Drained, remedy=remedy)
    return drained is not None and drained.until > closed_windows(config, silver)


def _measure(windows: DataFrame) -> tuple[int, int]:
    """Return how many windows there are, and when the last ends, in microseconds."""
    end = F.max(F.unix_micros("window_end"))
    ((count, until),) = windows.agg(F.count("*"), end).collect()
    return count, until
