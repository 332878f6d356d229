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
from typing import TYPE_CHECKING, Literal

from delta.tables import DeltaTable
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint.watermark import EPOCH
from sluice.config.silver import WINDOW_COLUMNS
from sluice.silver.judged import judge_windows
from sluice.silver.merge import METADATA, cached
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    is_selected,
    with_event_time,
)
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

    from sluice.config import SilverConfig
    from sluice.intervals import Interval

_ROWS, _FIRST, _LAST = "_sluice_rows", "_sluice_first", "_sluice_last"
_OLD, _BEGINS, _NUMBER = "_sluice_old", "_sluice_begins", "_sluice_number"
_TOUCHED, _GOES_ON = "_sluice_touched", "_sluice_goes_on"
_START, _END = WINDOW_COLUMNS


@dataclass(frozen=True, kw_only=True)
class SessionsAsked:
    """The sessions that touch ``intervals``; those that end after ``closed`` are open.

    What the table has of one that is open is taken out, for it comes again when that is
    closed; or it is left with all that it touches; or the open one is put in its place.
    What is ``said`` the commit says of itself.
    """

    intervals: Sequence[Interval]
    closed: datetime
    said: Mapping[str, object]
    open_ones: Literal["take out", "leave", "put in"] = "take out"


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
        there = bronze.sparkSession.read.format("delta").load(location)
        near = _near(_all_sessions(bronze, silver), there, silver, asked)
        with cached(near) as sessions:
            found.append(_count(sessions, asked.closed))
            _merge(_changes(sessions, asked), location, silver, asked)

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


def _near(
    sessions: DataFrame, there: DataFrame, silver: SilverConfig, asked: SessionsAsked
) -> DataFrame:
    """Return the sessions of bronze and of the table that touch, or are joined to one.

    Those that overlap, one with the next, are replaced together. ``_OLD`` marks the
    keys of the table, each once, and ``_GOES_ON`` what is joined to an open session.
    """
    keys = [F.col(f"`{name}`") for name in [*WINDOW_COLUMNS, *silver.group_by]]
    old = there.select(*keys).distinct()
    is_open = F.col(_END) > F.lit(asked.closed)
    if asked.open_ones != "put in":
        old = old.where(~is_open)
    rows = sessions.withColumn(_OLD, F.expr("false")).unionByName(
        old.withColumn(_OLD, F.expr("true")), allowMissingColumns=True
    )
    groups = keys[len(WINDOW_COLUMNS) :]
    by_start = Window.partitionBy(*groups).orderBy(_START)
    before = by_start.rowsBetween(Window.unboundedPreceding, -1)
    reach = F.max(_END).over(before)
    # Of those with one start one begins: a frame by rows might part them.
    until = by_start.rangeBetween(Window.unboundedPreceding, Window.currentRow)
    joined = Window.partitionBy(*groups, _NUMBER)
    return (
        rows.withColumn(_BEGINS, F.coalesce(F.col(_START) > reach, F.expr("true")))
        .withColumn(_NUMBER, F.count_if(_BEGINS).over(until))
        .withColumn(_TOUCHED, F.max(_touches(silver, asked)).over(joined))
        .withColumn(_GOES_ON, F.max(~F.col(_OLD) & is_open).over(joined))
        .where(_TOUCHED)
        .drop(_BEGINS, _NUMBER, _TOUCHED)
    )


def _changes(near: DataFrame, asked: SessionsAsked) -> DataFrame:
    """Return the sessions to put in, and with ``_OLD`` those to take out."""
    if asked.open_ones == "leave":
        near = near.where(~F.col(_GOES_ON))
    if asked.open_ones != "put in":
        near = near.where(F.col(_OLD) | (F.col(_END) <= F.lit(asked.closed)))
    return near.drop(_ROWS, _GOES_ON)


def _merge(
    changes: DataFrame, location: str, silver: SilverConfig, asked: SessionsAsked
) -> None:
    """Take out every row of the old sessions, copies too, and add the new ones."""
    keys = [*WINDOW_COLUMNS, *silver.group_by]
    windows = judge_windows(changes, silver, location, new=~F.col(_OLD))
    merge = (
        DeltaTable.forPath(changes.sparkSession, location)
        .alias("a")
        .merge(
            windows.rows.alias("b"), reduce(and_, map(_same, keys), F.col(f"b.{_OLD}"))
        )
        .whenMatchedDelete()
        .whenNotMatchedInsertAll(~F.col(f"b.{_OLD}"))
    )
    with applied(changes.sparkSession, {METADATA: windows.describe(asked.said)}):
        merge.execute()


def _count(near: DataFrame, closed: datetime) -> SessionsFound:
    is_closed = F.col(_END) <= F.lit(closed)
    replaced, left, rows, since = (
        near.where(~F.col(_OLD))
        .agg(
            F.count_if(is_closed),
            F.count_if(~is_closed),
            F.coalesce(F.sum(_ROWS), F.lit(0)),
            # As a number: PySpark would give a moment in the time zone of this process.
            F.unix_micros(F.min(F.when(~is_closed, F.col(_START)))),
        )
        .collect()[0]
    )
    open_since = None if since is None else EPOCH + timedelta(microseconds=since)
    return SessionsFound(replaced, left, rows, open_since)


def _touches(silver: SilverConfig, asked: SessionsAsked) -> Column:
    """Return whether a session holds a moment of the intervals, or is next to one.

    A row that is no longer there may have joined sessions as far as its gap reaches.
    """
    gap = silver.window.grid.duration
    touching = [
        (F.col(_START) <= F.lit(each.end + gap)) & (F.col(_END) > F.lit(each.start))
        for each in asked.intervals
    ]
    return reduce(or_, touching)


def _same(name: str) -> Column:
    return F.col(f"a.`{name}`").eqNullSafe(F.col(f"b.`{name}`"))
