"""Recompute closed windows from bronze, late rows included, beside the live stream."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history import record_step
from sluice.intervals import Interval
from sluice.model import StepSummary
from sluice.rules.require import require_definition
from sluice.silver.judged import archive_violations, judge_windows
from sluice.silver.merge import cached
from sluice.silver.sessions import SessionsAsked, replace_sessions
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    check_columns,
    with_event_time,
)
from sluice.spark.failures import translated
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
_ROWS = "_sluice_rows"
_STEP = "backfill"


@dataclass(frozen=True)
class Recomputation:
    """Which windows of one silver table are to be recomputed, and for whom."""

    config: PipelineConfig
    silver: SilverConfig
    intervals: tuple[Interval, ...]
    run_id: str
    step: str = _STEP


@dataclass(frozen=True)
class Recomputed:
    """What a backfill found in the interval, each window counted once a group.

    ``open_since`` says when the earliest session that is not closed began.
    """

    windows_replaced: int = 0
    windows_open: int = 0
    rows_read: int = 0
    note: str | None = None
    open_since: datetime | None = None


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
    if open_table(config.bronze_location) is None:
        found = Recomputed(note=f"bronze {config.bronze_location!r} does not exist yet")
    else:
        asked = Recomputation(config, silver, (interval,), run_id)
        found = recompute(asked, closed_windows(config, silver))
    violated = archive_violations(config, silver, run_id=run_id)
    summary = _summarize(found, run_id, violated)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def interval_windows(
    bronze: DataFrame,
    silver: SilverConfig,
    intervals: Sequence[Interval],
    *,
    counted: bool = True,
) -> DataFrame:
    """Return the windows that start in ``intervals``.

    With ``counted`` the column ``_ROWS`` says of how many rows each is.
    """
    duration = silver.window.grid.duration
    timed = with_event_time(bronze, silver)
    # Rows of windows that reach over a bound are kept until the windows are known.
    nearby = timed.where(_is_in(F.col(EVENT_TIME), intervals, beyond=duration))
    if counted:
        aggregates = {**silver.aggregates, _ROWS: "count(*)"}
        silver = silver.model_copy(update={"aggregates": aggregates})
    windows = aggregate_windows(nearby.drop(EVENT_TIME), silver)
    return windows.where(_is_in(F.col("window_start"), intervals))


def closed_windows(config: PipelineConfig, silver: SilverConfig) -> datetime:
    """Return the watermark up to which the stream has emitted its windows."""
    return closed_up_to(read_checkpoint(config.silver_checkpoint_location(silver)))


def recompute(asked: Recomputation, closed: datetime) -> Recomputed:
    """Replace the windows asked for that end at or before ``closed``, in one commit.

    Raises:
        UsageError: bronze lacks what the aggregates need.
        RetryableError: the stream or another recomputation wrote at the same time.
        FatalError: the table is gone while its stream goes on, its windows are of
            another definition, or the query failed.
    """
    config, silver, intervals = asked.config, asked.silver, asked.intervals
    require_definition(config, config.silver_query(silver))
    name = f"{config.name}_{silver.name}_backfill"
    spark = spark_session(name, **storage_conf(config.locations))
    bronze = spark.read.format("delta").load(config.bronze_location)
    check_columns(bronze, silver)
    _LOG.info("%s %s: recomputing %s", asked.step, silver.name, intervals)
    if silver.window.is_session:
        return _recompute_sessions(bronze, asked, closed)
    with (
        translated(config.silver_location(silver)),
        cached(interval_windows(bronze, silver, intervals)) as windows,
    ):
        found = _count(windows, closed)
        first = min(interval.start for interval in intervals)
        if first + silver.window.grid.duration > closed:
            return replace(found, note=_nothing_closed(closed))
        _require_table(config, silver)
        _LOG.info("%s %s: replacing the closed windows", asked.step, silver.name)
        location = config.silver_location(silver)
        within = _closed_windows_sql(intervals, closed)
        due = judge_windows(windows.where(within).drop(_ROWS), silver, location)
        (
            due.rows.write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", within)
            .option("userMetadata", due.describe(_said(asked)))
            .save(location)
        )
    return found


def _recompute_sessions(
    bronze: DataFrame, asked: Recomputation, closed: datetime
) -> Recomputed:
    """Replace the sessions that touch the intervals, those of a group together."""
    config, silver = asked.config, asked.silver
    if min(interval.start for interval in asked.intervals) > closed:
        return Recomputed(note=_nothing_closed(closed))
    _require_table(config, silver)
    sessions = SessionsAsked(
        intervals=asked.intervals,
        closed=closed,
        said=_said(asked),
        # A backfill is over when it ends: it would not put in again what it took out.
        open_ones="leave" if asked.step == _STEP else "take out",
    )
    location = config.silver_location(silver)
    found = replace_sessions(bronze, location, silver, sessions)
    return Recomputed(
        found.replaced, found.open, found.rows, open_since=found.open_since
    )


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


def _is_in(
    moment: Column, intervals: Sequence[Interval], *, beyond: timedelta = timedelta()
) -> Column:
    within = [
        (moment >= F.lit(each.start)) & (moment < F.lit(each.end + beyond))
        for each in intervals
    ]
    return reduce(or_, within)


def _closed_windows_sql(intervals: Sequence[Interval], closed: datetime) -> str:
    within = " OR ".join(
        f"(window_start >= {_sql(each.start)} AND window_start < {_sql(each.end)})"
        for each in intervals
    )
    return f"({within}) AND window_end <= {_sql(closed)}"


def _sql(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}Z'"


def _said(asked: Recomputation) -> dict[str, object]:
    first = min(interval.start for interval in asked.intervals)
    last = max(interval.end for interval in asked.intervals)
    return {
        "step": asked.step,
        "pipeline": asked.config.name,
        "silver": asked.silver.name,
        "from": first.astimezone(UTC).isoformat(),
        "to": last.astimezone(UTC).isoformat(),
        "run_id": asked.run_id,
    }


def _summarize(found: Recomputed, run_id: str, violated: Sequence[str]) -> StepSummary:
    counts = {
        "windows_replaced": found.windows_replaced,
        "windows_open": found.windows_open,
        "rows_read": found.rows_read,
    }
    notes = (*((found.note,) if found.note else ()), *violated)
    return StepSummary("backfill", run_id, counts, notes)
