"""From bronze rows to windowed aggregates; the stream and the backfill share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import DateType, StringType, TimestampNTZType, TimestampType

from sluice.checkpoint.watermark import EPOCH
from sluice.columns import PROCESSING_TIME
from sluice.config.moments import names_zone
from sluice.config.silver import WINDOW_COLUMNS
from sluice.errors import Condition, UsageError
from sluice.quality.judge import find_wrong

if TYPE_CHECKING:
    from sluice.config import SilverConfig

EVENT_TIME = "_event_time"
_WINDOW = "_window"
# What rows are compared by that may come again.
_COMPARED_WINDOW, _COMPARED = "_sluice_window", "_sluice_compared"


def aggregate_windows(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    """Return one row per window and group: bounds, group columns, aggregates.

    The same plan serves a stream, where the watermark closes windows, and a batch,
    where Spark passes the watermark over. Rows without event time are in no window.
    """
    timed = with_event_time(bronze, silver).where(is_selected(silver))
    rows = timed.withWatermark(EVENT_TIME, silver.watermark)
    window = _window(silver)
    if silver.deduplicate and silver.window.is_session:
        rows = _without_copies_of_moments(rows, silver)
    elif silver.deduplicate:
        rows = _without_copies(rows, silver)
        window = F.col(_COMPARED_WINDOW).alias(_WINDOW)
    aggregates = [F.expr(sql).alias(name) for name, sql in silver.aggregates.items()]
    return (
        rows.groupBy(window, *map(_column, silver.group_by))
        .agg(*aggregates)
        .select(
            F.col(f"{_WINDOW}.start").alias(WINDOW_COLUMNS[0]),
            F.col(f"{_WINDOW}.end").alias(WINDOW_COLUMNS[1]),
            *map(_column, [*silver.group_by, *silver.aggregates]),
        )
    )


def with_event_time(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    """Add the event time, null where the text is none: no bad row stops a query.

    It is null too where the row happened after it was read by more than ``max_ahead``:
    one such row would close all windows before it, and make all later rows late.
    """
    moment = _event_time(bronze, silver)
    if silver.max_ahead is not None:
        moment = F.when(~_is_after_reading(moment, silver), moment)
    return bronze.withColumn(EVENT_TIME, moment)


def is_ahead(bronze: DataFrame, silver: SilverConfig) -> Column:
    """Return whether a row happened after it was read by more than ``max_ahead``."""
    if silver.max_ahead is None:
        return F.expr("false")
    return _is_after_reading(_event_time(bronze, silver), silver)


def is_selected(silver: SilverConfig) -> Column:
    """Return whether a row meets ``where``, as SQL has it: null does not."""
    if silver.where is None:
        return F.expr("true")
    return F.coalesce(F.expr(silver.where), F.expr("false"))


def late_from(event_time: Column, silver: SilverConfig) -> Column:
    """Return up to which watermark a row is taken into all of its windows.

    That is the end of the earliest. A row is in a session of its own at least, until
    ``gap`` after it; copies of it are known until its own time alone.
    """
    if silver.window.is_session and silver.deduplicate:
        return event_time
    return first_end(event_time, silver)


def first_end(event_time: Column, silver: SilverConfig) -> Column:
    """Return when the earliest window of ``event_time`` ends, that of it alone."""
    duration = F.lit(silver.window.grid.duration)
    if silver.window.is_session:
        return event_time + duration
    return first_window(event_time, silver) + duration


def first_window(event_time: Column, silver: SilverConfig) -> Column:
    """Return when the earliest window of ``event_time`` starts; null has none."""
    grid = silver.window.grid
    return _last_start(event_time - F.lit(grid.duration), silver) + F.lit(grid.slide)


def last_window(event_time: Column, silver: SilverConfig) -> Column:
    """Return when the latest window of ``event_time`` starts; null has none."""
    return _last_start(event_time, silver)


def list_starts(timed: DataFrame, silver: SilverConfig) -> frozenset[datetime]:
    """Return the starts of the windows that rows with an event time fall into."""
    moment = F.col(EVENT_TIME)
    # As numbers: PySpark would give moments in the time zone of this process.
    bounds = timed.where(moment.isNotNull()).select(
        F.unix_micros(first_window(moment, silver)).alias("first"),
        F.unix_micros(last_window(moment, silver)).alias("last"),
    )
    step = silver.window.grid.slide // timedelta(microseconds=1)
    return frozenset(
        EPOCH + timedelta(microseconds=start)
        for first, last in bounds.distinct().collect()
        for start in range(first, last + 1, step)
    )


def check_columns(bronze: DataFrame, silver: SilverConfig) -> None:
    """Raise for what ``silver`` asks of bronze and bronze cannot give.

    Costs an analysis, one more per aggregate where any is wrong, and one for each that
    names another; reads no row.

    Raises:
        UsageError: names every wrong column and every wrong aggregate.
    """
    wrong = _missing_columns(bronze, silver)
    # Without its columns nothing can be analysed, and all aggregates would be blamed.
    wrong = wrong or list(_wrong_filter(bronze, silver))
    wrong = wrong or _wrong_windows(bronze, silver)
    if wrong:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"silver {silver.name!r}: {'; '.join(wrong)}; "
            f"{silver.source or 'bronze'} has the columns {bronze.columns}; correct "
            "the pipeline file",
            {"silver": silver.name, "wrong": wrong},
        )


def _window(silver: SilverConfig) -> Column:
    if silver.window.gap is not None:
        return F.session_window(EVENT_TIME, silver.window.gap).alias(_WINDOW)
    lengths = [each for each in (silver.window.duration, silver.window.slide) if each]
    return F.window(EVENT_TIME, *lengths).alias(_WINDOW)


def _without_copies(rows: DataFrame, silver: SilverConfig) -> DataFrame:
    """Return the rows with their windows, those of one key and event time once in each.

    The window belongs to what is compared: the state of a stream then forgets a row
    when its window is closed, and drops as late what the windows drop as late. So do
    the groups: whichever of the copies is taken, no other group counts one. A row that
    lacks a part of its key is a copy of no other.
    """
    moment = F.unix_micros(EVENT_TIME)
    window = _window(silver).alias(_COMPARED_WINDOW)
    return (
        rows.select("*", window, _compared(silver).alias(_COMPARED))
        # A second column with a watermark would say otherwise which rows are late.
        .withColumn(EVENT_TIME, F.timestamp_micros(moment))
        .dropDuplicates([_COMPARED_WINDOW, _COMPARED, *silver.group_by])
    )


def _without_copies_of_moments(rows: DataFrame, silver: SilverConfig) -> DataFrame:
    """Return the rows, those of one key, group and event time once.

    Copies are in one session, whichever it is. The state forgets a row when the
    watermark has passed it, and drops as late whatever comes from before then.
    """
    found = rows.withColumn(_COMPARED, _compared(silver))
    return found.dropDuplicates([EVENT_TIME, _COMPARED, *silver.group_by])


def _compared(silver: SilverConfig) -> Column:
    """Return what a copy of a row has as the row; one without its key has no copy.

    As texts, for which a stream and a batch have one order and one width of numbers.
    """
    keys = [_column(name) for name in silver.deduplicate]
    lacks_key = reduce(or_, (key.isNull() for key in keys))
    return F.array(
        F.unix_micros(EVENT_TIME).cast("string"),
        *(key.cast("string") for key in keys),
        F.when(lacks_key, F.uuid()),
    )


def _event_time(bronze: DataFrame, silver: SilverConfig) -> Column:
    given = silver.event_time
    column, kind = _column(given.column), bronze.schema[given.column].dataType
    if isinstance(kind, TimestampType):
        return column
    if not isinstance(kind, StringType):
        return _in_zone(column.cast("timestamp"), given.time_zone)
    read = [_parse(column, each, given.time_zone) for each in given.format]
    return F.coalesce(*read)


def _parse(text: Column, pattern: str, time_zone: str) -> Column:
    # Under ANSI rules, the default, to_timestamp would fail the query on a bad text.
    parsed = F.try_to_timestamp(text, F.lit(pattern))
    return parsed if names_zone(pattern) else _in_zone(parsed, time_zone)


def _is_after_reading(moment: Column, silver: SilverConfig) -> Column:
    """Return whether a moment is past the limit; of what is unknown it is not."""
    limit = F.col(PROCESSING_TIME) + F.expr(f"INTERVAL {silver.max_ahead}")
    return F.coalesce(moment > limit, F.expr("false"))


def _last_start(moment: Column, silver: SilverConfig) -> Column:
    """Return the last moment at or before ``moment`` at which a window starts."""
    micros = F.unix_micros(moment)
    slide = silver.window.grid.slide // timedelta(microseconds=1)
    return F.timestamp_micros(micros - F.pmod(micros, F.lit(slide)))


def _in_zone(moment: Column, time_zone: str) -> Column:
    """Return when ``time_zone`` had the wall-clock time that the session has then."""
    # Text without a zone is read in the session's, which is not ours to rely on.
    reading = F.from_utc_timestamp(moment, F.current_timezone())
    return F.to_utc_timestamp(reading, time_zone)


def _missing_columns(bronze: DataFrame, silver: SilverConfig) -> list[str]:
    wanted = {"event_time.column": [silver.event_time.column]}
    wanted["group_by"] = silver.group_by
    wanted["deduplicate"] = list(silver.deduplicate)
    if silver.max_ahead is not None:
        wanted["event_time.max_ahead"] = [PROCESSING_TIME]
    source = silver.source or "bronze"
    missing = [
        f"{key} names {name!r}, which {source} lacks"
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


def _wrong_filter(bronze: DataFrame, silver: SilverConfig) -> Iterator[str]:
    if silver.where is None:
        return
    try:
        bronze.where(is_selected(silver)).schema  # noqa: B018 - asking for it analyses
    except AnalysisException as error:
        yield f"where is {silver.where!r}: {_first_line(error)}"


def _wrong_windows(bronze: DataFrame, silver: SilverConfig) -> list[str]:
    try:
        windows = _analysed(bronze, silver)
    except AnalysisException:
        # Spark names the first alone, and not by our name for it.
        wrong = _wrong_aggregates(bronze, silver, silver.aggregates)
        if not wrong:
            raise
        return wrong
    # Spark lets one name another, until bronze has a column of that name.
    wrong = _wrong_aggregates(bronze, silver, _naming_others(silver.aggregates))
    return wrong or list(_wrong_rules(windows, silver))


def _naming_others(aggregates: Mapping[str, str]) -> list[str]:
    """Return the aggregates in whose text the name of another is."""
    return [
        name
        for name, sql in aggregates.items()
        if any(each.lower() in sql.lower() for each in aggregates if each != name)
    ]


def _wrong_aggregates(
    bronze: DataFrame, silver: SilverConfig, names: Iterable[str]
) -> list[str]:
    errors = {name: _aggregate_error(bronze, silver, name) for name in names}
    return [
        f"aggregate {name!r} is {silver.aggregates[name]!r}: {error}"
        for name, error in errors.items()
        if error
    ]


def _aggregate_error(bronze: DataFrame, silver: SilverConfig, name: str) -> str | None:
    one = silver.model_copy(update={"aggregates": {name: silver.aggregates[name]}})
    try:
        _analysed(bronze, one)
    except AnalysisException as error:
        return _first_line(error)
    return None


def _analysed(bronze: DataFrame, silver: SilverConfig) -> DataFrame:
    windows = aggregate_windows(bronze, silver)
    windows.schema  # noqa: B018 - asking for it analyses
    return windows


def _wrong_rules(windows: DataFrame, silver: SilverConfig) -> Iterator[str]:
    for name, reason in find_wrong(windows, silver.expectations):
        yield (
            f"expectations.{name} is {silver.expectations[name].expect!r}, which is no "
            f"condition over the columns of the table, {windows.columns}: {reason}"
        )


def _first_line(error: AnalysisException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


def _column(name: str) -> Column:
    return F.col(f"`{name}`")
