"""From bronze rows to windowed aggregates; the stream and the backfill share it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import DateType, StringType, TimestampNTZType, TimestampType

from sluice.errors import Condition, UsageError

if TYPE_CHECKING:
    from sluice.config import SilverConfig

EVENT_TIME = "_event_time"
WINDOW_COLUMNS = ("window_start", "window_end")
_WINDOW = "_window"
_ZONE_LETTERS = re.compile(r"[VzOXxZ]")
_QUOTED = re.compile(r"'[^']*'")


def aggregate_windows(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    """Return one row per window and group: bounds, group columns, aggregates.

    The same plan serves a stream, where the watermark closes windows, and a batch,
    where Spark passes the watermark over. Rows without event time are in no window.
    """
    rows = with_event_time(bronze, silver).withWatermark(EVENT_TIME, silver.watermark)
    window = event_window(F.col(EVENT_TIME), silver).alias(_WINDOW)
    aggregates = [F.expr(sql).alias(name) for name, sql in silver.aggregates.items()]
    return (
        rows.groupBy(window, *map(_column, silver.group_by))
        .agg(*aggregates)
        .select(
            F.col(f"{_WINDOW}.start").alias("window_start"),
            F.col(f"{_WINDOW}.end").alias("window_end"),
            *map(_column, [*silver.group_by, *silver.aggregates]),
        )
    )


def with_event_time(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    """Add the event time, null where the text is none: no bad row stops a query."""
    return bronze.withColumn(EVENT_TIME, _event_time(bronze, silver))


def event_window(event_time: Column, silver: SilverConfig) -> Column:
    """Return the window, a struct of start and end, that ``event_time`` falls into."""
    return F.window(event_time, silver.window.duration)


def check_columns(bronze: DataFrame, silver: SilverConfig) -> None:
    """Raise for what ``silver`` asks of bronze and bronze cannot give.

    Costs an analysis per aggregate and reads no row.

    Raises:
        UsageError: names every wrong column and every wrong aggregate.
    """
    wrong = [*_missing_columns(bronze, silver), *_name_clashes(silver)]
    # Without its columns nothing can be analysed, and all aggregates would be blamed.
    wrong = wrong or list(_wrong_aggregates(bronze, silver))
    if wrong:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"silver {silver.name!r}: {'; '.join(wrong)}; "
            f"bronze has the columns {bronze.columns}; correct the pipeline file",
            {"silver": silver.name, "wrong": wrong},
        )


def _event_time(bronze: DataFrame, silver: SilverConfig) -> Column:
    given = silver.event_time
    column, kind = _column(given.column), bronze.schema[given.column].dataType
    if isinstance(kind, TimestampType):
        return column
    if not isinstance(kind, StringType):
        return _in_zone(column.cast("timestamp"), given.time_zone)
    # Under ANSI rules, the default, to_timestamp would fail the query on a bad text.
    parsed = F.try_to_timestamp(column, F.lit(given.format))
    if _ZONE_LETTERS.search(_QUOTED.sub("", given.format)):
        return parsed
    return _in_zone(parsed, given.time_zone)


def _in_zone(moment: Column, time_zone: str) -> Column:
    """Return when ``time_zone`` had the wall-clock time that the session has then."""
    # Text without a zone is read in the session's, which is not ours to rely on.
    reading = F.from_utc_timestamp(moment, F.current_timezone())
    return F.to_utc_timestamp(reading, time_zone)


def _missing_columns(bronze: DataFrame, silver: SilverConfig) -> list[str]:
    wanted = {"event_time.column": [silver.event_time.column]}
    wanted["group_by"] = silver.group_by
    missing = [
        f"{key} names {name!r}, which bronze lacks"
        for key, names in wanted.items()
        for name in names
        if name not in bronze.columns
    ]
    return missing or _wrong_event_time(bronze, silver)


def _wrong_event_time(bronze: DataFrame, silver: SilverConfig) -> list[str]:
    kind = bronze.schema[silver.event_time.column].dataType
    if isinstance(kind, StringType | TimestampType | TimestampNTZType | DateType):
        return []
    return [
        f"event_time.column {silver.event_time.column!r} is {kind.simpleString()}, "
        "expected string, timestamp or date"
    ]


def _name_clashes(silver: SilverConfig) -> list[str]:
    taken = {*WINDOW_COLUMNS, *silver.group_by}
    clashes = sorted(
        {name for name in silver.aggregates if name in taken}
        | {name for name in silver.group_by if name in WINDOW_COLUMNS}
    )
    return [f"two output columns are called {name!r}" for name in clashes]


def _wrong_aggregates(bronze: DataFrame, silver: SilverConfig) -> Sequence[str]:
    names = silver.aggregates
    errors = {name: _aggregate_error(bronze, silver, name) for name in names}
    return [
        f"aggregate {name!r} is {silver.aggregates[name]!r}: {error}"
        for name, error in errors.items()
        if error
    ]


def _aggregate_error(bronze: DataFrame, silver: SilverConfig, name: str) -> str | None:
    one = silver.model_copy(update={"aggregates": {name: silver.aggregates[name]}})
    try:
        aggregate_windows(bronze, one).schema  # noqa: B018 - asking for it analyses
    except AnalysisException as error:
        return str(error).strip().split("\n", maxsplit=1)[0]
    return None


def _column(name: str) -> Column:
    return F.col(f"`{name}`")
