"""Recompute closed windows from bronze, late rows included, beside the live stream."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it

from sluice.checkpoint import read_checkpoint
from sluice.config.pipeline import parse_duration
from sluice.deltalog import open_table
from sluice.errors import Condition, FatalError
from sluice.failures import translated
from sluice.history import record_step
from sluice.model import StepSummary
from sluice.session import spark_session
from sluice.silver.batches import closed_up_to
from sluice.silver.interval import Interval
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    check_columns,
    with_event_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
_ROWS = "_rows"


@dataclass(frozen=True)
class Recomputed:
    """What a backfill found in the interval, each window counted once a group."""

    windows_replaced: int = 0
    windows_open: int = 0
    rows_read: int = 0
    note: str | None = None


def run_backfill(
    config: PipelineConfig,
    silver: SilverConfig,
    *,
    start: datetime,
    end: datetime,
    run_id: str,
) -> StepSummary:
    """Replace the closed windows that start in [start, end) by those bronze gives now.

    One Delta commit replaces exactly these windows; the checkpoint is only read.
    Windows that the live stream has yet to emit are counted and left to it. Running
    again leaves the same table.

    Raises:
        UsageError: the interval is wrong, or bronze lacks what the aggregates need.
        RetryableError: the stream or another backfill wrote at the same time.
        FatalError: the table is gone while its stream goes on, or the query failed.
    """
    started = datetime.now(UTC)
    interval = Interval(start, end)
    checkpoint = config.silver_checkpoint_location(silver)
    closed = closed_up_to(read_checkpoint(checkpoint))
    if open_table(config.bronze_location) is None:
        found = Recomputed(note=f"bronze {config.bronze_location!r} does not exist yet")
    else:
        found = _recompute(config, silver, interval, closed, run_id=run_id)
    summary = _summarize(found, run_id)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def interval_windows(
    bronze: DataFrame, silver: SilverConfig, interval: Interval
) -> DataFrame:
    """Return the windows that start in ``interval``; ``_rows`` counts their rows."""
    duration = parse_duration(silver.window.duration)
    timed = with_event_time(bronze, silver)
    # Rows of windows that reach over a bound are kept until the windows are known.
    nearby = timed.where(
        _is_between(F.col(EVENT_TIME), interval.start, interval.end + duration)
    )
    counted = silver.model_copy(
        update={"aggregates": {**silver.aggregates, _ROWS: "count(*)"}}
    )
    windows = aggregate_windows(nearby.drop(EVENT_TIME), counted)
    start = F.col("window_start")
    return windows.where(_is_between(start, interval.start, interval.end))


def _recompute(
    config: PipelineConfig,
    silver: SilverConfig,
    interval: Interval,
    closed: datetime,
    *,
    run_id: str,
) -> Recomputed:
    spark = spark_session(f"{config.name}_{silver.name}_backfill")
    bronze = spark.read.format("delta").load(config.bronze_location)
    check_columns(bronze, silver)
    _LOG.info("backfill %s: recomputing %s", silver.name, interval)
    with (
        translated(config.silver_location(silver)),
        _cached(interval_windows(bronze, silver, interval)) as windows,
    ):
        found = _count(windows, closed)
        if interval.start + parse_duration(silver.window.duration) > closed:
            return replace(found, note=_nothing_closed(closed))
        _require_table(config, silver)
        _LOG.info("backfill %s: replacing the closed windows", silver.name)
        within = _closed_windows_sql(interval, closed)
        (
            windows.where(within)
            .drop(_ROWS)
            .write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", within)
            .option("userMetadata", _metadata(config, silver, interval, run_id))
            .save(config.silver_location(silver))
        )
    return found


def _count(windows: DataFrame, closed: datetime) -> Recomputed:
    is_closed = F.col("window_end") <= F.lit(closed)
    replaced, left, rows = windows.agg(
        F.count_if(is_closed),
        F.count_if(~is_closed),
        F.coalesce(F.sum(_ROWS), F.lit(0)),
    ).collect()[0]
    return Recomputed(replaced, left, rows)


def _nothing_closed(closed: datetime) -> str:
    return (
        "nothing was replaced: no window of the interval is closed yet, "
        f"the stream has closed windows up to {closed:%Y-%m-%dT%H:%M:%SZ}"
    )


def _require_table(config: PipelineConfig, silver: SilverConfig) -> None:
    location = config.silver_location(silver)
    if open_table(location) is None:
        checkpoint = config.silver_checkpoint_location(silver)
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"table {location!r} is gone, but checkpoint {checkpoint!r} goes on as if "
            "its windows were there; restore the table, or remove the checkpoint as "
            "well and run silver again",
            {"table": location},
        )


@contextmanager
def _cached(rows: DataFrame) -> Iterator[DataFrame]:
    kept = rows.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def _is_between(moment: Column, start: datetime, end: datetime) -> Column:
    return (moment >= F.lit(start)) & (moment < F.lit(end))


def _closed_windows_sql(interval: Interval, closed: datetime) -> str:
    start, end, until = map(_sql, (interval.start, interval.end, closed))
    return f"window_start >= {start} AND window_start < {end} AND window_end <= {until}"


def _sql(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}Z'"


def _metadata(
    config: PipelineConfig, silver: SilverConfig, interval: Interval, run_id: str
) -> str:
    return json.dumps(
        {
            "step": "backfill",
            "pipeline": config.name,
            "silver": silver.name,
            "from": interval.start.astimezone(UTC).isoformat(),
            "to": interval.end.astimezone(UTC).isoformat(),
            "run_id": run_id,
        }
    )


def _summarize(found: Recomputed, run_id: str) -> StepSummary:
    counts = {
        "windows_replaced": found.windows_replaced,
        "windows_open": found.windows_open,
        "rows_read": found.rows_read,
    }
    return StepSummary("backfill", run_id, counts, (found.note,) if found.note else ())
