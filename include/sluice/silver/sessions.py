"""Session windows computed again from bronze, and put in place of those in the table.

A row more, or one less, changes where sessions begin and end, joins two or parts one.
So the sessions of a group that touch an interval are replaced together: those that the
table has by those that bronze gives. How far a session reaches is known when all rows
of its group are: every time all of bronze is aggregated once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint.watermark import EPOCH
from sluice.config.silver import WINDOW_COLUMNS
from sluice.silver.merge import cached
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    is_selected,
    with_event_time,
)
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from sluice.config import SilverConfig
    from sluice.intervals import Interval

_ROWS, _GONE, _FIRST, _LAST = "_rows", "_gone", "_first", "_last"
_START, _END = WINDOW_COLUMNS
_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


@dataclass(frozen=True, kw_only=True)
class SessionsAsked:
    """The sessions that touch ``intervals``, and end at or before ``closed``.

    What the table has of a session that goes on is taken out, for it comes again when
    that is closed; with ``leaves_open`` it stays.
    """

    intervals: Sequence[Interval]
    closed: datetime
    metadata: str
    leaves_open: bool = False


@dataclass(frozen=True)
class SessionsFound:
    """How many were replaced and are open, of how many rows, and since when open."""

    replaced: int
    open: int
    rows: int
    open_since: datetime | None


def replace_sessions(
    bronze: DataFrame, location: str, silver: SilverConfig, asked: SessionsAsked
) -> SessionsFound:
    """Replace what is asked for in one commit; doing it again changes nothing.

    Raises:
        RetryableError: others wrote the table first all the time.
        FatalError: the table cannot be written.
    """
    found: list[SessionsFound] = []

    def attempt() -> None:
        table = bronze.sparkSession.read.format("delta").load(location)
        there = table.where(F.col(_END) <= F.lit(asked.closed))
        with cached(_all_sessions(bronze, silver)) as sessions:
            near = _touching(sessions, there, silver, asked)
            found.append(_count(near, asked.closed))
            _merge(_changes(near, there, silver, asked), location, silver, asked)

    commit_over_conflicts(location, attempt)
    return found[-1]


def _all_sessions(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    """Return every session of ``bronze``, and of how many ``_rows`` it is.

    The bounds are those of its rows. Spark takes the bounds that it has by itself for
    grouping columns: a condition on them would leave out rows before they are joined.
    """
    bounds = {_FIRST: f"min({EVENT_TIME})", _LAST: f"max({EVENT_TIME})"}
    wanted = {**silver.aggregates, _ROWS: "count(*)", **bounds}
    found = aggregate_windows(bronze, silver.model_copy(update={"aggregates": wanted}))
    end = F.col(_LAST) + F.lit(silver.window.grid.duration)
    return (
        found.withColumn(_START, F.col(_FIRST))
        .withColumn(_END, end)
        .drop(_FIRST, _LAST)
    )


def newest_end(bronze: DataFrame, silver: SilverConfig) -> datetime | None:
    """Return when the newest session of ``bronze`` ends, None where there is none."""
    timed = with_event_time(bronze, silver).where(is_selected(silver))
    newest = timed.agg(F.unix_micros(F.max(EVENT_TIME))).collect()[0][0]
    if newest is None:
        return None
    return EPOCH + timedelta(microseconds=newest) + silver.window.grid.duration


def _touching(
    sessions: DataFrame, there: DataFrame, silver: SilverConfig, asked: SessionsAsked
) -> DataFrame:
    """Return the sessions that touch an interval, or a session there that does."""
    touches = _touches(silver, asked)
    old = there.where(touches)
    others = sessions.where(~touches).alias("a")
    return sessions.where(touches).unionByName(
        others.join(old.alias("b"), _overlap(silver), "left_semi")
    )


def _changes(
    near: DataFrame, there: DataFrame, silver: SilverConfig, asked: SessionsAsked
) -> DataFrame:
    """Return the sessions to put in, and with ``_gone`` those to take out."""
    keys, touches = [*WINDOW_COLUMNS, *silver.group_by], _touches(silver, asked)
    is_closed = F.col(_END) <= F.lit(asked.closed)
    new = near.where(is_closed).drop(_ROWS).withColumn(_GONE, F.expr("false"))
    overlap = _overlap(silver)
    others = there.where(~touches).alias("a")
    gone = there.where(touches).unionByName(
        others.join(near.alias("b"), overlap, "left_semi")
    )
    if asked.leaves_open:
        still_open = near.where(~is_closed).alias("b")
        gone = gone.alias("a").join(still_open, overlap, "left_anti")
    same = [_same(key) for key in keys]
    gone = gone.alias("a").join(new.alias("b"), reduce(and_, same), "left_anti")
    gone = gone.withColumn(_GONE, F.expr("true"))
    return new.unionByName(gone)


def _merge(
    changes: DataFrame, location: str, silver: SilverConfig, asked: SessionsAsked
) -> None:
    keys = [*WINDOW_COLUMNS, *silver.group_by]
    merge = (
        DeltaTable.forPath(changes.sparkSession, location)
        .alias("a")
        .merge(changes.alias("b"), reduce(and_, map(_same, keys)))
        .whenMatchedDelete(F.col(f"b.{_GONE}"))
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll(~F.col(f"b.{_GONE}"))
    )
    with applied(changes.sparkSession, {_METADATA: asked.metadata}):
        merge.execute()


def _count(near: DataFrame, closed: datetime) -> SessionsFound:
    is_closed = F.col(_END) <= F.lit(closed)
    replaced, left, rows, since = near.agg(
        F.count_if(is_closed),
        F.count_if(~is_closed),
        F.coalesce(F.sum(_ROWS), F.lit(0)),
        # As a number: PySpark would give a moment in the time zone of this process.
        F.unix_micros(F.min(F.when(~is_closed, F.col(_START)))),
    ).collect()[0]
    open_since = None if since is None else EPOCH + timedelta(microseconds=since)
    return SessionsFound(replaced, left, rows, open_since)


def _touches(silver: SilverConfig, asked: SessionsAsked) -> Column:
    """Return whether a session holds a moment of the intervals, or is next to one.

    A row that is no longer there may have joined sessions as far as its gap reaches.
    """
    gap = silver.window.grid.duration
    touching = [
        (F.col(_START) <= F.lit(each.end + gap)) & (F.col(_END) >= F.lit(each.start))
        for each in asked.intervals
    ]
    return reduce(or_, touching)


def _overlap(silver: SilverConfig) -> Column:
    same = [_same(name) for name in silver.group_by]
    before = F.col(f"a.{_START}") <= F.col(f"b.{_END}")
    behind = F.col(f"a.{_END}") >= F.col(f"b.{_START}")
    return reduce(and_, same, before & behind)


def _same(name: str) -> Column:
    return F.col(f"a.`{name}`").eqNullSafe(F.col(f"b.`{name}`"))
